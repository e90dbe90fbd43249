//! What every event is: an envelope, a topic, a schema, a key, and rules.

use std::borrow::Cow;

use domain::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::codec::Layout;
use crate::partition::partition_for;
use crate::rules;
use crate::topics::Topic;
use crate::violation::{Place, Violation};

/// How far ahead of the clock an event's time may lie.
pub const MOST_AHEAD_MICROS: i64 = 5 * 60 * 1_000_000;

/// The fields that every event carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Envelope<'a> {
    /// UUID.
    pub event_id: &'a str,
    /// When it happened; microseconds since 1970-01-01T00:00:00Z.
    pub occurred_at: i64,
    /// Who says so; of bars, news and corporate actions the source of the data, of progress the source that served it.
    pub source: &'a str,
    /// Passed on from cause to effect.
    pub correlation_id: Option<&'a str>,
}

/// An event of the wire.
///
/// A value may break the rules: `decode` and `finding::parse` check them, whoever builds one by hand answers for it.
pub trait Event: Serialize + DeserializeOwned + Sized + 'static {
    /// Its topic; of feature requests the unhurried one, see [`Event::topic`].
    const TOPIC: Topic;

    /// Its Avro schema, newest version.
    const SCHEMA: &'static str;

    /// The schema made ready for the codec.
    #[doc(hidden)]
    fn layout() -> &'static Layout;

    /// The fields that every event carries.
    fn envelope(&self) -> Envelope<'_>;

    /// The symbol that its partition follows; of a request with several, the first.
    fn symbol(&self) -> &str;

    /// The rules of its own, beside those of the envelope and the symbol.
    ///
    /// # Errors
    /// The first one that is broken.
    #[doc(hidden)]
    fn check(&self, at: Place) -> Result<(), Violation>;

    /// The topic of this very event.
    fn topic(&self) -> Topic {
        Self::TOPIC
    }

    /// The key of its record.
    fn key(&self) -> Cow<'_, str> {
        Cow::Borrowed(self.symbol())
    }

    /// Checks every rule that needs nothing but the event.
    ///
    /// # Errors
    /// The first one that is broken, with event, path and cause.
    fn validate(&self) -> Result<(), Violation> {
        let at = Place::of(self.topic().event());
        let envelope = self.envelope();
        at.field("event_id", rules::uuid(envelope.event_id))?;
        at.field("occurred_at", rules::instant(envelope.occurred_at))?;
        at.field("source", rules::id(envelope.source))?;
        if let Some(correlation_id) = envelope.correlation_id {
            at.field("correlation_id", rules::id(correlation_id))?;
        }
        self.check(at)
    }

    /// Checks what it says about time against the clock: nothing lies more than [`MOST_AHEAD_MICROS`] ahead.
    ///
    /// # Errors
    /// When something does, with event, path and both times.
    fn check_clock(&self, now: Timestamp) -> Result<(), Violation> {
        let at = Place::of(self.topic().event());
        at.field("occurred_at", not_ahead(self.envelope().occurred_at, now))
    }

    /// Checks that it lies in its symbol's partition, of `count`.
    ///
    /// # Errors
    /// When it lies elsewhere, with the symbol and both partitions.
    fn check_placement(&self, partition: i32, count: i32) -> Result<(), Violation> {
        let at = Place::of(self.topic().event());
        at.field("symbol", placed(self.symbol(), partition, count))
    }
}

pub(crate) fn not_ahead(micros: i64, now: Timestamp) -> Result<(), String> {
    let limit = now.micros().saturating_add(MOST_AHEAD_MICROS);
    rules::check(micros <= limit, || {
        format!("{} is more than 5 min ahead of the clock, {now}", Timestamp::from_micros(micros))
    })
}

pub(crate) fn placed(symbol: &str, partition: i32, count: i32) -> Result<(), String> {
    let own = partition_for(symbol.as_bytes(), count);
    rules::check(own == partition, || {
        format!("{symbol} belongs to partition {own} of {count}, not {partition}")
    })
}

/// The part of `impl Event` that is the same for every event: topic, schema, and envelope.
macro_rules! described {
    ($topic:ident, $event:literal) => {
        const TOPIC: $crate::topics::Topic = $crate::topics::Topic::$topic;

        const SCHEMA: &'static str =
            include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../schemas/", $event, "/v1.avsc"));

        fn layout() -> &'static $crate::codec::Layout {
            static LAYOUT: std::sync::LazyLock<$crate::codec::Layout> = std::sync::LazyLock::new(|| {
                $crate::codec::Layout::embedded(include_str!(concat!(
                    env!("CARGO_MANIFEST_DIR"),
                    "/../../schemas/",
                    $event,
                    "/v1.avsc"
                )))
            });
            &LAYOUT
        }

        fn envelope(&self) -> $crate::event::Envelope<'_> {
            $crate::event::Envelope {
                event_id: &self.event_id,
                occurred_at: self.occurred_at,
                source: &self.source,
                correlation_id: self.correlation_id.as_deref(),
            }
        }
    };
}

pub(crate) use described;

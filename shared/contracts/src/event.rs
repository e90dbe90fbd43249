//! The trait of all events: envelope, topic, schema, key, and rules.

use std::borrow::Cow;

use domain::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::rules;
use crate::schema_codec::SchemaCodec;
use crate::topics::Topic;
use crate::violation::{EventPath, Violation};

/// The fields that every event carries. They are documented in each event's struct.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Envelope<'a> {
    /// Id of the event, a UUID.
    pub event_id: &'a str,
    /// Event time, in microseconds since 1970-01-01T00:00:00Z.
    pub occurred_at: i64,
    /// Component that published the event, or the source of the data.
    pub source: &'a str,
    /// Id that is passed from cause to effect.
    pub correlation_id: Option<&'a str>,
}

/// An event.
///
/// A value of an event type can violate the rules. [`Codec::decode`](crate::Codec::decode) and
/// [`finding::parse`](crate::finding::parse) check them. Code that builds an event is responsible for its validity.
pub trait Event: Serialize + DeserializeOwned + Sized + 'static {
    /// Topic of the event type. Feature requests have a second topic, see [`Event::topic`].
    const TOPIC: Topic;

    /// Newest version of the Avro schema.
    const SCHEMA: &'static str;

    /// Returns the parsed schema with its reader and writer.
    #[doc(hidden)]
    fn schema_codec() -> &'static SchemaCodec;

    /// Returns the envelope.
    fn envelope(&self) -> Envelope<'_>;

    /// Returns the symbol that determines the partition. If the event has several, the first.
    fn symbol(&self) -> &str;

    /// Checks the rules of this event type, except those of the envelope.
    ///
    /// # Errors
    /// The first violation.
    #[doc(hidden)]
    fn check(&self, at: EventPath) -> Result<(), Violation>;

    /// Returns the topic of this event.
    fn topic(&self) -> Topic {
        Self::TOPIC
    }

    /// Returns the key of the event's record.
    fn key(&self) -> Cow<'_, str> {
        Cow::Borrowed(self.symbol())
    }

    /// Checks every rule that depends on the event alone.
    ///
    /// # Errors
    /// The first violation.
    fn validate(&self) -> Result<(), Violation> {
        let at = EventPath::of(self.topic().event());
        let envelope = self.envelope();
        at.field("event_id", rules::uuid(envelope.event_id))?;
        at.field("occurred_at", rules::instant(envelope.occurred_at))?;
        at.field("source", rules::id(envelope.source))?;
        if let Some(correlation_id) = envelope.correlation_id {
            at.field("correlation_id", rules::id(correlation_id))?;
        }
        self.check(at)
    }

    /// Checks that no time of the event is more than [`CLOCK_AHEAD_MICROS_MAX`](crate::bounds::CLOCK_AHEAD_MICROS_MAX) ahead of the clock.
    ///
    /// # Errors
    /// The first violation, with both times.
    fn check_clock(&self, now: Timestamp) -> Result<(), Violation> {
        let at = EventPath::of(self.topic().event());
        at.field("occurred_at", rules::not_ahead(self.envelope().occurred_at, now))
    }

    /// Checks that `partition`, of `count`, is the partition of the event's symbol.
    ///
    /// # Errors
    /// A violation with the symbol and both partitions if it is not.
    fn check_placement(&self, partition: i32, count: i32) -> Result<(), Violation> {
        let at = EventPath::of(self.topic().event());
        at.field("symbol", rules::in_partition(self.symbol(), partition, count))
    }
}

/// The items of `impl Event` that are equal for all events: topic, schema and envelope. `$schema` names the version that is written,
/// such as `scanner.alert.raised/v1`: a file of `schemas/`. Records of all other versions are resolved to it.
macro_rules! topic_schema_envelope {
    ($topic:ident, $schema:literal) => {
        const TOPIC: $crate::topics::Topic = $crate::topics::Topic::$topic;

        const SCHEMA: &'static str =
            include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../schemas/", $schema, ".avsc"));

        fn schema_codec() -> &'static $crate::schema_codec::SchemaCodec {
            static CODEC: std::sync::LazyLock<$crate::schema_codec::SchemaCodec> =
                std::sync::LazyLock::new(|| {
                    $crate::schema_codec::SchemaCodec::embedded(include_str!(concat!(
                        env!("CARGO_MANIFEST_DIR"),
                        "/../../schemas/",
                        $schema,
                        ".avsc"
                    )))
                });
            &CODEC
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

pub(crate) use topic_schema_envelope;

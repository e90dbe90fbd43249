//! What scanners send to the edge: JSON with the event's name in `event` and its fields beside it.
//!
//! `event_id`, `occurred_at`, `source` and `correlation_id` may be left out: a new UUID v7, now, the caller's name, the event's id.

mod input;

use std::borrow::Cow;

use domain::Timestamp;
use serde::Deserialize;
use serde_json::Deserializer;

use crate::codec::{EncodeError, encode};
use crate::event::Event;
use crate::events::{Alert, Gap, Proposal};
use crate::json;
use crate::rules::short;
use crate::topics::Topic;
use crate::violation::Violation;

use input::WithDefaults;

/// One of the three events that enter at the edge, checked.
#[derive(Debug, Clone, PartialEq)]
pub enum Finding {
    /// `scanner.alert.raised`
    Alert(Alert),
    /// `market.gap.detected`
    Gap(Gap),
    /// `scanner.symbol.proposed`
    Proposal(Proposal),
}

/// What stands in for fields that are left out.
#[derive(Debug, Clone, Copy)]
pub struct Defaults<'a> {
    /// `occurred_at`; also the clock that no finding may be far ahead of.
    pub now: Timestamp,
    /// `source`: the caller's name.
    pub source: &'a str,
}

/// Stands for the event in a fault when its name can't be read.
const NAMELESS: &str = "finding";

const NAMES: &str = "scanner.alert.raised, market.gap.detected, scanner.symbol.proposed";

/// Reads a finding and checks its rules, those about the clock too.
///
/// # Errors
/// With the event's name (`finding` when it can't be told), the path and the cause; of malformed JSON the position.
pub fn parse(json: &[u8], defaults: &Defaults<'_>) -> Result<Finding, Violation> {
    let name = name(json)?;
    match Topic::from_event(&name) {
        Some(Topic::AlertRaised) => {
            read(json, defaults, |alert: &mut Alert| &mut alert.correlation_id).map(Finding::Alert)
        }
        Some(Topic::GapDetected) => {
            read(json, defaults, |gap: &mut Gap| &mut gap.correlation_id).map(Finding::Gap)
        }
        Some(Topic::SymbolProposed) => {
            read(json, defaults, |proposal: &mut Proposal| &mut proposal.correlation_id)
                .map(Finding::Proposal)
        }
        _ => Err(nameless(format!("{:?} is not one of {NAMES}", short(&name)))),
    }
}

/// The event's name; all of the JSON is read, so that what is malformed is found here.
fn name(json: &[u8]) -> Result<Cow<'_, str>, Violation> {
    #[derive(Deserialize)]
    #[serde(expecting = "an object with the fields of an event")]
    struct Head<'a> {
        #[serde(borrow)]
        event: Option<Cow<'a, str>>,
    }

    let head: Head<'_> = json::read(NAMELESS, json)?;
    head.event.ok_or_else(|| nameless(format!("is missing; it is one of {NAMES}")))
}

fn nameless(cause: String) -> Violation {
    Violation { event: NAMELESS, path: "event".to_owned(), cause }
}

fn read<E: Event>(
    json: &[u8],
    defaults: &Defaults<'_>,
    correlation_id: impl Fn(&mut E) -> &mut Option<String>,
) -> Result<E, Violation> {
    let plain = E::deserialize(WithDefaults::new(&mut Deserializer::from_slice(json), defaults));
    let mut event = match plain {
        Ok(event) => event,
        // Again, this time keeping track of the path: see `json::read`.
        Err(_) => {
            serde_path_to_error::deserialize(WithDefaults::new(&mut Deserializer::from_slice(json), defaults))
                .map_err(|error| json::fault(E::TOPIC.event(), &error))?
        }
    };
    let event_id = event.envelope().event_id.to_owned();
    correlation_id(&mut event).get_or_insert(event_id);
    event.validate()?;
    event.check_clock(defaults.now)?;
    Ok(event)
}

// === impl Finding ===

impl Finding {
    /// Where it goes.
    #[must_use]
    pub fn topic(&self) -> Topic {
        match self {
            Self::Alert(_) => Alert::TOPIC,
            Self::Gap(_) => Gap::TOPIC,
            Self::Proposal(_) => Proposal::TOPIC,
        }
    }

    /// Its symbol: the record's key, and what its partition follows.
    #[must_use]
    pub fn symbol(&self) -> &str {
        match self {
            Self::Alert(alert) => alert.symbol(),
            Self::Gap(gap) => gap.symbol(),
            Self::Proposal(proposal) => proposal.symbol(),
        }
    }

    /// Its id.
    #[must_use]
    pub fn event_id(&self) -> &str {
        match self {
            Self::Alert(alert) => &alert.event_id,
            Self::Gap(gap) => &gap.event_id,
            Self::Proposal(proposal) => &proposal.event_id,
        }
    }

    /// Writes it into `out`, which is cleared first; see [`encode`].
    ///
    /// # Errors
    /// When it is too large for its topic.
    pub fn encode(&self, schema_id: u32, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        match self {
            Self::Alert(alert) => encode(alert, schema_id, out),
            Self::Gap(gap) => encode(gap, schema_id, out),
            Self::Proposal(proposal) => encode(proposal, schema_id, out),
        }
    }
}

//! Findings: JSON objects that scanners send to the edge, with the event's name in `event` and the event's fields.
//!
//! A finding may omit four fields: `event_id` (default: a new UUID v7), `occurred_at` (now), `source` (the name of the caller) and
//! `correlation_id` (the event id).

mod input;

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::Deserializer;

use crate::codec::{EncodeError, encode};
use crate::event::Event;
use crate::events::{Alert, Gap, Proposal};
use crate::json;
use crate::rules::{self, short};
use crate::topics::Topic;
use crate::violation::{EventPath, Violation};

pub use input::Defaults;
use input::WithDefaults;

/// A valid event of one of the three types that the edge accepts.
#[derive(Debug, Clone, PartialEq)]
pub enum Finding {
    /// `scanner.alert.raised`
    Alert(Alert),
    /// `market.gap.detected`
    Gap(Gap),
    /// `scanner.symbol.proposed`
    Proposal(Proposal),
}

/// Replaces the name of the event in a violation if the name cannot be read.
const NAMELESS: &str = "finding";

const NAMES: &str = "scanner.alert.raised, market.gap.detected, scanner.symbol.proposed";

/// Reads a finding and checks its rules, including [`Event::check_clock`].
///
/// # Errors
/// The first violation. Malformed JSON is reported with its position, and with `finding` as the event if the name cannot be read.
pub fn parse(json: &[u8], defaults: &Defaults<'_>) -> Result<Finding, Violation> {
    let name = name(json)?;
    match Topic::from_event(&name) {
        Some(Topic::AlertRaised) => {
            read(json, defaults, |alert: &mut Alert| (&mut alert.event_id, &mut alert.correlation_id))
                .map(Finding::Alert)
        }
        Some(Topic::GapDetected) => {
            read(json, defaults, |gap: &mut Gap| (&mut gap.event_id, &mut gap.correlation_id))
                .map(Finding::Gap)
        }
        Some(Topic::SymbolProposed) => read(json, defaults, |proposal: &mut Proposal| {
            (&mut proposal.event_id, &mut proposal.correlation_id)
        })
        .map(Finding::Proposal),
        _ => Err(nameless(format!("{:?} is not one of {NAMES}", short(&name)))),
    }
}

/// Returns the name of the event. It reads the whole JSON, so malformed JSON is detected here.
fn name(json: &[u8]) -> Result<Cow<'_, str>, Violation> {
    const EXPECTED: &str = "an object with the fields of an event";

    #[derive(Deserialize)]
    #[serde(expecting = "an object with the fields of an event")]
    struct Head<'a> {
        #[serde(borrow)]
        event: Option<Cow<'a, str>>,
    }

    // serde would read the items of an array as the fields of a struct.
    if json.trim_ascii_start().starts_with(b"[") {
        let cause = format!("invalid type: sequence, expected {EXPECTED}");
        return Err(Violation { event: NAMELESS, path: String::new(), cause });
    }
    let head: Head<'_> = json::read(NAMELESS, json)?;
    head.event.ok_or_else(|| nameless(format!("is missing, expected one of {NAMES}")))
}

fn nameless(cause: String) -> Violation {
    Violation { event: NAMELESS, path: "event".to_owned(), cause }
}

fn read<E: Event>(
    json: &[u8],
    defaults: &Defaults<'_>,
    ids: impl Fn(&mut E) -> (&mut String, &mut Option<String>),
) -> Result<E, Violation> {
    let first = E::deserialize(WithDefaults::new(&mut Deserializer::from_slice(json), defaults));
    let mut event = match first {
        Ok(event) => event,
        // A second pass determines the path: see `json::read`.
        Err(_) => {
            serde_path_to_error::deserialize(WithDefaults::new(&mut Deserializer::from_slice(json), defaults))
                .map_err(|error| json::violation(E::TOPIC.event(), &error))?
        }
    };
    let (event_id, correlation_id) = ids(&mut event);
    let at = EventPath::of(E::TOPIC.event());
    *event_id = at.field("event_id", rules::canonical_uuid(event_id))?;
    correlation_id.get_or_insert_with(|| event_id.clone());
    event.validate()?;
    event.check_clock(defaults.now)?;
    Ok(event)
}

// === impl Finding ===

impl Finding {
    /// Returns the topic.
    #[must_use]
    pub fn topic(&self) -> Topic {
        match self {
            Self::Alert(_) => Alert::TOPIC,
            Self::Gap(_) => Gap::TOPIC,
            Self::Proposal(_) => Proposal::TOPIC,
        }
    }

    /// Returns the symbol, which is the key of the record and determines its partition.
    #[must_use]
    pub fn symbol(&self) -> &str {
        match self {
            Self::Alert(alert) => alert.symbol(),
            Self::Gap(gap) => gap.symbol(),
            Self::Proposal(proposal) => proposal.symbol(),
        }
    }

    /// Returns the event id.
    #[must_use]
    pub fn event_id(&self) -> &str {
        match self {
            Self::Alert(alert) => &alert.event_id,
            Self::Gap(gap) => &gap.event_id,
            Self::Proposal(proposal) => &proposal.event_id,
        }
    }

    /// Writes the event into `out`, which is cleared first; see [`encode`].
    ///
    /// # Errors
    /// If the payload is too large.
    pub fn encode(&self, schema_id: u32, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        match self {
            Self::Alert(alert) => encode(alert, schema_id, out),
            Self::Gap(gap) => encode(gap, schema_id, out),
            Self::Proposal(proposal) => encode(proposal, schema_id, out),
        }
    }
}

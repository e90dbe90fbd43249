//! A finding as a struct of its event.

use domain::Timestamp;
use serde::{Deserialize, Deserializer};

use crate::codec::{EncodeError, encode};
use crate::event::Event;
use crate::events::{Alert, Gap, Proposal};
use crate::rules;
use crate::topics::Topic;
use crate::violation::{EventPath, Violation};

/// An event of one of the three types that the edge accepts.
#[derive(Debug, Clone, PartialEq)]
pub enum Finding {
    /// `scanner.alert.raised`
    Alert(Alert),
    /// `market.gap.detected`
    Gap(Gap),
    /// `scanner.symbol.proposed`
    Proposal(Proposal),
}

/// A finding as it was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Parsed {
    /// The finding with its defaults.
    pub finding: Finding,
    /// The type of an alert if it is none of the contract: the alert has [`AlertType::Unknown`](domain::AlertType::Unknown).
    pub undefined_alert_type: Option<String>,
}

/// A finding whose rules were not checked.
#[derive(Debug)]
pub struct Unchecked(Parsed);

/// The type of a finding's event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EventKind {
    Alert,
    Gap,
    Proposal,
}

// === impl EventKind ===

impl EventKind {
    pub(super) fn from_name(name: &str) -> Option<Self> {
        match Topic::from_event(name)? {
            Topic::AlertRaised => Some(Self::Alert),
            Topic::GapDetected => Some(Self::Gap),
            Topic::SymbolProposed => Some(Self::Proposal),
            _ => None,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Alert => Alert::TOPIC,
            Self::Gap => Gap::TOPIC,
            Self::Proposal => Proposal::TOPIC,
        }
        .event()
    }

    pub(super) fn read<'de, D: Deserializer<'de>>(self, fields: D) -> Result<Finding, D::Error> {
        match self {
            Self::Alert => Alert::deserialize(fields).map(Finding::Alert),
            Self::Gap => Gap::deserialize(fields).map(Finding::Gap),
            Self::Proposal => Proposal::deserialize(fields).map(Finding::Proposal),
        }
    }
}

// === impl Unchecked ===

impl Unchecked {
    pub(super) fn new(finding: Finding, undefined_alert_type: Option<String>) -> Self {
        Self(Parsed { finding, undefined_alert_type })
    }

    /// Checks the rules of the event.
    ///
    /// # Errors
    /// The first violation.
    pub fn check(mut self, now: Timestamp) -> Result<Parsed, Violation> {
        match &mut self.0.finding {
            Finding::Alert(alert) => check(alert, now, |it| (&mut it.event_id, &mut it.correlation_id)),
            Finding::Gap(gap) => check(gap, now, |it| (&mut it.event_id, &mut it.correlation_id)),
            Finding::Proposal(proposal) => {
                check(proposal, now, |it| (&mut it.event_id, &mut it.correlation_id))
            }
        }?;
        Ok(self.0)
    }
}

fn check<E: Event>(
    event: &mut E,
    now: Timestamp,
    ids: impl Fn(&mut E) -> (&mut String, &mut Option<String>),
) -> Result<(), Violation> {
    let (event_id, correlation_id) = ids(event);
    let at = EventPath::of(E::TOPIC.event());
    *event_id = at.field("event_id", rules::canonical_uuid(event_id))?;
    correlation_id.get_or_insert_with(|| event_id.clone());
    event.validate()?;
    event.check_clock(now)
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

//! Metrics of the registry client. Handles are created once.

use kit::SaturatingFrom;
use metrics::{Counter, Gauge};

use crate::metric_names as names;

/// The outcome of a lookup of a writer's schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LookupOutcome {
    Found,
    Unknown,
    Unreadable,
    Unavailable,
    /// Not made: the breaker is open.
    Shed,
}

pub(super) struct Meters {
    unconfirmed: Gauge,
    /// In the order of [`LookupOutcome`].
    lookups: [Counter; 5],
}

impl Meters {
    /// Creates handles that export nothing.
    pub(super) fn none() -> Self {
        Self { unconfirmed: Gauge::noop(), lookups: std::array::from_fn(|_| Counter::noop()) }
    }

    #[expect(
        clippy::disallowed_macros,
        reason = "below the chassis: the catalogue is metric_names, each handle is created once"
    )]
    pub(super) fn of(service: &'static str) -> Self {
        let meters = Self {
            unconfirmed: metrics::gauge!(names::UNCONFIRMED, "service" => service),
            lookups: names::LOOKUP_OUTCOMES
                .map(|outcome| metrics::counter!(names::LOOKUPS, "service" => service, "outcome" => outcome)),
        };
        meters.set_unconfirmed(0);
        meters
    }

    /// Sets the number of registered schemas whose ids come from the cache folder.
    pub(super) fn set_unconfirmed(&self, ids: usize) {
        self.unconfirmed.set(f64::from(u32::saturating_from(ids)));
    }

    pub(super) fn count(&self, outcome: LookupOutcome) {
        let index = match outcome {
            LookupOutcome::Found => 0,
            LookupOutcome::Unknown => 1,
            LookupOutcome::Unreadable => 2,
            LookupOutcome::Unavailable => 3,
            LookupOutcome::Shed => 4,
        };
        self.lookups[index].increment(1);
    }
}

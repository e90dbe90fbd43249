//! What is told of the registry as metrics. Handles are made once.

use metrics::{Counter, Gauge};

use crate::metric_names as names;

/// How a lookup of a writer's schema may end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lookup {
    Found,
    Unknown,
    Unreadable,
    Unavailable,
    /// Not made: the breaker is open.
    Shed,
}

pub(super) struct Meters {
    breaker_open: Gauge,
    unconfirmed: Gauge,
    /// In the order of [`Lookup`].
    lookups: [Counter; 5],
}

impl Meters {
    /// For callers without metrics.
    pub(super) fn none() -> Self {
        Self {
            breaker_open: Gauge::noop(),
            unconfirmed: Gauge::noop(),
            lookups: std::array::from_fn(|_| Counter::noop()),
        }
    }

    #[expect(
        clippy::disallowed_macros,
        reason = "below the chassis: the catalogue is metric_names, each handle is made once"
    )]
    pub(super) fn of(service: &'static str) -> Self {
        let meters = Self {
            breaker_open: metrics::gauge!(names::BREAKER_STATE, "service" => service, "target" => "registry"),
            unconfirmed: metrics::gauge!(names::UNCONFIRMED, "service" => service),
            lookups: names::LOOKUP_OUTCOMES
                .map(|outcome| metrics::counter!(names::LOOKUPS, "service" => service, "outcome" => outcome)),
        };
        meters.breaker_is_open(false);
        meters.unconfirmed(0);
        meters
    }

    pub(super) fn breaker_is_open(&self, is_open: bool) {
        self.breaker_open.set(f64::from(u8::from(is_open)));
    }

    /// So many own schemas go by the ids of the cache folder.
    pub(super) fn unconfirmed(&self, ids: usize) {
        self.unconfirmed.set(f64::from(u32::try_from(ids).unwrap_or(u32::MAX)));
    }

    pub(super) fn looked_up(&self, lookup: Lookup) {
        let index = match lookup {
            Lookup::Found => 0,
            Lookup::Unknown => 1,
            Lookup::Unreadable => 2,
            Lookup::Unavailable => 3,
            Lookup::Shed => 4,
        };
        self.lookups[index].increment(1);
    }
}

//! Counts of the sets in vectors, by status and class of the reason.

use chassis::telemetry::Scope;
use domain::FeatureSet;
use metrics::Counter;

use crate::metric_names::{SETS, STATUSES};
use crate::rules::{ReasonClass, SetResult, Status};

const CLASSES: usize = ReasonClass::NAMES.len();

/// Handles of `feature_sets_total`, registered at the start.
#[derive(Debug, Clone)]
pub struct SetCounts {
    counters: [[Counter; CLASSES]; STATUSES.len()],
}

/// The sets of one vector, counted before it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SetTally([[u64; CLASSES]; STATUSES.len()]);

impl SetCounts {
    /// Registers the counters.
    #[must_use]
    pub fn new(scope: &Scope) -> Self {
        let counter = |status, reason| scope.counter(&SETS, &[("status", status), ("reason", reason)]);
        Self { counters: STATUSES.map(|status| ReasonClass::NAMES.map(|reason| counter(status, reason))) }
    }

    /// Adds the sets of a vector.
    pub(crate) fn add(&self, tally: &SetTally) {
        for (counter, count) in self.counters.iter().flatten().zip(tally.0.iter().flatten()) {
            if *count > 0 {
                counter.increment(*count);
            }
        }
    }
}

impl SetTally {
    pub(crate) fn of(sets: &[(FeatureSet, SetResult)]) -> Self {
        let mut tally = Self([[0; CLASSES]; STATUSES.len()]);
        for (_, set) in sets {
            let status = match set.status {
                Status::Computed => 0,
                Status::Unavailable => 1,
                Status::Failed => 2,
            };
            tally.0[status][set.class.index()] += 1;
        }
        tally
    }
}

#[cfg(test)]
mod tests {
    use chassis::telemetry::{Catalogue, Metrics};

    use super::*;
    use crate::metric_names::METRICS;

    fn set(status: Status, class: ReasonClass) -> (FeatureSet, SetResult) {
        (FeatureSet::PriceFeatures, SetResult { status, class, ..SetResult::unavailable("", class) })
    }

    #[test]
    fn sets_are_counted_by_status_and_reason() {
        let metrics = Metrics::new(&Catalogue::new().with(METRICS)).unwrap();
        let counts = SetCounts::new(&metrics.scope("feature"));
        let sets = [
            set(Status::Computed, ReasonClass::None),
            set(Status::Unavailable, ReasonClass::NoBars),
            set(Status::Unavailable, ReasonClass::NoBars),
            set(Status::Failed, ReasonClass::Panicked),
        ];
        counts.add(&SetTally::of(&sets));
        let rendered = metrics.render();
        for (status, reason, count) in [
            ("computed", "none", 1),
            ("unavailable", "no_bars", 2),
            ("failed", "panicked", 1),
            ("computed", "no_value", 0),
        ] {
            let line = format!(
                "feature_sets_total{{service=\"feature\",status=\"{status}\",reason=\"{reason}\"}} {count}"
            );
            assert!(rendered.lines().any(|it| it == line), "{line} is missing in\n{rendered}");
        }
    }
}

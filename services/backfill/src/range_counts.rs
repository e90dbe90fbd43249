//! Counts of ended requests for ranges, by outcome and error class.

use chassis::telemetry::Scope;
use contracts::BackfillErrorClass;
use metrics::Counter;

use crate::metric_names::{CLASSES, RANGES};

/// Handles of `backfill_ranges_total`. Each is registered at the start, so that an outcome that never occurred is exported as 0.
#[derive(Debug, Clone)]
pub struct RangeCounts {
    completed: Counter,
    /// In the order of [`CLASSES`].
    partial: [Counter; CLASSES.len()],
    failed: [Counter; CLASSES.len()],
}

/// The end of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RangeOutcome {
    /// Each bar that the source should have is covered.
    Completed,
    /// A part is covered. The class is that of the worst error.
    Partial(BackfillErrorClass),
    /// Nothing was served.
    Failed(BackfillErrorClass),
}

impl RangeCounts {
    /// Registers the counters.
    #[must_use]
    pub fn new(scope: &Scope) -> Self {
        let by_class = |outcome| {
            CLASSES.map(|class| scope.counter(&RANGES, &[("outcome", outcome), ("class", class.as_str())]))
        };
        Self {
            completed: scope.counter(&RANGES, &[("outcome", "completed"), ("class", "none")]),
            partial: by_class("partial"),
            failed: by_class("failed"),
        }
    }

    /// Counts a request that ended.
    pub fn count(&self, outcome: RangeOutcome) {
        let of = |counters: &[Counter], class: BackfillErrorClass| {
            if let Some(index) = CLASSES.iter().position(|known| *known == class) {
                counters[index].increment(1);
            }
        };
        match outcome {
            RangeOutcome::Completed => self.completed.increment(1),
            RangeOutcome::Partial(class) => of(&self.partial, class),
            RangeOutcome::Failed(class) => of(&self.failed, class),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use chassis::telemetry::counting::CountingRecorder;

    use super::*;
    use crate::metric_names::METRICS;

    #[test]
    fn every_class_of_the_contract_is_counted() {
        let recorder = Arc::new(CountingRecorder::default());
        let counts = RangeCounts::new(&Scope::new(Arc::clone(&recorder) as _, Some("backfill")));
        counts.count(RangeOutcome::Completed);
        let all = BackfillErrorClass::ALL.iter().filter(|class| **class != BackfillErrorClass::Unknown);
        for class in all.clone() {
            counts.count(RangeOutcome::Partial(*class));
            counts.count(RangeOutcome::Failed(*class));
        }
        assert_eq!(recorder.counted(), 1 + 2 * u64::try_from(all.count()).unwrap());
    }

    #[test]
    fn metrics_follow_the_naming_rules() {
        for metric in METRICS {
            assert_eq!(metric.violation(), None);
        }
    }
}

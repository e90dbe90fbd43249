//! Latency of outputs: from the append time of the input record to the emission of the output.

use chassis::telemetry::{Metric, Scope};
use kit::SaturatingFrom;
use metrics::Histogram;

/// The buckets, seconds. An urgent alert becomes a request within milliseconds, an ordinary one waits up to 5 s for its batch; a request
/// expires after 5 minutes.
const BUCKETS: &[f64] = &[
    0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0,
    900.0,
];

const LANES: [&str; 2] = ["ordinary", "urgent"];

/// Declares a histogram for [`Latency`], with the label `lane`.
#[must_use]
pub const fn latency_histogram(name: &'static str, help: &'static str) -> Metric {
    Metric::histogram(name, BUCKETS, help).labelled(&[("lane", &LANES)])
}

/// Handles of a histogram of latencies, registered at the start.
#[derive(Debug, Clone)]
pub struct Latency {
    lanes: [Histogram; 2],
}

// === impl Latency ===

impl Latency {
    /// Registers the histogram.
    #[must_use]
    pub fn new(scope: &Scope, metric: &Metric) -> Self {
        Self { lanes: LANES.map(|lane| scope.histogram(metric, &[("lane", lane)])) }
    }

    /// Records an output that is emitted at `now_micros` (wall clock) for a record that was appended at `appended_micros`. An unknown append
    /// time records nothing. One after `now_micros`, by a clock that is ahead, counts as 0.
    pub fn record(&self, appended_micros: Option<i64>, now_micros: i64, is_urgent: bool) {
        let Some(appended_micros) = appended_micros else { return };
        let millis = u32::saturating_from(now_micros.saturating_sub(appended_micros).max(0) / 1_000);
        self.lanes[usize::from(is_urgent)].record(f64::from(millis) / 1_000.0);
    }
}

#[cfg(test)]
mod tests {
    use chassis::telemetry::{Catalogue, Metrics};

    use super::*;

    const METRICS: &[Metric] = &[latency_histogram("tapeline_test_seconds", "Test.")];

    #[test]
    fn latency_is_recorded_per_lane_and_never_negative() {
        let metrics = Metrics::new(&Catalogue::new().with(METRICS)).unwrap();
        let latency = Latency::new(&metrics.scope("feature"), &METRICS[0]);
        latency.record(Some(1_000_000), 1_250_000, true);
        latency.record(Some(2_000_000), 1_000_000, true);
        latency.record(None, 1_000_000, true);
        latency.record(Some(0), 400_000_000, false);
        let rendered = metrics.render();
        for line in [
            "tapeline_test_seconds_sum{service=\"feature\",lane=\"urgent\"} 0.25",
            "tapeline_test_seconds_count{service=\"feature\",lane=\"urgent\"} 2",
            "tapeline_test_seconds_bucket{service=\"feature\",lane=\"urgent\",le=\"0.001\"} 1",
            "tapeline_test_seconds_bucket{service=\"feature\",lane=\"ordinary\",le=\"300\"} 0",
            "tapeline_test_seconds_sum{service=\"feature\",lane=\"ordinary\"} 400",
        ] {
            assert!(rendered.lines().any(|it| it == line), "{line} is missing in\n{rendered}");
        }
    }
}

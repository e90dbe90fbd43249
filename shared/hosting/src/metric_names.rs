//! Catalogue of the metrics of hosted stages: those of `kafka-io`, and declarations of a stage's own.

use chassis::telemetry::Metric;
use chassis::telemetry::catalogue::{Kind, NAMES};
use kafka_io::metric_names as driver;

/// The metrics of a hosted stage and of the registry's client. All carry the label `service`.
pub const METRICS: &[Metric] = &DRIVER;

const DRIVER: [Metric; driver::METRICS.len()] = {
    let mut metrics = [of_driver(&driver::METRICS[0]); driver::METRICS.len()];
    let mut index = 1;
    while index < metrics.len() {
        metrics[index] = of_driver(&driver::METRICS[index]);
        index += 1;
    }
    metrics
};

const fn of_driver(metric: &driver::Metric) -> Metric {
    let kind = match metric.kind {
        driver::Kind::Counter => Kind::Counter,
        driver::Kind::Gauge => Kind::Gauge,
        driver::Kind::Histogram(buckets) => Kind::Histogram(buckets),
    };
    Metric { name: metric.name, kind, unit: metric.unit, labels: metric.labels, help: metric.help }
}

const STAGE: &[(&str, &[&str])] = &[("stage", NAMES)];

/// Declares a counter that a stage exports as a [`Note`](kafka_io::Note).
#[must_use]
pub const fn stage_counter(name: &'static str, unit: &'static str, help: &'static str) -> Metric {
    Metric::counter(name, unit, help).labelled(STAGE)
}

/// Declares a gauge that a stage exports as a [`Note`](kafka_io::Note).
#[must_use]
pub const fn stage_gauge(name: &'static str, unit: &'static str, help: &'static str) -> Metric {
    Metric::gauge(name, unit, help).labelled(STAGE)
}

/// Counts the records that a stage restored. Each stage that restores state exports it as a [`Note`](kafka_io::Note).
pub const RESTORE_APPLIED: Metric = stage_counter(
    "tapeline_restore_applied_records_total",
    "records",
    "Output records from which state was restored.",
);

/// Counts the records that a stage could not restore.
pub const RESTORE_SKIPPED: Metric = stage_counter(
    "tapeline_restore_skipped_records_total",
    "records",
    "Invalid output records skipped during a restoration.",
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_of_the_driver_follow_the_naming_rules() {
        assert_eq!(driver::NAMES, NAMES);
        for metric in METRICS {
            assert_eq!(metric.violation(), None);
        }
    }
}

//! The metrics of `kafka-io` as the chassis's catalogue knows them.

use chassis::telemetry::Metric;
use chassis::telemetry::catalogue::{Kind, NAMES};

/// Records in a batch: from a lone urgent one to the largest batch.
const RECORDS: &[f64] = &[1.0, 10.0, 50.0, 100.0, 500.0, 1_000.0, 5_000.0];

/// Milliseconds of a transaction: from the 1 ms of a quick broker to its timeout.
const COMMIT_MS: &[f64] = &[1.0, 2.0, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 1_000.0, 5_000.0, 15_000.0];

/// Milliseconds of a restored partition: from a few questions to minutes of an output topic.
const RESTORE_MS: &[f64] = &[5.0, 20.0, 100.0, 500.0, 2_000.0, 10_000.0, 60_000.0, 300_000.0];

const STAGE: &[(&str, &[&str])] = &[("stage", NAMES)];

/// What a hosted stage and the registry's client record, beside the label `service`.
pub const METRICS: &[Metric] = &[
    counter("tapeline_stage_received_total", "received", "Input records handed to the rules."),
    counter("tapeline_stage_emitted_total", "emitted", "Input records whose outputs are acknowledged."),
    Metric {
        name: "tapeline_stage_dropped_total",
        kind: Kind::Counter,
        unit: "dropped",
        labels: &[("stage", NAMES), ("reason", NAMES)],
        help: "Input records that needed no output.",
    },
    counter("tapeline_stage_rejected_total", "rejected", "Input records whose dead letter is acknowledged."),
    counter(
        "tapeline_stage_redelivered_records_total",
        "records",
        "Input records that were not settled when their partition went: they come again to its next owner.",
    ),
    counter(
        "tapeline_stage_released_records_total",
        "records",
        "Input records that the stage gave back to the next owner while draining, by intent.",
    ),
    counter(
        "tapeline_stage_skipped_completed_records_total",
        "records",
        "Input records passed over, since an earlier owner had finished them beyond its position.",
    ),
    counter(
        "tapeline_stage_commit_metadata_overflows_total",
        "overflows",
        "Positions that left without all that was finished beyond them: a crash may repeat what wasn't said.",
    ),
    counter(
        "tapeline_stage_stale_effects_total",
        "effects",
        "What was said of records of an assignment that has ended: discarded.",
    ),
    gauge("tapeline_stage_held_records", "records", "Input records that are not settled yet."),
    gauge(
        "tapeline_stage_held_capacity_records",
        "records",
        "Input records that may be held before every partition pauses.",
    ),
    gauge(
        "tapeline_stage_paused_partitions",
        "partitions",
        "Assigned input partitions that are paused: a bound is reached, or they are poisoned or deferred.",
    ),
    gauge(
        "tapeline_stage_lag_seconds",
        "seconds",
        "How long the oldest input record has been waiting that is not settled.",
    ),
    counter(
        "tapeline_stage_drain_timeouts_total",
        "drain_timeouts",
        "Drains that ended by their budget, with records left for the next owner.",
    ),
    gauge(
        "tapeline_stage_lag_records",
        "records",
        "Input records that wait in the assigned partitions, and those held.",
    ),
    gauge("tapeline_stage_assigned_partitions", "partitions", "Input partitions assigned to this instance."),
    gauge(
        "tapeline_stage_stopped_partitions",
        "partitions",
        "Assigned input partitions that are no longer read, for too many rejects in a row.",
    ),
    histogram("tapeline_stage_fetched_batch_records", "records", RECORDS, "Input records judged at once."),
    histogram("tapeline_stage_produced_batch_records", "records", RECORDS, "Outputs that left together."),
    histogram(
        "tapeline_stage_transaction_commit_ms",
        "ms",
        COMMIT_MS,
        "A transaction from its begin to its commit.",
    ),
    Metric {
        name: "tapeline_stage_batches_total",
        kind: Kind::Counter,
        unit: "batches",
        labels: &[("stage", NAMES), ("outcome", &["committed", "delivered", "aborted", "failed"])],
        help: "Output batches by outcome.",
    },
    counter("tapeline_stage_client_recreations_total", "recreations", "Clients given up and made anew."),
    counter(
        "tapeline_stage_stalls_total",
        "stalls",
        "Times that records waited while the client fetched none: it was made anew.",
    ),
    gauge(
        "tapeline_stage_blocked_upstream_partitions",
        "partitions",
        "Input partitions in which records wait behind an open transaction of somebody else.",
    ),
    gauge(
        "tapeline_stage_deferred_partitions",
        "partitions",
        "Input partitions whose records can't be judged now, for the registry is away.",
    ),
    gauge(
        "tapeline_stage_degraded_table_partitions",
        "partitions",
        "Table partitions in which a record was skipped since they are followed: the table lacks it.",
    ),
    gauge(
        "tapeline_stage_restoring_partitions",
        "partitions",
        "Input partitions whose state is being restored.",
    ),
    counter("tapeline_stage_restored_records_total", "records", "Records read again to restore state."),
    histogram(
        "tapeline_stage_restore_ms",
        "ms",
        RESTORE_MS,
        "A partition from its assignment to its restored state.",
    ),
    counter("tapeline_stage_table_records_total", "records", "Records read of the tables."),
    Metric {
        name: "tapeline_stage_noted_items",
        kind: Kind::Gauge,
        unit: "items",
        labels: &[("stage", NAMES), ("note", NAMES)],
        help: "What a stage counts of its own: skipped table records, forgotten windows, tokens of the limiter.",
    },
    Metric {
        name: "tapeline_stage_law_violations_total",
        kind: Kind::Counter,
        unit: "violations",
        labels: &[("stage", NAMES), ("law", &["P1", "P2", "P3", "P4", "P5", "P6", "P7", "P8"])],
        help: "Broken laws of delivery: never, or there is a bug.",
    },
    Metric {
        name: "tapeline_registry_breaker_open",
        kind: Kind::Gauge,
        unit: "open",
        labels: &[],
        help: "1 while the registry does not answer and is asked only now and then, else 0.",
    },
    Metric {
        name: "tapeline_registry_unconfirmed_ids",
        kind: Kind::Gauge,
        unit: "ids",
        labels: &[],
        help: "Schemas of ours that go by ids of the cache folder, since the registry was away at start.",
    },
    Metric {
        name: "tapeline_registry_lookups_total",
        kind: Kind::Counter,
        unit: "lookups",
        labels: &[("outcome", &["found", "unknown", "unreadable", "unavailable", "shed"])],
        help: "Lookups of the schemas of writers.",
    },
];

const fn counter(name: &'static str, unit: &'static str, help: &'static str) -> Metric {
    Metric { name, kind: Kind::Counter, unit, labels: STAGE, help }
}

const fn gauge(name: &'static str, unit: &'static str, help: &'static str) -> Metric {
    Metric { name, kind: Kind::Gauge, unit, labels: STAGE, help }
}

const fn histogram(
    name: &'static str,
    unit: &'static str,
    buckets: &'static [f64],
    help: &'static str,
) -> Metric {
    Metric { name, kind: Kind::Histogram(buckets), unit, labels: STAGE, help }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_of_the_driver_is_in_the_catalogue() {
        let declared: Vec<&str> = METRICS.iter().map(|metric| metric.name).collect();
        for metric in kafka_io::metric_names::METRICS {
            assert!(declared.contains(&metric.name), "{} is not declared", metric.name);
        }
        for metric in METRICS {
            assert_eq!(metric.violation(), None);
        }
    }
}

//! Catalogue of the metrics of this crate. All carry the label `service`, and those of stages also `stage`.

/// Label values that are names in the code: not listed, but bounded.
pub const NAMES: &[&str] = &["<name>"];

/// What a metric measures.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// Only grows; its name ends in `_total`.
    Counter,
    /// Grows and falls.
    Gauge,
    /// A distribution over these bucket limits, ascending, in the unit of the metric.
    Histogram(&'static [f64]),
}

/// The declaration of one metric.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Metric {
    /// `<namespace>_<thing>_<unit>[_total]`.
    pub name: &'static str,
    /// Counter, gauge or histogram.
    pub kind: Kind,
    /// The unit, as the name spells it.
    pub unit: &'static str,
    /// Each label except `service`, with all its values or [`NAMES`].
    pub labels: &'static [(&'static str, &'static [&'static str])],
    /// The help text of the scrape.
    pub help: &'static str,
}

pub(crate) const RECEIVED: &str = "tapeline_stage_received_total";
pub(crate) const EMITTED: &str = "tapeline_stage_emitted_total";
pub(crate) const DROPPED: &str = "tapeline_stage_dropped_total";
pub(crate) const REJECTED: &str = "tapeline_stage_rejected_total";
pub(crate) const REDELIVERED: &str = "tapeline_stage_redelivered_records_total";
pub(crate) const RELEASED: &str = "tapeline_stage_released_records_total";
pub(crate) const SKIPPED_COMPLETED: &str = "tapeline_stage_skipped_completed_records_total";
pub(crate) const COMMIT_METADATA_OVERFLOWS: &str = "tapeline_stage_commit_metadata_overflows_total";
pub(crate) const STALE_EFFECTS: &str = "tapeline_stage_stale_effects_total";
pub(crate) const ORIGINATED: &str = "tapeline_stage_originated_outputs_total";
pub(crate) const ORIGINATED_ACKNOWLEDGED: &str = "tapeline_stage_originated_acknowledged_outputs_total";
pub(crate) const ORIGINATED_DISCARDED: &str = "tapeline_stage_originated_discarded_outputs_total";
pub(crate) const HELD: &str = "tapeline_stage_held_records";
pub(crate) const HELD_MAX: &str = "tapeline_stage_held_capacity_records";
pub(crate) const PAUSED: &str = "tapeline_stage_paused_partitions";
pub(crate) const LAG: &str = "tapeline_stage_lag_records";
pub(crate) const LAG_SECONDS: &str = "tapeline_stage_lag_seconds";
pub(crate) const DRAIN_TIMEOUTS: &str = "tapeline_stage_drain_timeouts_total";
pub(crate) const PARTITIONS: &str = "tapeline_stage_assigned_partitions";
pub(crate) const STOPPED: &str = "tapeline_stage_stopped_partitions";
pub(crate) const FETCHED: &str = "tapeline_stage_fetched_batch_records";
pub(crate) const PRODUCED: &str = "tapeline_stage_produced_batch_records";
pub(crate) const COMMIT_MS: &str = "tapeline_stage_transaction_commit_ms";
pub(crate) const BATCHES: &str = "tapeline_stage_batches_total";
pub(crate) const CLIENT_RECREATIONS: &str = "tapeline_stage_client_recreations_total";
pub(crate) const ABANDONED_CLIENTS: &str = "tapeline_stage_abandoned_clients_total";
pub(crate) const STALLS: &str = "tapeline_stage_stalls_total";
pub(crate) const BLOCKED: &str = "tapeline_stage_blocked_upstream_partitions";
pub(crate) const DEFERRED: &str = "tapeline_stage_deferred_partitions";
pub(crate) const DEGRADED: &str = "tapeline_stage_degraded_table_partitions";
pub(crate) const RESTORING: &str = "tapeline_stage_restoring_partitions";
pub(crate) const RESTORED: &str = "tapeline_stage_restored_records_total";
pub(crate) const RESTORE_MS: &str = "tapeline_stage_restore_ms";
pub(crate) const TABLE_RECORDS: &str = "tapeline_stage_table_records_total";
pub(crate) const VIOLATIONS: &str = "tapeline_stage_law_violations_total";
pub(crate) const BOUND_USED: &str = "tapeline_stage_bound_used";
pub(crate) const BOUND_LIMIT: &str = "tapeline_stage_bound_limit";
pub(crate) const FETCH_COMPRESSION_RATIO: &str = "tapeline_stage_fetch_compression_ratio";
pub(crate) const REACHABLE_BROKERS: &str = "tapeline_kafka_reachable_brokers";
pub(crate) const BREAKER_STATE: &str = "tapeline_breaker_state";
pub(crate) const BREAKER_TRANSITIONS: &str = "tapeline_breaker_transitions_total";
pub(crate) const UNCONFIRMED: &str = "tapeline_registry_unconfirmed_ids";
pub(crate) const LOOKUPS: &str = "tapeline_registry_lookups_total";

/// Outcomes of a batch of outputs.
pub(crate) const BATCH_OUTCOMES: [&str; 4] = ["committed", "delivered", "aborted", "failed"];

/// Targets of circuit breakers: lookups of schemas, the producer of the edge, and the source of history.
pub(crate) const BREAKER_TARGETS: [&str; 3] = ["registry", "kafka", "source"];

pub(crate) const BREAKER_STATES: [&str; 3] = ["closed", "half-open", "open"];

/// Bounds of every stage: input records that are held, outputs that are queued or in flight and their memory, those of them that the
/// partition with the most has originated, fetched records that are not processed yet and their bytes.
pub(crate) const BOUNDS: [&str; 6] =
    ["held_records", "outputs", "output_bytes", "originated_outputs", "fetched_records", "fetched_bytes"];

/// Outcomes of a lookup of a writer's schema.
pub(crate) const LOOKUP_OUTCOMES: [&str; 5] = ["found", "unknown", "unreadable", "unavailable", "shed"];

/// Records of a batch: from one urgent record to the largest batch.
const RECORDS_BUCKETS: &[f64] = &[1.0, 10.0, 50.0, 100.0, 500.0, 1_000.0, 5_000.0];

/// Milliseconds of a transaction: from the 1 ms of a fast broker to its timeout.
const COMMIT_MS_BUCKETS: &[f64] =
    &[1.0, 2.0, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 1_000.0, 5_000.0, 15_000.0];

/// Milliseconds of the restoration of a partition: from a few queries to minutes of an output topic.
const RESTORE_MS_BUCKETS: &[f64] = &[5.0, 20.0, 100.0, 500.0, 2_000.0, 10_000.0, 60_000.0, 300_000.0];

const STAGE: &[(&str, &[&str])] = &[("stage", NAMES)];
const STAGE_REASON: &[(&str, &[&str])] = &[("stage", NAMES), ("reason", NAMES)];
const STAGE_OUTCOME: &[(&str, &[&str])] = &[("stage", NAMES), ("outcome", &BATCH_OUTCOMES)];
const STAGE_BOUND: &[(&str, &[&str])] = &[("stage", NAMES), ("bound", NAMES)];
const STAGE_CONSUMER: &[(&str, &[&str])] = &[("stage", NAMES), ("consumer", NAMES)];
const STAGE_LAW: &[(&str, &[&str])] =
    &[("stage", NAMES), ("law", &["P1", "P2", "P3", "P4", "P5", "P6", "P7", "P8"])];

/// The catalogue.
pub const METRICS: &[Metric] = &[
    counter(RECEIVED, "received", STAGE, "Input records passed to the stage's rules."),
    counter(EMITTED, "emitted", STAGE, "Input records whose outputs are acknowledged."),
    counter(DROPPED, "dropped", STAGE_REASON, "Input records dropped without output, by reason."),
    counter(REJECTED, "rejected", STAGE, "Input records whose dead letter is acknowledged."),
    counter(
        REDELIVERED,
        "records",
        STAGE,
        "Input records unresolved when their partition was revoked or lost, to be redelivered to its next owner.",
    ),
    counter(
        RELEASED,
        "records",
        STAGE,
        "Input records that the stage released to the next owner during a drain.",
    ),
    counter(
        SKIPPED_COMPLETED,
        "records",
        STAGE,
        "Input records skipped because an earlier owner had completed them after its committed offset.",
    ),
    counter(
        COMMIT_METADATA_OVERFLOWS,
        "overflows",
        STAGE,
        "Commits whose completed ranges did not fit in the commit metadata: a crash may repeat the rest.",
    ),
    counter(STALE_EFFECTS, "effects", STAGE, "Effects of an ended assignment epoch, discarded."),
    counter(ORIGINATED, "outputs", STAGE, "Outputs that no input record caused."),
    counter(ORIGINATED_ACKNOWLEDGED, "outputs", STAGE, "Originated outputs that are acknowledged."),
    counter(
        ORIGINATED_DISCARDED,
        "outputs",
        STAGE,
        "Originated outputs discarded because their assignment had ended.",
    ),
    gauge(HELD, "records", STAGE, "Input records that are not resolved yet."),
    gauge(HELD_MAX, "records", STAGE, "Input records that may be held before every partition is paused."),
    gauge(
        PAUSED,
        "partitions",
        STAGE,
        "Assigned input partitions that are paused: a bound is reached, or they are stopped or deferred.",
    ),
    gauge(
        LAG,
        "records",
        STAGE,
        "Input records of the assigned partitions that are not resolved: not fetched yet, or held; absent while unknown.",
    ),
    gauge(
        LAG_SECONDS,
        "seconds",
        STAGE,
        "Age of the oldest unresolved input record; absent while the ends of partitions are unknown.",
    ),
    counter(
        DRAIN_TIMEOUTS,
        "drain_timeouts",
        STAGE,
        "Drains that exceeded their timeout and left records to the next owner.",
    ),
    gauge(PARTITIONS, "partitions", STAGE, "Input partitions assigned to this instance."),
    gauge(
        STOPPED,
        "partitions",
        STAGE,
        "Assigned input partitions stopped after too many consecutive dead letters.",
    ),
    histogram(FETCHED, "records", RECORDS_BUCKETS, "Input records fetched in one iteration of the loop."),
    histogram(PRODUCED, "records", RECORDS_BUCKETS, "Outputs of a batch."),
    histogram(COMMIT_MS, "ms", COMMIT_MS_BUCKETS, "Duration of a transaction, from begin to commit."),
    counter(BATCHES, "batches", STAGE_OUTCOME, "Output batches by outcome."),
    counter(
        CLIENT_RECREATIONS,
        "recreations",
        STAGE,
        "Recreations of Kafka clients after an error or a stall.",
    ),
    counter(
        ABANDONED_CLIENTS,
        "clients",
        STAGE,
        "Kafka clients abandoned because a transactional call had not returned. Three that hang at once end the process.",
    ),
    counter(
        STALLS,
        "stalls",
        STAGE,
        "Stalls of the consumer: records were available and none fetched, and the clients were recreated.",
    ),
    gauge(BLOCKED, "partitions", STAGE, "Input partitions blocked by another producer's open transaction."),
    gauge(
        DEFERRED,
        "partitions",
        STAGE,
        "Input partitions paused because a record cannot be decoded yet: the registry is unavailable.",
    ),
    gauge(
        DEGRADED,
        "partitions",
        STAGE,
        "Table partitions in which an invalid record was skipped: the table lacks it.",
    ),
    gauge(RESTORING, "partitions", STAGE, "Input partitions whose state is being restored."),
    counter(RESTORED, "records", STAGE, "Output records read to restore state."),
    histogram(
        RESTORE_MS,
        "ms",
        RESTORE_MS_BUCKETS,
        "Duration of the restoration of a partition, from its assignment.",
    ),
    counter(TABLE_RECORDS, "records", STAGE, "Table records read."),
    counter(
        VIOLATIONS,
        "violations",
        STAGE_LAW,
        "Violations of the laws of delivery; above 0 only because of a bug.",
    ),
    gauge(
        BOUND_USED,
        "used",
        STAGE_BOUND,
        "Use of a bound of the stage: at its limit partitions are paused, or the oldest entries evicted.",
    ),
    gauge(
        BOUND_LIMIT,
        "limit",
        STAGE_BOUND,
        "Limit of a bound of the stage; of dedup windows for the assigned partitions.",
    ),
    gauge(
        FETCH_COMPRESSION_RATIO,
        "ratio",
        STAGE_CONSUMER,
        "Decompressed bytes per compressed byte of the records that a consumer of the stage fetched last; absent while unknown.",
    ),
    gauge(
        REACHABLE_BROKERS,
        "brokers",
        &[("client", NAMES)],
        "Brokers to which the producer of a stage or of the edge has a connection; absent while unknown.",
    ),
    gauge(
        BREAKER_STATE,
        "state",
        &[("target", &BREAKER_TARGETS)],
        "State of a circuit breaker: 0 closed, 1 half-open, 2 open.",
    ),
    counter(
        BREAKER_TRANSITIONS,
        "transitions",
        &[("target", &BREAKER_TARGETS), ("to", &BREAKER_STATES)],
        "Changes of the state of a circuit breaker.",
    ),
    gauge(
        UNCONFIRMED,
        "ids",
        &[],
        "Schemas of this service with ids from the cache folder that the registry has not confirmed.",
    ),
    counter(
        LOOKUPS,
        "lookups",
        &[("outcome", &LOOKUP_OUTCOMES)],
        "Lookups of writers' schemas in the registry, by outcome.",
    ),
];

/// The labels of a metric with their values.
type Labels = &'static [(&'static str, &'static [&'static str])];

const fn counter(name: &'static str, unit: &'static str, labels: Labels, help: &'static str) -> Metric {
    Metric { name, kind: Kind::Counter, unit, labels, help }
}

const fn gauge(name: &'static str, unit: &'static str, labels: Labels, help: &'static str) -> Metric {
    Metric { name, kind: Kind::Gauge, unit, labels, help }
}

const fn histogram(
    name: &'static str,
    unit: &'static str,
    buckets: &'static [f64],
    help: &'static str,
) -> Metric {
    Metric { name, kind: Kind::Histogram(buckets), unit, labels: STAGE, help }
}

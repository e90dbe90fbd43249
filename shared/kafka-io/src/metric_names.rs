//! Every metric that this crate records. Those of stages carry `service` and `stage`, those of the registry `service`.

/// One metric: what it is called, what it is, and its labels beside those that all of its kind carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// `counter`, `gauge` or `histogram`.
    pub kind: &'static str,
    /// Further labels, each from a closed list.
    pub labels: &'static [&'static str],
    /// What it says.
    pub help: &'static str,
}

pub(crate) const RECEIVED: &str = "tapeline_stage_received_total";
pub(crate) const EMITTED: &str = "tapeline_stage_emitted_total";
pub(crate) const DROPPED: &str = "tapeline_stage_dropped_total";
pub(crate) const REJECTED: &str = "tapeline_stage_rejected_total";
pub(crate) const RETURNED: &str = "tapeline_stage_redelivered_records_total";
pub(crate) const GIVEN_BACK: &str = "tapeline_stage_released_records_total";
pub(crate) const FINISHED_BEFORE: &str = "tapeline_stage_skipped_completed_records_total";
pub(crate) const FINISHED_UNSAID: &str = "tapeline_stage_commit_metadata_overflows_total";
pub(crate) const STALE_EFFECTS: &str = "tapeline_stage_stale_effects_total";
pub(crate) const HELD: &str = "tapeline_stage_held_records";
pub(crate) const HELD_MAX: &str = "tapeline_stage_held_capacity_records";
pub(crate) const PAUSED: &str = "tapeline_stage_paused_partitions";
pub(crate) const LAG: &str = "tapeline_stage_lag_records";
pub(crate) const LAG_SECONDS: &str = "tapeline_stage_lag_seconds";
pub(crate) const SPENT_BUDGETS: &str = "tapeline_stage_drain_timeouts_total";
pub(crate) const PARTITIONS: &str = "tapeline_stage_assigned_partitions";
pub(crate) const POISONED: &str = "tapeline_stage_stopped_partitions";
pub(crate) const FETCHED: &str = "tapeline_stage_fetched_batch_records";
pub(crate) const PRODUCED: &str = "tapeline_stage_produced_batch_records";
pub(crate) const COMMIT_MS: &str = "tapeline_stage_transaction_commit_ms";
pub(crate) const BATCHES: &str = "tapeline_stage_batches_total";
pub(crate) const REBUILDS: &str = "tapeline_stage_client_recreations_total";
pub(crate) const STALLS: &str = "tapeline_stage_stalls_total";
pub(crate) const BLOCKED: &str = "tapeline_stage_blocked_upstream_partitions";
pub(crate) const DEFERRED: &str = "tapeline_stage_deferred_partitions";
pub(crate) const DEGRADED: &str = "tapeline_stage_degraded_table_partitions";
pub(crate) const RESTORING: &str = "tapeline_stage_restoring_partitions";
pub(crate) const RESTORED: &str = "tapeline_stage_restored_records_total";
pub(crate) const RESTORE_MS: &str = "tapeline_stage_restore_ms";
pub(crate) const TABLE_RECORDS: &str = "tapeline_stage_table_records_total";
pub(crate) const NOTES: &str = "tapeline_stage_noted_items";
pub(crate) const VIOLATIONS: &str = "tapeline_stage_law_violations_total";
pub(crate) const BREAKER_STATE: &str = "tapeline_breaker_state";
pub(crate) const UNCONFIRMED: &str = "tapeline_registry_unconfirmed_ids";
pub(crate) const LOOKUPS: &str = "tapeline_registry_lookups_total";

/// How a lookup at the registry may end.
pub(crate) const LOOKUP_OUTCOMES: [&str; 5] = ["found", "unknown", "unreadable", "unavailable", "shed"];

/// The catalogue.
pub const METRICS: &[Metric] = &[
    counter(RECEIVED, &[], "input records handed to the rules"),
    counter(EMITTED, &[], "input records whose outputs are acknowledged"),
    counter(DROPPED, &["reason"], "input records that needed no output"),
    counter(REJECTED, &[], "input records whose dead letter is acknowledged"),
    counter(RETURNED, &[], "input records that were not settled when their partition went: they come again"),
    counter(GIVEN_BACK, &[], "input records that the stage gave back to the next owner while draining"),
    counter(FINISHED_BEFORE, &[], "input records passed over, since an earlier owner had finished them"),
    counter(
        FINISHED_UNSAID,
        &[],
        "positions that left without all that was finished beyond them: a crash may repeat what wasn't said",
    ),
    counter(STALE_EFFECTS, &[], "what was said of records of an assignment that has ended: discarded"),
    gauge(HELD, "input records that are neither emitted, dropped nor rejected yet"),
    gauge(HELD_MAX, "input records that may be held before every partition pauses"),
    gauge(
        PAUSED,
        "assigned input partitions that are paused: a bound is reached, or they are poisoned or deferred",
    ),
    gauge(LAG, "input records that wait in the assigned partitions, and those held"),
    gauge(LAG_SECONDS, "how long the oldest input record has been waiting that is not settled"),
    counter(SPENT_BUDGETS, &[], "drains that ended by their budget, with records left for the next owner"),
    gauge(PARTITIONS, "input partitions assigned to this instance"),
    gauge(POISONED, "assigned input partitions that are no longer read, for too many rejects in a row"),
    histogram(FETCHED, "input records judged at once"),
    histogram(PRODUCED, "outputs that left together"),
    histogram(COMMIT_MS, "a transaction from its begin to its commit"),
    counter(BATCHES, &["outcome"], "output batches: committed, delivered, aborted, failed"),
    counter(REBUILDS, &[], "clients given up and made anew"),
    counter(STALLS, &[], "times that records waited while the client fetched none: it was made anew"),
    gauge(BLOCKED, "input partitions in which records wait behind an open transaction of somebody else"),
    gauge(DEFERRED, "input partitions whose records can't be judged now, for the registry is away"),
    gauge(DEGRADED, "table partitions in which a record was skipped since they are followed"),
    gauge(RESTORING, "input partitions whose state is being restored"),
    counter(RESTORED, &[], "records read again to restore state"),
    histogram(RESTORE_MS, "a partition from its assignment to its restored state"),
    counter(TABLE_RECORDS, &[], "records read of the tables"),
    Metric { name: NOTES, kind: "gauge", labels: &["note"], help: "what a stage counts of its own" },
    counter(VIOLATIONS, &["law"], "broken laws of delivery: never, or there is a bug"),
    Metric {
        name: BREAKER_STATE,
        kind: "gauge",
        labels: &["target"],
        help: "state of a circuit breaker: 0 closed, 1 half-open, 2 open",
    },
    gauge(
        UNCONFIRMED,
        "schemas of ours that go by ids of the cache folder, since the registry was away at start",
    ),
    counter(
        LOOKUPS,
        &["outcome"],
        "lookups of writers' schemas: found, unknown, unreadable, unavailable, shed",
    ),
];

const fn counter(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Metric {
    Metric { name, kind: "counter", labels, help }
}

const fn gauge(name: &'static str, help: &'static str) -> Metric {
    Metric { name, kind: "gauge", labels: &[], help }
}

const fn histogram(name: &'static str, help: &'static str) -> Metric {
    Metric { name, kind: "histogram", labels: &[], help }
}

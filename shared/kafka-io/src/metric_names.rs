//! Every metric that this crate records. All carry `service` and `stage`.

/// One metric: what it is called, what it is, and its labels beside `service` and `stage`.
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
pub(crate) const HELD: &str = "tapeline_stage_held_records";
pub(crate) const LAG: &str = "tapeline_stage_lag_records";
pub(crate) const PARTITIONS: &str = "tapeline_stage_assigned_partitions";
pub(crate) const POISONED: &str = "tapeline_stage_poisoned_partitions";
pub(crate) const FETCHED: &str = "tapeline_stage_fetched_batch_records";
pub(crate) const PRODUCED: &str = "tapeline_stage_produced_batch_records";
pub(crate) const COMMIT_MS: &str = "tapeline_stage_transaction_commit_ms";
pub(crate) const BATCHES: &str = "tapeline_stage_batches_total";
pub(crate) const REBUILDS: &str = "tapeline_stage_client_rebuilds_total";
pub(crate) const TABLE_RECORDS: &str = "tapeline_stage_table_records_total";
pub(crate) const NOTES: &str = "tapeline_stage_noted_items";
pub(crate) const VIOLATIONS: &str = "tapeline_stage_law_violations_total";

/// The catalogue.
pub const METRICS: &[Metric] = &[
    counter(RECEIVED, &[], "input records handed to the rules"),
    counter(EMITTED, &[], "input records whose outputs are acknowledged"),
    counter(DROPPED, &["reason"], "input records that needed no output"),
    counter(REJECTED, &[], "input records whose dead letter is acknowledged"),
    gauge(HELD, "input records that are neither emitted, dropped nor rejected yet"),
    gauge(LAG, "input records that wait in the assigned partitions, and those held"),
    gauge(PARTITIONS, "input partitions assigned to this instance"),
    gauge(POISONED, "assigned input partitions that are no longer read, for too many rejects in a row"),
    histogram(FETCHED, "input records judged at once"),
    histogram(PRODUCED, "outputs that left together"),
    histogram(COMMIT_MS, "a transaction from its begin to its commit"),
    counter(BATCHES, &["outcome"], "output batches: committed, delivered, aborted, failed"),
    counter(REBUILDS, &[], "clients given up and made anew"),
    counter(TABLE_RECORDS, &[], "records read of the tables"),
    Metric { name: NOTES, kind: "gauge", labels: &["note"], help: "what a stage counts of its own" },
    counter(VIOLATIONS, &["law"], "broken laws of delivery: never, or there is a bug"),
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

//! Metrics of the executor stage.

use chassis::telemetry::Metric;
use contracts::BackfillErrorClass as Class;
pub use hosting::{RESTORE_APPLIED, RESTORE_SKIPPED};
use hosting::{stage_counter, stage_gauge};

/// The error classes of ended requests.
pub const CLASSES: [Class; 9] = [
    Class::Invalid,
    Class::Duplicate,
    Class::NoSource,
    Class::SourceUnavailable,
    Class::Refused,
    Class::Exhausted,
    Class::UnknownSymbol,
    Class::NotYet,
    Class::Cancelled,
];

/// Requests that ended in this process, by the outcome and error class of their terminal event; `none` if they completed.
pub const RANGES: Metric = Metric::counter(
    "backfill_ranges_total",
    "ranges",
    "Requests for ranges that ended, by outcome and error class.",
)
.labelled(&[
    ("outcome", &["completed", "partial", "failed"]),
    (
        "class",
        &[
            "none",
            "invalid",
            "duplicate",
            "no_source",
            "source_unavailable",
            "refused",
            "exhausted",
            "unknown_symbol",
            "not_yet",
            "cancelled",
        ],
    ),
]);

/// Offsets of the owned partitions that the ledger does not contain yet.
pub const LEDGER_LAG: Metric =
    Metric::gauge("backfill_ledger_lag_records", "records", "Offsets that the ledger has not read yet.");

/// Transactions of the ledger by outcome.
pub const LEDGER_TRANSACTIONS: Metric = Metric::counter(
    "backfill_ledger_transactions_total",
    "transactions",
    "Database transactions of the ledger, by outcome.",
)
.labelled(&[("outcome", &["committed", "failed"])]);

/// Rows that the ledger has written.
pub const LEDGER_ROWS: Metric =
    Metric::counter("backfill_ledger_rows_total", "rows", "Jobs and series that the ledger has written.");

/// Records that the ledger has skipped.
pub const LEDGER_SKIPPED: Metric = Metric::counter(
    "backfill_ledger_skipped_records_total",
    "records",
    "Records without a valid event that the ledger has skipped.",
);

pub const SKIPPED_COVERAGE_CHANGES: Metric = stage_counter(
    "tapeline_skipped_coverage_changes_total",
    "changes",
    "Invalid coverage changes skipped in the coverage table.",
);
pub const WAITING_REQUESTS: Metric =
    stage_gauge("tapeline_backfill_waiting_requests", "requests", "Backfill requests that are not complete.");
pub const RUNNING_FETCHES: Metric = stage_gauge(
    "tapeline_backfill_running_fetches",
    "fetches",
    "Fetches from the data source that are running.",
);
pub const PACED_FETCHES: Metric = stage_gauge(
    "tapeline_backfill_paced_fetches",
    "fetches",
    "Running fetches that wait because the bars of their partition have reached the pace.",
);

pub const COVERAGE_SERIES: Metric = stage_gauge(
    "tapeline_coverage_series",
    "series",
    "Series in the coverage table: a symbol, a data type and a timeframe each.",
);
pub const COVERAGE_BYTES: Metric = stage_gauge(
    "tapeline_coverage_bytes",
    "bytes",
    "Upper bound of the memory of the coverage table, from its series and intervals.",
);

pub const KEEPER_HOLES: Metric = stage_counter(
    "tapeline_backfill_keeper_holes_total",
    "holes",
    "Holes of wanted series that the keeper found and no running request fetches, in each pass.",
);
pub const KEEPER_REQUESTS: Metric = stage_counter(
    "tapeline_backfill_keeper_requests_total",
    "requests",
    "Requests that the keeper originated.",
);
pub const KEEPER_OPEN_REQUESTS: Metric = stage_gauge(
    "tapeline_backfill_keeper_open_requests",
    "requests",
    "Requests of the keeper that have not ended.",
);
pub const KEEPER_LIVE_SESSIONS: Metric = stage_counter(
    "tapeline_backfill_keeper_live_sessions_total",
    "sessions",
    "Sessions of wanted series that live bars have completed, so that they are covered without a request.",
);

pub const METRICS: &[Metric] = &[
    KEEPER_HOLES,
    KEEPER_REQUESTS,
    KEEPER_OPEN_REQUESTS,
    KEEPER_LIVE_SESSIONS,
    RANGES,
    LEDGER_LAG,
    LEDGER_TRANSACTIONS,
    LEDGER_ROWS,
    LEDGER_SKIPPED,
    SKIPPED_COVERAGE_CHANGES,
    WAITING_REQUESTS,
    RUNNING_FETCHES,
    PACED_FETCHES,
    COVERAGE_SERIES,
    COVERAGE_BYTES,
    RESTORE_APPLIED,
    RESTORE_SKIPPED,
];

//! Metrics of the feature stage.

use chassis::telemetry::Metric;
use hosting::{latency_histogram, stage_counter, stage_gauge};

use crate::rules::ReasonClass;

/// The statuses of a set, as in the vector.
pub const STATUSES: [&str; 3] = ["computed", "unavailable", "failed"];

/// Sets of the vectors that this process wrote.
pub const SETS: Metric = Metric::counter(
    "feature_sets_total",
    "sets",
    "Feature sets in vectors, by status and class of the reason.",
)
.labelled(&[("status", &STATUSES), ("reason", &ReasonClass::NAMES)]);

pub const SKIPPED_BARS: Metric =
    stage_counter("tapeline_skipped_bars_total", "bars", "Invalid bars skipped in the bar table.");
pub const SKIPPED_BENCHMARK_BARS: Metric = stage_counter(
    "tapeline_skipped_benchmark_bars_total",
    "bars",
    "Invalid bars skipped in the benchmark table.",
);
pub const SKIPPED_ACTIONS: Metric = stage_counter(
    "tapeline_skipped_actions_total",
    "actions",
    "Invalid corporate actions skipped in the table of actions.",
);
pub const SKIPPED_BENCHMARK_ACTIONS: Metric = stage_counter(
    "tapeline_skipped_benchmark_actions_total",
    "actions",
    "Invalid corporate actions of benchmarks skipped.",
);
pub const SPLIT_EVICTIONS: Metric = stage_counter(
    "tapeline_split_evictions_total",
    "evictions",
    "Splits evicted, those with the oldest ex-dates first, because the table held too many.",
);
pub const BAR_SERIES: Metric = stage_gauge(
    "tapeline_bar_table_series",
    "series",
    "Series in the bar table: a symbol and a timeframe each.",
);
pub const BAR_TABLE_BYTES: Metric =
    stage_gauge("tapeline_bar_table_bytes", "bytes", "Memory of the bars in the bar table.");
pub const ORDINARY_LANE_REQUESTS: Metric =
    stage_gauge("tapeline_ordinary_lane_requests", "requests", "Requests waiting in the ordinary lane.");
pub const URGENT_LANE_REQUESTS: Metric =
    stage_gauge("tapeline_urgent_lane_requests", "requests", "Requests waiting in the urgent lane.");
pub const RUNNING_REQUESTS: Metric =
    stage_gauge("tapeline_running_requests", "requests", "Requests being computed by workers.");
pub const REQUESTED_SYMBOLS: Metric =
    stage_gauge("tapeline_requested_symbols", "symbols", "Symbols requested within the dedup window.");
pub const REQUESTED_SYMBOL_EVICTIONS: Metric = stage_counter(
    "tapeline_requested_symbol_evictions_total",
    "evictions",
    "Symbols evicted from the dedup window because it held too many.",
);

/// From a request to each of its vectors.
pub const REQUEST_TO_VECTOR: Metric = latency_histogram(
    "tapeline_request_to_vector_seconds",
    "Time from the append of a request to its topic until a vector of it is emitted, by lane.",
);

pub const METRICS: &[Metric] = &[
    SETS,
    SKIPPED_BARS,
    SKIPPED_BENCHMARK_BARS,
    SKIPPED_ACTIONS,
    SKIPPED_BENCHMARK_ACTIONS,
    SPLIT_EVICTIONS,
    BAR_SERIES,
    BAR_TABLE_BYTES,
    ORDINARY_LANE_REQUESTS,
    URGENT_LANE_REQUESTS,
    RUNNING_REQUESTS,
    REQUESTED_SYMBOLS,
    REQUESTED_SYMBOL_EVICTIONS,
    REQUEST_TO_VECTOR,
];

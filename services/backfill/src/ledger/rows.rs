//! Rows of the ledger.

use contracts::{CoverageChange, DataKind, RangeCompletion, RangeFailure, RangeProgress, RangeRequest};

/// The key of a job: backfill id and attempt.
pub type JobKey = (String, i32);

/// The outcome of a job that has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Completed,
    Partial,
    Failed,
}

/// A job. The events of a job are in several topics, so they arrive in any order: a field is `None` until its event has been
/// read, and keeps the value that the database has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JobRow {
    pub symbol: String,
    pub layer: Option<i32>,
    pub data_types: Option<String>,
    /// First and last instant, microseconds since 1970.
    pub range: Option<(i64, i64)>,
    pub priority: Option<i32>,
    pub trigger: Option<&'static str>,
    pub source: Option<String>,
    pub requested_at: Option<i64>,
    pub progress: Option<Progress>,
    pub end: Option<End>,
}

/// The newest progress of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    pub done: i32,
    pub total: i32,
    pub at: i64,
}

/// The terminal event of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct End {
    pub outcome: Outcome,
    pub at: i64,
    pub duration_micros: Option<i64>,
    pub records: i64,
    pub error_class: Option<&'static str>,
    pub error_count: i32,
    /// The first error.
    pub error: Option<String>,
}

/// The key of a series: symbol, data type, timeframe (empty for data without one).
pub type SeriesKey = (String, &'static str, String);

/// The coverage of a series, as its newest event states it. Empty if the series was deleted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SeriesRow {
    /// First and last instants, microseconds since 1970.
    pub intervals: Vec<(i64, i64)>,
    pub changed_at: i64,
}

// === impl Outcome ===

impl Outcome {
    /// Returns the text in the table.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Partial => "partial",
            Self::Failed => "failed",
        }
    }
}

// === impl JobRow ===

impl JobRow {
    pub(super) fn apply_request(&mut self, event: &RangeRequest) {
        self.symbol.clone_from(&event.symbol);
        self.layer = Some(event.layer);
        self.data_types = Some(listed(&event.data_types));
        self.range = Some((event.start, event.end));
        self.priority = Some(event.priority);
        self.trigger = Some(event.trigger.as_str());
        self.source = Some(event.source.clone());
        self.requested_at = Some(event.occurred_at);
    }

    pub(super) fn apply_progress(&mut self, event: &RangeProgress) {
        self.symbol.clone_from(&event.symbol);
        // Chunks of several types are numbered together, so the newest event has the highest number.
        if self.progress.is_none_or(|progress| progress.done <= event.done) {
            self.progress = Some(Progress { done: event.done, total: event.total, at: event.occurred_at });
        }
    }

    pub(super) fn apply_completion(&mut self, event: &RangeCompletion) {
        self.symbol.clone_from(&event.symbol);
        self.layer = Some(event.layer);
        self.end = Some(End {
            outcome: if event.success { Outcome::Completed } else { Outcome::Partial },
            at: event.occurred_at,
            duration_micros: Some(event.duration_micros),
            records: event.records.values().sum(),
            error_class: None,
            error_count: event.error_count,
            error: event.errors.first().cloned(),
        });
    }

    pub(super) fn apply_failure(&mut self, event: &RangeFailure) {
        self.symbol.clone_from(&event.symbol);
        self.layer = Some(event.layer);
        self.data_types = Some(listed(&event.data_types));
        self.end = Some(End {
            outcome: Outcome::Failed,
            at: event.occurred_at,
            duration_micros: None,
            records: 0,
            error_class: Some(event.error_class.as_str()),
            error_count: 1,
            error: Some(event.error.clone()),
        });
    }
}

// === impl SeriesRow ===

impl From<&CoverageChange> for SeriesRow {
    fn from(event: &CoverageChange) -> Self {
        let intervals = event.intervals.iter().map(|span| (span.start, span.end)).collect();
        Self { intervals, changed_at: event.occurred_at }
    }
}

fn listed(types: &[DataKind]) -> String {
    types.iter().map(|kind| kind.as_str()).collect::<Vec<_>>().join(",")
}

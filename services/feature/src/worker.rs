//! Job of a worker thread: computes the sets of a request over the bars of each of its symbols.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use domain::{Bar, FeatureSet, FeatureSets, Symbol, Timeframe, Timestamp};
use hosting::WorkerError;
use kit::SaturatingFrom;

use crate::rules::{self, Benchmarks, EarlierDays, Mismatches, ReasonClass, SetResult, Status, Window};

/// The computation of one request. It has copies of all data that it needs, made when it starts.
#[derive(Debug, Clone)]
pub struct Job {
    /// Identifies the job among the running ones.
    pub ticket: u64,
    pub sets: FeatureSets,
    pub timeframe: Timeframe,
    pub symbols: Vec<SymbolJob>,
    /// The bars of other symbols, for the sets that compare.
    pub benchmarks: Arc<Benchmarks>,
}

/// One symbol of a job.
#[derive(Debug, Clone)]
pub struct SymbolJob {
    pub symbol: Symbol,
    /// No later bar may be used.
    pub occurred_at: Timestamp,
    /// The window: bars that closed at or before `occurred_at`, oldest first, adjusted by the splits up to the newest of them.
    pub bars: Vec<Bar>,
    /// Prices of the window that contradict these splits.
    pub mismatches: Mismatches,
    /// For timeframes below a day.
    pub earlier_days: EarlierDays,
}

/// The result of a job.
#[derive(Debug, Clone, PartialEq)]
pub enum JobResult {
    /// All symbols were computed.
    Computed {
        /// The ticket of the job.
        ticket: u64,
        /// One result per symbol of the job, in its order.
        symbols: Vec<SymbolResult>,
    },
    /// The job has no result. Another attempt may succeed.
    Failed {
        /// The ticket of the job.
        ticket: u64,
        /// The cause.
        error: JobError,
    },
}

/// The reason why a job has no result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JobError {
    #[error(transparent)]
    Worker(#[from] WorkerError),
    #[error("job rejected: the queue of the workers is full or closed")]
    Rejected,
}

/// The result of one symbol.
#[derive(Debug, Clone, PartialEq)]
pub struct SymbolResult {
    pub symbol: Symbol,
    /// The open time of the newest bar used; `None` without bars.
    pub as_of: Option<Timestamp>,
    /// The number of bars in the window.
    pub bars_held: usize,
    /// Every requested set, in order of name.
    pub sets: Vec<(FeatureSet, SetResult)>,
    /// The duration of the computation in microseconds.
    pub computation_micros: i64,
}

/// Computes a job. A panic of a rule fails its set, not the request.
#[must_use]
pub fn compute(job: &Job) -> JobResult {
    let symbols = job.symbols.iter().map(|symbol| compute_symbol(job, symbol)).collect();
    JobResult::Computed { ticket: job.ticket, symbols }
}

fn compute_symbol(job: &Job, of: &SymbolJob) -> SymbolResult {
    let started = Instant::now();
    let window = Window::new(job.timeframe, &of.bars)
        .with_mismatches(of.mismatches)
        .with_benchmarks(&job.benchmarks)
        .with_earlier_days(of.earlier_days);
    let sets = job.sets.iter().map(|set| (set, compute_set(set, &window))).collect();
    let computation_micros = i64::saturating_from(started.elapsed().as_micros());
    SymbolResult {
        symbol: of.symbol,
        as_of: window.as_of(),
        bars_held: of.bars.len(),
        sets,
        computation_micros,
    }
}

fn compute_set(set: FeatureSet, window: &Window<'_>) -> SetResult {
    std::panic::catch_unwind(AssertUnwindSafe(|| rules::compute(set, window))).unwrap_or_else(|_| SetResult {
        status: Status::Failed,
        reason: Some("rule panicked: the log of the service has its location".to_owned()),
        class: ReasonClass::Panicked,
        values: Vec::new(),
    })
}

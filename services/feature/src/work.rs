//! What a worker does: the sets of a request over the bars of each of its symbols.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use domain::{Bar, FeatureSet, FeatureSets, Symbol, Timeframe, Timestamp};

use crate::rules::{self, Benchmarks, SetResult, Status, Window};

/// One request's computation: everything that it needs, copied from the tables when it starts.
#[derive(Debug, Clone)]
pub struct Job {
    /// Names it among those that run.
    pub ticket: u64,
    /// The sets asked for.
    pub sets: FeatureSets,
    /// The bars' timeframe.
    pub timeframe: Timeframe,
    /// The symbols to answer for.
    pub symbols: Vec<SymbolJob>,
    /// What they are compared with.
    pub benchmarks: Arc<Benchmarks>,
}

/// One symbol of a job.
#[derive(Debug, Clone)]
pub struct SymbolJob {
    /// The symbol.
    pub symbol: Symbol,
    /// Nothing later may be looked at.
    pub occurred_at: Timestamp,
    /// The window: bars that closed at or before `occurred_at`, oldest first.
    pub bars: Vec<Bar>,
    /// Below a day: the newest day bar of an earlier date, for the pivots.
    pub prior_day: Option<Bar>,
}

/// What came of a job.
#[derive(Debug, Clone, PartialEq)]
pub enum Done {
    /// An answer for each symbol, in order.
    Computed {
        /// The job.
        ticket: u64,
        /// By symbol.
        answers: Vec<Answer>,
    },
    /// The worker panicked or got stuck; the job may be tried again.
    Failed {
        /// The job.
        ticket: u64,
        /// What happened.
        cause: String,
    },
}

/// One symbol's answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The symbol.
    pub symbol: Symbol,
    /// The open time of the newest bar used; none without bars.
    pub as_of: Option<Timestamp>,
    /// How many bars the window held.
    pub bars_held: usize,
    /// Every set that was asked for, in order of name.
    pub sets: Vec<(FeatureSet, SetResult)>,
    /// How long it took, microseconds.
    pub computation_micros: i64,
}

/// Computes a job. A rule that panics fails its set, not the request.
#[must_use]
pub fn compute(job: &Job) -> Done {
    let answers = job.symbols.iter().map(|symbol| answer(job, symbol)).collect();
    Done::Computed { ticket: job.ticket, answers }
}

fn answer(job: &Job, of: &SymbolJob) -> Answer {
    let begun = Instant::now();
    let mut window = Window::new(job.timeframe, &of.bars).with_benchmarks(&job.benchmarks);
    if job.timeframe != Timeframe::Day1 {
        window = window.with_prior_day(of.prior_day.as_ref());
    }
    let sets = job.sets.iter().map(|set| (set, guarded(set, &window))).collect();
    let computation_micros = i64::try_from(begun.elapsed().as_micros()).unwrap_or(i64::MAX);
    Answer { symbol: of.symbol, as_of: window.as_of(), bars_held: of.bars.len(), sets, computation_micros }
}

fn guarded(set: FeatureSet, window: &Window<'_>) -> SetResult {
    std::panic::catch_unwind(AssertUnwindSafe(|| rules::compute(set, window))).unwrap_or_else(|_| SetResult {
        status: Status::Failed,
        reason: Some("the rule panicked; the log has the place".to_owned()),
        values: Vec::new(),
    })
}

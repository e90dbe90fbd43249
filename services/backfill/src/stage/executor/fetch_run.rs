//! State of a running fetch.

use std::collections::BTreeMap;
use std::time::Duration;

use domain::{Interval, Timeframe, Timestamp};
use pipeline::RecordId;

use super::request::{Part, Request};
use crate::rules::bar_pace::bars_max;
use crate::rules::coalescer::Fetch;
use crate::worker::Job;

/// The maximum time that a fetch waits for data that is being written, in all. A file is complete within seconds; one that is changed
/// all the time must not occupy the fetch.
const WRITING_WAIT_MAX: Duration = Duration::from_secs(60);

/// The minimum of each of these waits: the clocks of the file server and of the stage differ.
const WRITING_WAIT_MIN: Duration = Duration::from_millis(100);

/// A part of a fetch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Chunk {
    /// `None` for data without timeframes.
    pub(super) timeframe: Option<Timeframe>,
    pub(super) range: Interval,
}

/// A running fetch.
#[derive(Debug)]
pub(super) struct FetchRun {
    pub(super) fetch: Fetch<RecordId>,
    /// The maximum number of bars of the chunk at a worker.
    pub(super) reserved_bars: u64,
    /// The latest `occurred_at` of its requests.
    pub(super) occurred_at: i64,
    pub(super) chunks: Vec<Chunk>,
    /// The number of chunks that have ended.
    pub(super) done: usize,
    /// The number of failed calls for the current chunk.
    pub(super) failures: u32,
    /// The time that the fetch has waited for data that was being written.
    waited: Duration,
    pub(super) state: RunState,
}

/// The state of the current chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RunState {
    AtWorker,
    /// It is retried at this time (monotonic).
    Waiting {
        until: Duration,
    },
    /// The circuit breaker of the source admits no call, until this time (monotonic) or a call that succeeds.
    Held {
        until: Duration,
    },
    /// The partition is draining: no further chunk starts.
    Stopped,
    /// The pace of bars admits no chunk yet. The fetch is suspended.
    Paced,
    /// A worker has the chunk, but the requests were removed.
    Orphaned,
}

impl FetchRun {
    pub(super) fn new(fetch: Fetch<RecordId>, occurred_at: i64, chunks: Vec<Chunk>) -> Self {
        Self {
            fetch,
            reserved_bars: 0,
            occurred_at,
            chunks,
            done: 0,
            failures: 0,
            waited: Duration::ZERO,
            state: RunState::AtWorker,
        }
    }

    /// Returns the time of the next retry (monotonic). `None` if none is scheduled.
    pub(super) fn due(&self) -> Option<Duration> {
        match self.state {
            RunState::Waiting { until } | RunState::Held { until } => Some(until),
            RunState::AtWorker | RunState::Stopped | RunState::Paced | RunState::Orphaned => None,
        }
    }

    /// Returns the wait for data that is being written until `until` (wall clock), and counts it. `None` if the fetch has waited for the
    /// maximum time.
    pub(super) fn wait_for_writer(&mut self, until: Timestamp, now: Timestamp) -> Option<Duration> {
        let left = WRITING_WAIT_MAX.saturating_sub(self.waited);
        let wait = Duration::from_micros(u64::try_from(until.micros_since(now)).unwrap_or(0));
        let wait = wait.max(WRITING_WAIT_MIN).min(left);
        self.waited += wait;
        (!left.is_zero()).then_some(wait)
    }

    pub(super) fn is_held(&self) -> bool {
        matches!(self.state, RunState::Held { .. })
    }

    /// Returns the maximum number of bars of the current chunk. 0 for other records.
    pub(super) fn bars_max(&self) -> u64 {
        let bars = |chunk: Chunk| Some(bars_max(chunk.timeframe?, chunk.range));
        self.chunk().and_then(bars).unwrap_or(0)
    }

    pub(super) fn is_at_worker(&self) -> bool {
        self.state == RunState::AtWorker
    }

    /// Returns the current chunk. `None` after the last one.
    pub(super) fn chunk(&self) -> Option<Chunk> {
        self.chunks.get(self.done).copied()
    }

    pub(super) fn part_of(&self, chunk: Chunk) -> Part {
        (self.fetch.data_type, chunk.timeframe)
    }

    /// Returns the job of the current chunk, given the time before which records of a timeframe are final. `None` after the last
    /// one.
    pub(super) fn job(&self, final_before: impl Fn(Option<Timeframe>) -> Timestamp) -> Option<Job> {
        let Fetch { id, symbol, data_type, .. } = self.fetch;
        let Chunk { timeframe, range } = self.chunk()?;
        Some(Job { fetch: id, symbol, data_type, timeframe, range, final_before: final_before(timeframe) })
    }

    /// Ends the series of the current chunk: returns what it and the later chunks of the series lack from `horizon` on, and continues
    /// with the last of these chunks.
    pub(super) fn end_series(&mut self, horizon: Timestamp) -> Vec<Interval> {
        let Some(current) = self.chunk() else { return Vec::new() };
        let of_series =
            self.chunks[self.done..].iter().take_while(|chunk| chunk.timeframe == current.timeframe);
        let count = of_series.clone().count();
        let lacking = of_series
            .filter_map(|chunk| Interval::new(chunk.range.start().max(horizon), chunk.range.end()).ok())
            .collect();
        self.done += count.saturating_sub(1);
        lacking
    }

    /// Replaces the current chunk by its parts before and after `middle`. Returns `false` if one of them would be empty.
    pub(super) fn split_chunk(&mut self, middle: Timestamp) -> bool {
        let Some(Chunk { timeframe, range }) = self.chunk() else { return false };
        let parts = (Interval::new(range.start(), middle), Interval::new(middle, range.end()));
        let (Ok(before), Ok(after)) = parts else { return false };
        let halves = [before, after].map(|range| Chunk { timeframe, range });
        self.chunks.splice(self.done..=self.done, halves);
        self.failures = 0;
        true
    }

    /// Removes the chunks, from this index on, that none of the requests of the fetch contains.
    pub(super) fn retain_chunks(&mut self, first: usize, requests: &BTreeMap<RecordId, Request>) {
        let (of_fetch, data_type) = (&self.fetch.requests, self.fetch.data_type);
        let is_needed = |chunk: &Chunk| {
            let part = (data_type, chunk.timeframe);
            let mut held = of_fetch.iter().filter_map(|id| requests.get(id));
            held.any(|request| !request.shares_of(part, &[chunk.range]).is_empty())
        };
        let mut index = 0;
        self.chunks.retain(|chunk| {
            index += 1;
            index <= first || is_needed(chunk)
        });
    }

    pub(super) fn next_chunk(&mut self) {
        self.done += 1;
        self.failures = 0;
    }
}

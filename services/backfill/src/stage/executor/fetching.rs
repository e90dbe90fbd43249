//! Running fetches: each is split into chunks. One chunk at a time is at a worker, with a bounded number of attempts.
//!
//! ```text
//!           a worker is free            records                      last chunk
//!   chunk ──────────────────► at worker ────► written ─► next chunk ────────────► finished
//!                               │   ▲
//!             transient error   ▼   │ wait has ended      permanent error, or last attempt:
//!                              waiting                     the error is recorded, next chunk
//! ```
//!
//! Data that is being written is a transient error that uses up no attempt: the chunk waits until the data may be read, bounded per fetch.
//! A source that made no request, because a limit of its own is reached, uses up none either. Another transient error may name the time
//! from which on the source accepts calls again.
//!
//! A chunk of bars starts when the pace of its partition admits it; until then its fetch is suspended (`pacing`).
//!
//! While the circuit breaker of the source is open, chunks are held before they reach a worker (`source_guard`).
//!
//! A retry waits on the clock of the stage and occupies no worker. When the partition is draining, the fetch stops after the chunk that a
//! worker has (`drain`). When the partition is removed, the fetch is orphaned: the result of its job is discarded and frees its slot.

use std::time::Duration;

use domain::{Interval, Timeframe, Timestamp};
use kafka_io::OutRecord;
use pipeline::{Effects, Now, RecordId};

use super::ExecutorStage;
use super::fetch_run::{Chunk, FetchRun, RunState};
use crate::rules::chunks::chunks;
use crate::rules::coalescer::{Fetch, FetchId};
use crate::rules::finality::{fetched_before, series_final_before};
use crate::rules::series::Series;
use crate::sources::SourceError;
use crate::worker::{Job, JobResult};

/// The maximum wait until a time that a source names. A chunk whose source names a later one fails, and may be requested again.
const NAMED_WAIT_MAX: Duration = Duration::from_secs(15 * 60);

/// The minimum of such a wait without an attempt: the clocks of the source and of the stage differ.
const NAMED_WAIT_MIN: Duration = Duration::from_millis(100);

impl ExecutorStage {
    /// Starts a fetch: splits the ranges that its requests lack into chunks.
    pub(super) fn begin(&mut self, fetch: Fetch<RecordId>, now: Now, effects: &mut Effects<OutRecord>) {
        let of_requests = fetch.requests.iter().filter_map(|id| self.requests.get(id));
        let occurred_at = of_requests.map(|request| request.event.occurred_at).max().unwrap_or(i64::MIN);
        let timeframes: Vec<Option<Timeframe>> = fetch.ranges.keys().rev().copied().collect();
        self.take_out(&fetch, &timeframes, occurred_at, effects);
        for id in &fetch.requests {
            let Some(request) = self.requests.get_mut(id) else { continue };
            for timeframe in &timeframes {
                let part = (fetch.data_type, *timeframe);
                let series = series(&fetch, *timeframe);
                for covered in self.table.coverage.covered(id.input.partition, &series, request.range) {
                    request.skipped(part, covered);
                }
            }
        }
        let chunks = self.missing(&fetch, &timeframes, now);
        let mut run = FetchRun::new(fetch, occurred_at, chunks);
        // The ranges of the fetch include those of cancelled requests.
        run.retain_chunks(0, &self.requests);
        self.proceed(run, now, effects);
    }

    /// Returns the chunks of the requested ranges that are not covered, longest timeframe first. A bar that has not closed, and news
    /// and corporate actions that are not final, are neither fetched nor covered, so that a later request fetches them.
    fn missing(&self, fetch: &Fetch<RecordId>, timeframes: &[Option<Timeframe>], now: Now) -> Vec<Chunk> {
        let Some(partition) = fetch.requests.first().map(|id| id.input.partition) else { return Vec::new() };
        let wall = Timestamp::from_micros(now.wall_micros);
        let mut missing_chunks = Vec::new();
        for timeframe in timeframes.iter().copied() {
            let closed = fetched_before(timeframe, self.settings.settle, wall);
            let days = self.settings.chunk_days.of(fetch.data_type, timeframe);
            let requested = fetch.ranges.get(&timeframe).into_iter().flat_map(|set| set.iter());
            for interval in requested {
                let Ok(past) = Interval::new(interval.start(), interval.end().min(closed)) else { continue };
                let missing = self.table.coverage.missing(partition, &series(fetch, timeframe), past);
                let ranges = missing.into_iter().flat_map(|missing| chunks(missing, days));
                missing_chunks.extend(ranges.map(|range| Chunk { timeframe, range }));
            }
        }
        missing_chunks
    }

    /// Starts the next chunk. Ends the fetch after the last chunk, and stops it if its partition is draining.
    pub(super) fn proceed(&mut self, mut run: FetchRun, now: Now, effects: &mut Effects<OutRecord>) {
        let id = run.fetch.id;
        let wall = Timestamp::from_micros(now.wall_micros);
        let Some(job) = run.job(|timeframe| series_final_before(timeframe, self.settings.settle, wall))
        else {
            for ended in self.coalescer.finish(id, &()) {
                self.end(ended.id, now, effects);
            }
            return;
        };
        run.state = if self.is_draining(&run) {
            RunState::Stopped
        } else if self.is_paced(&run, now, effects) {
            self.coalescer.suspend(id);
            RunState::Paced
        } else {
            self.start_job(&mut run, job, now)
        };
        self.runs.insert(id, run);
    }

    /// Retries the chunks whose wait has ended.
    pub(super) fn retry_due(&mut self, now: Now, effects: &mut Effects<OutRecord>) {
        let is_due = |run: &FetchRun| self.is_due(run, now);
        let due: Vec<FetchId> = self.runs.iter().filter(|(_, run)| is_due(run)).map(|(id, _)| *id).collect();
        for id in due {
            if let Some(run) = self.runs.remove(&id) {
                self.proceed(run, now, effects);
            }
        }
    }

    /// Processes the result of a job.
    pub(super) fn chunk_ended(&mut self, result: JobResult, now: Now, effects: &mut Effects<OutRecord>) {
        let JobResult { fetch, part } = result;
        self.guard.ended(&part, now);
        let Some(mut run) = self.runs.remove(&fetch) else { return };
        self.pace.ended(run.fetch.partition, std::mem::take(&mut run.reserved_bars), now.monotonic);
        if run.state == RunState::Orphaned {
            // The requests are gone: the fetch only frees its slot.
            self.coalescer.finish(fetch, &());
            return;
        }
        match part {
            Ok(part) if part.defects.count() > 0 && self.split(&mut run) => {
                return self.proceed(run, now, effects);
            }
            Ok(part) => self.write(&mut run, &part, effects),
            Err(error) => {
                if let Some(wait) = self.wait_after_error(&mut run, &error, now) {
                    run.state = RunState::Waiting { until: now.monotonic + wait };
                    self.runs.insert(fetch, run);
                    return;
                }
                if matches!(error, SourceError::InvalidRange { .. }) && self.split(&mut run) {
                    self.proceed(run, now, effects);
                    return;
                }
                self.fail(&mut run, error);
            }
        }
        run.next_chunk();
        self.proceed(run, now, effects);
    }

    /// Counts a failed call and returns the wait before the next one: at least until the time that the source names. `None` if the chunk
    /// fails. Data that is being written costs no attempt, but a bounded time; a busy source costs none.
    fn wait_after_error(&mut self, run: &mut FetchRun, error: &SourceError, now: Now) -> Option<Duration> {
        if let SourceError::BeingWritten { until, .. } = error
            && let Some(wait) = run.wait_for_writer(*until, Timestamp::from_micros(now.wall_micros))
        {
            return Some(wait);
        }
        let wait_until = |until: Timestamp| {
            let micros = until.micros_since(Timestamp::from_micros(now.wall_micros));
            Duration::from_micros(u64::try_from(micros).unwrap_or(0))
        };
        if let SourceError::Busy { until, .. } = error {
            return Some(wait_until(*until).clamp(NAMED_WAIT_MIN, NAMED_WAIT_MAX));
        }
        run.failures += 1;
        let SourceError::Transient { until, .. } = error else { return None };
        let named = until.map_or(Duration::ZERO, wait_until);
        let is_retried = run.failures < self.settings.retries.attempts_max && named <= NAMED_WAIT_MAX;
        is_retried.then(|| self.retry_wait(run.failures).max(named))
    }

    /// Passes a chunk to a worker, and returns the state of its fetch.
    fn start_job(&mut self, run: &mut FetchRun, job: Job, now: Now) -> RunState {
        if let Err(wait) = self.guard.admit(now.monotonic) {
            return RunState::Held { until: now.monotonic + wait };
        }
        if self.workers.start(job).is_ok() {
            run.reserved_bars = run.bars_max();
            self.pace.started(run.fetch.partition, run.reserved_bars);
            return RunState::AtWorker;
        }
        self.guard.cancelled();
        // No error of the source, so not an attempt: the workers are closing, or one was just replaced.
        RunState::Waiting { until: now.monotonic + self.settings.retries.backoff.wait_after(1) }
    }

    /// Returns `true` if the chunk may be passed to a worker: its wait has ended, or the breaker admits calls again.
    fn is_due(&self, run: &FetchRun, now: Now) -> bool {
        let is_admitted = run.is_held() && self.guard.admits(now.monotonic);
        is_admitted || run.due().is_some_and(|due| due <= now.monotonic)
    }

    /// Returns `true` while the breaker holds chunks. Without one, a request is accepted: it becomes the trial.
    pub(super) fn is_source_held(&self) -> bool {
        !self.guard.is_closed() && self.runs.values().any(FetchRun::is_held)
    }

    /// Stops a fetch whose requests were removed.
    pub(super) fn stop(&mut self, id: FetchId) {
        let Some(run) = self.runs.get_mut(&id) else { return };
        if run.state == RunState::AtWorker {
            run.state = RunState::Orphaned;
        } else {
            self.runs.remove(&id);
            self.coalescer.finish(id, &());
        }
    }
}

pub(super) fn series(fetch: &Fetch<RecordId>, timeframe: Option<Timeframe>) -> Series {
    Series { symbol: fetch.symbol, data_type: fetch.data_type, timeframe }
}

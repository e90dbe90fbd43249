//! Fetches that run: cut into chunks, one of each at a worker at a time, each tried a few times.
//!
//! ```text
//!            a worker is free         bars                       the last one
//!   chunk ──────────────────► asked ───────► written ─► next chunk ─────────► finished
//!                               │ ▲
//!               transient fault ▼ │ the wait is over        permanent fault, or the last attempt:
//!                            waiting                         given up, named in the errors, next chunk
//! ```
//! When the partition is about to go, no further chunk is asked for: the fetch stops behind the one that a worker has (`draining`).
//!
//! A wait passes on the stage's clock, not in a worker: those who wait take nobody's place. When the partition goes, the fetch is
//! orphaned: what the worker may still bring is forgotten, and its place is free again.

use std::time::Duration;

use contracts::EncodeError;
use domain::calendar::{date_of, day_open, session_close};
use domain::{Bar, Interval, Timeframe, Timestamp};
use kafka_io::OutRecord;
use pipeline::{Effect, Effects, Now, RecordId};

use super::ExecutorStage;
use crate::rules::chunks::chunks;
use crate::rules::coalesce::{Fetch, FetchId};
use crate::rules::series::Series;
use crate::sources::SourceError;
use crate::work::{Done, Job};

/// A piece of a fetch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Chunk {
    pub(super) timeframe: Timeframe,
    pub(super) range: Interval,
}

/// A fetch that runs.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) fetch: Fetch<RecordId>,
    /// The newest `occurred_at` of its requests.
    pub(super) occurred_at: i64,
    pub(super) chunks: Vec<Chunk>,
    /// Chunks that have ended.
    pub(super) done: usize,
    /// Calls for the present chunk that have failed.
    failures: u32,
    step: Step,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// A worker has the present chunk.
    Asked,
    /// It is asked for again at this time (monotonic).
    Waiting { until: Duration },
    /// Its partition is about to go: no further chunk is asked for.
    Stopped,
    /// A worker has a chunk that nobody wants any more.
    Orphaned,
}

impl Running {
    /// When its wait ends, if it waits.
    pub(super) fn due(&self) -> Option<Duration> {
        match self.step {
            Step::Waiting { until } => Some(until),
            Step::Asked | Step::Stopped | Step::Orphaned => None,
        }
    }

    /// Whether a worker has a chunk of it.
    pub(super) fn is_at_work(&self) -> bool {
        self.step == Step::Asked
    }

    fn job(&self) -> Option<Job> {
        let chunk = self.chunks.get(self.done)?;
        let Fetch { id, symbol, .. } = self.fetch;
        Some(Job { fetch: id, symbol, timeframe: chunk.timeframe, range: chunk.range })
    }

    fn next_chunk(&mut self) {
        self.done += 1;
        self.failures = 0;
    }
}

impl ExecutorStage {
    /// A fetch begins to run: what its requests lack of it is cut into chunks.
    pub(super) fn begin(&mut self, fetch: Fetch<RecordId>, now: Now, effects: &mut Effects<OutRecord>) {
        let mut occurred_at = i64::MIN;
        let wanted: Vec<Timeframe> = fetch.wanted.keys().rev().filter_map(|timeframe| *timeframe).collect();
        for id in &fetch.requests {
            let Some(request) = self.requests.get_mut(id) else { continue };
            occurred_at = occurred_at.max(request.event.occurred_at);
            for timeframe in &wanted {
                let part = (fetch.data_type, Some(*timeframe));
                let series = series(&fetch, *timeframe);
                for covered in self.coverage.covered(id.input.partition, &series, request.range) {
                    request.skipped(part, covered);
                }
            }
        }
        let chunks = self.missing(&fetch, &wanted, now);
        self.proceed(
            Running { fetch, occurred_at, chunks, done: 0, failures: 0, step: Step::Asked },
            now,
            effects,
        );
    }

    /// What coverage lacks of what is wanted, longest timeframe first. A bar that hasn't closed is no history yet: it is neither
    /// fetched nor covered, so that it isn't missed later.
    fn missing(&self, fetch: &Fetch<RecordId>, timeframes: &[Timeframe], now: Now) -> Vec<Chunk> {
        let Some(partition) = fetch.requests.first().map(|id| id.input.partition) else { return Vec::new() };
        let wall = Timestamp::from_micros(now.wall_micros);
        let mut pieces = Vec::new();
        for timeframe in timeframes.iter().copied() {
            let closed = closed_before(timeframe, wall);
            let days = self.settings.chunk_days.of(Some(timeframe));
            let wanted = fetch.wanted.get(&Some(timeframe)).into_iter().flat_map(|set| set.iter());
            for interval in wanted {
                let Ok(past) = Interval::new(interval.start(), interval.end().min(closed)) else { continue };
                let missing = self.coverage.missing(partition, &series(fetch, timeframe), past);
                let ranges = missing.into_iter().flat_map(|missing| chunks(missing, days));
                pieces.extend(ranges.map(|range| Chunk { timeframe, range }));
            }
        }
        pieces
    }

    /// Asks for the next chunk, or ends the fetch when there is none, or stops it when its partition is about to go.
    fn proceed(&mut self, mut running: Running, now: Now, effects: &mut Effects<OutRecord>) {
        let id = running.fetch.id;
        let Some(job) = running.job() else {
            for ended in self.coalescer.finished(id, &()) {
                self.end(ended.id, now, effects);
            }
            return;
        };
        running.step = if self.is_leaving(&running) {
            Step::Stopped
        } else if self.workers.start(job).is_ok() {
            Step::Asked
        } else {
            // Not the source's fault, so no attempt: the workers are about to end, or one was just replaced.
            Step::Waiting { until: now.monotonic + self.settings.retries.backoff_first }
        };
        self.running.insert(id, running);
    }

    /// Asks again for the chunks whose wait is over.
    pub(super) fn try_again(&mut self, now: Now, effects: &mut Effects<OutRecord>) {
        let is_due = |running: &Running| running.due().is_some_and(|due| due <= now.monotonic);
        let due: Vec<FetchId> =
            self.running.iter().filter(|(_, running)| is_due(running)).map(|(id, _)| *id).collect();
        for id in due {
            if let Some(running) = self.running.remove(&id) {
                self.proceed(running, now, effects);
            }
        }
    }

    /// A worker has answered.
    pub(super) fn chunk_ended(&mut self, done: Done, now: Now, effects: &mut Effects<OutRecord>) {
        let Some(mut running) = self.running.remove(&done.fetch) else { return };
        if running.step == Step::Orphaned {
            // Nobody is served: the fetch only kept its place.
            self.coalescer.finished(done.fetch, &());
            return;
        }
        match done.result {
            Ok(bars) => self.write(&mut running, &bars, effects),
            Err(fault) => {
                running.failures += 1;
                if fault.is_retryable() && running.failures < self.settings.retries.attempts_max {
                    let until = now.monotonic + self.backoff.wait(running.failures);
                    running.step = Step::Waiting { until };
                    self.running.insert(done.fetch, running);
                    return;
                }
                self.give_up(&running, &fault);
            }
        }
        running.next_chunk();
        self.proceed(running, now, effects);
    }

    /// A chunk's outputs leave together, on behalf of the first of the requests.
    fn write(&mut self, running: &mut Running, bars: &[Bar], effects: &mut Effects<OutRecord>) {
        let Some(&chunk) = running.chunks.get(running.done) else { return };
        let Some(&first) = running.fetch.requests.first() else { return };
        // Taken out while its outputs are written: they change the coverage beside it.
        let Some(request) = self.requests.remove(&first) else { return };
        let written = self.chunk_outputs(running, chunk, bars, &request);
        self.requests.insert(first, request);
        match written {
            Ok(outputs) => {
                effects.push(Effect::Append { on_behalf_of: first, outputs });
                let part = (running.fetch.data_type, Some(chunk.timeframe));
                for id in &running.fetch.requests {
                    if let Some(request) = self.requests.get_mut(id) {
                        request.fetched(part, chunk.range, bars, running.failures + 1);
                    }
                }
            }
            Err(fault) => self.give_up(running, &unwritable(self.source.name(), &fault)),
        }
    }

    fn give_up(&mut self, running: &Running, fault: &SourceError) {
        let Some(chunk) = running.chunks.get(running.done) else { return };
        let part = (running.fetch.data_type, Some(chunk.timeframe));
        let (kind, timeframe) = (running.fetch.data_type, chunk.timeframe);
        let (from, to) = (chunk.range.start(), chunk.range.last());
        let error = format!("{kind} {timeframe} from {from} to {to}: {fault}");
        tracing::warn!(symbol = %running.fetch.symbol, error, "a chunk is given up");
        for id in &running.fetch.requests {
            if let Some(request) = self.requests.get_mut(id) {
                request.gave_up(part, chunk.range, &error, fault.is_retryable(), running.failures);
            }
        }
    }

    /// Nobody wants this fetch any more.
    pub(super) fn stop(&mut self, id: FetchId) {
        let Some(running) = self.running.get_mut(&id) else { return };
        if running.step == Step::Asked {
            running.step = Step::Orphaned;
        } else {
            self.running.remove(&id);
            self.coalescer.finished(id, &());
        }
    }
}

fn series(fetch: &Fetch<RecordId>, timeframe: Timeframe) -> Series {
    Series { symbol: fetch.symbol, data_type: fetch.data_type, timeframe: Some(timeframe) }
}

/// The bars that open before this instant have closed by `now`.
fn closed_before(timeframe: Timeframe, now: Timestamp) -> Timestamp {
    if let Some(minutes) = timeframe.minutes() {
        return now.saturating_add_micros(1 - minutes * 60_000_000);
    }
    let today = date_of(now);
    let first_open = if session_close(today) <= now { today.tomorrow().unwrap_or(today) } else { today };
    day_open(first_open)
}

/// What was fetched and can't be written: another attempt won't change its size.
fn unwritable(source_name: &'static str, fault: &EncodeError) -> SourceError {
    SourceError::Permanent { source_name, cause: fault.to_string() }
}

//! Fetches that wait for the pace of bars (ADR 111): suspended, without a slot and without fetched records.
//!
//! In a partition they resume by priority, then by age, and a fetch whose chunk has ended waits for those that precede it. So a request of a
//! higher priority delays a bulk, and not the reverse.

use std::time::Duration;

use kafka_io::OutRecord;
use kit::SaturatingFrom;
use pipeline::{Effects, Now};

use super::ExecutorStage;
use super::fetch_run::FetchRun;
use crate::rules::bar_pace::BURST_BARS;

/// The interval in which fetches check whether outputs were acknowledged.
const OUTPUTS_INTERVAL: Duration = Duration::from_millis(100);

impl ExecutorStage {
    /// Returns `true` if the current chunk of this fetch must wait: for the pace, or for another fetch of the partition.
    pub(super) fn is_paced(&self, run: &FetchRun, now: Now, effects: &Effects<OutRecord>) -> bool {
        let bars = run.bars_max();
        if bars == 0 || self.settings.partition_bars_per_s == 0 {
            return false;
        }
        has_queued_bars(effects)
            || self.pace.wait(run.fetch.partition, bars, now.monotonic) != Some(Duration::ZERO)
            || self.coalescer.is_preceded(run.fetch.id)
    }

    /// Resumes the fetches whose chunk may start. Returns `true` if there was one.
    pub(super) fn resume_paced(&mut self, now: Now, effects: &mut Effects<OutRecord>) -> bool {
        self.has_queued_bars = has_queued_bars(effects);
        if self.has_queued_bars {
            return false;
        }
        let mut has_resumed = false;
        for id in self.coalescer.first_suspended() {
            let run = self.runs.get(&id);
            let wait = run.and_then(|run| self.pace.wait(run.fetch.partition, run.bars_max(), now.monotonic));
            if wait != Some(Duration::ZERO) || !self.coalescer.resume(id, now.monotonic) {
                continue;
            }
            if let Some(run) = self.runs.remove(&id) {
                has_resumed = true;
                self.proceed(run, now, effects);
            }
        }
        has_resumed
    }

    /// Returns the time until a fetch may resume. `None` if that depends on the end of another chunk.
    pub(super) fn next_resume(&self, now: Now) -> Option<Duration> {
        if !self.coalescer.has_free_slot() {
            return None;
        }
        let runs = self.coalescer.first_suspended().into_iter().filter_map(|id| self.runs.get(&id));
        let wait =
            runs.filter_map(|run| self.pace.wait(run.fetch.partition, run.bars_max(), now.monotonic)).min();
        wait.map(|wait| if self.has_queued_bars { wait.max(OUTPUTS_INTERVAL) } else { wait })
    }
}

/// Returns `true` if as many outputs as a burst has bars are not acknowledged. They would be written together with those that follow.
fn has_queued_bars(effects: &Effects<OutRecord>) -> bool {
    u64::saturating_from(effects.queued_outputs()) > BURST_BARS
}

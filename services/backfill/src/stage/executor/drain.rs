//! Drain: before a revocation the stage finishes the chunks that workers have, and releases all other requests.

use std::collections::BTreeSet;

use kafka_io::OutRecord;
use pipeline::{Effect, Effects, RecordId};

use super::ExecutorStage;
use super::fetch_run::FetchRun;

impl ExecutorStage {
    /// Returns `true` if the partition of this fetch is draining. All requests of a fetch have the same symbol, hence the same partition.
    pub(super) fn is_draining(&self, run: &FetchRun) -> bool {
        run.fetch.requests.first().is_some_and(|id| self.draining.contains(&id.input.partition))
    }

    /// Releases the requests of these partitions without a chunk at a worker. The next owner restores the coverage of each written chunk.
    pub(super) fn release(&mut self, partitions: &BTreeSet<i32>, effects: &mut Effects<OutRecord>) {
        let at_worker: BTreeSet<RecordId> = self
            .runs
            .values()
            .filter(|run| run.is_at_worker())
            .flat_map(|run| run.fetch.requests.iter().copied())
            .collect();
        let is_released = |id: &RecordId| partitions.contains(&id.input.partition) && !at_worker.contains(id);
        let ids: Vec<RecordId> =
            self.requests.extract_if(.., |id, _| is_released(id)).map(|(id, _)| id).collect();
        if ids.is_empty() {
            return;
        }
        self.table.gate.release(is_released);
        self.refetches.retain(|id| !is_released(id));
        for fetch in self.coalescer.remove(is_released) {
            self.stop(fetch);
        }
        effects.push(Effect::Release { ids });
    }
}

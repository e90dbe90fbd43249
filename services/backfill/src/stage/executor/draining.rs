//! Partitions that are about to go: what a worker has of them is waited for, the rest is given back.

use std::collections::BTreeSet;

use kafka_io::OutRecord;
use pipeline::{Effect, Effects, RecordId};

use super::ExecutorStage;
use super::fetching::Running;

impl ExecutorStage {
    /// Whether the partition of this fetch is about to go. All its requests are of one symbol, hence of one partition.
    pub(super) fn is_leaving(&self, running: &Running) -> bool {
        running.fetch.requests.first().is_some_and(|id| self.leaving.contains(&id.input.partition))
    }

    /// Gives back the requests of these partitions of which no worker has a chunk. They come again to the next owner, whose coverage
    /// has every chunk that left.
    pub(super) fn give_back(&mut self, partitions: &BTreeSet<i32>, effects: &mut Effects<OutRecord>) {
        let at_work: BTreeSet<RecordId> = self
            .running
            .values()
            .filter(|running| running.is_at_work())
            .flat_map(|running| running.fetch.requests.iter().copied())
            .collect();
        let goes = |id: &RecordId| partitions.contains(&id.input.partition) && !at_work.contains(id);
        let ids: Vec<RecordId> = self.requests.extract_if(.., |id, _| goes(id)).map(|(id, _)| id).collect();
        if ids.is_empty() {
            return;
        }
        self.gate.give_back(goes);
        for fetch in self.coalescer.released(goes) {
            self.stop(fetch);
        }
        effects.push(Effect::Release { ids });
    }
}

//! Which of our partitions the client fetches.

use std::collections::BTreeSet;
use std::time::Duration;

use pipeline::InputPartition;
use rdkafka::consumer::Consumer;
use rdkafka::error::KafkaError;

use super::session::Session;
use super::stage::KafkaStage;

impl<S: KafkaStage> Session<'_, '_, S> {
    /// Tells the client of inputs that the engine has paused, or lets flow, since it was told last.
    pub(super) fn press(&mut self, changed: &mut BTreeSet<InputPartition>) {
        if changed.is_empty() {
            return;
        }
        let (pause, resume): (BTreeSet<InputPartition>, BTreeSet<InputPartition>) =
            std::mem::take(changed).into_iter().partition(|input| self.paused.contains(input));
        self.pause(&pause);
        if !self.choked {
            self.resume(&resume);
        }
    }

    pub(super) fn pause<'s>(&self, inputs: impl IntoIterator<Item = &'s InputPartition>) {
        if let Err(error) = self.clients.work.pause(&self.driver.inputs.list(inputs)) {
            tracing::warn!(group = self.driver.group, %error, "can't pause");
        }
    }

    /// Fetches from these inputs again, at once. librdkafka does not wake the thread that fetches when a partition is resumed: when
    /// all of its broker's were paused, that thread sleeps for up to a second (`rd_kafka_max_block_ms`). A seek wakes it, here to where
    /// the input stands. One to offset 0 does not, so those that stay paused are sought as well, where they stand.
    pub(super) fn resume<'s>(&self, inputs: impl IntoIterator<Item = &'s InputPartition>) {
        let resumed: BTreeSet<InputPartition> = inputs.into_iter().copied().collect();
        if resumed.is_empty() {
            return;
        }
        if let Err(error) = self.clients.work.resume(&self.driver.inputs.list(&resumed)) {
            tracing::warn!(group = self.driver.group, %error, "can't resume");
        }
        if let Err(error) = self.seek(resumed.union(&self.paused)) {
            tracing::warn!(group = self.driver.group, %error, "can't wake the client, it goes on by itself");
        }
    }

    /// To where each input stands, behind what was fetched and waits. Not waited for: a partition that is leaving refuses.
    fn seek<'s>(&self, inputs: impl Iterator<Item = &'s InputPartition>) -> Result<(), KafkaError> {
        let stand = self.group.standing(inputs);
        let stand = stand.map(|(input, judged)| (input, self.waiting.next_of(input).unwrap_or(judged)));
        self.clients.work.seek_partitions(self.driver.inputs.offsets(stand)?, Duration::ZERO).map(|_| ())
    }
}

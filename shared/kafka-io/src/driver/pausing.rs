//! Pausing and resuming of input partitions at the client.

use std::collections::BTreeSet;
use std::time::Duration;

use pipeline::InputPartition;
use rdkafka::consumer::Consumer;
use rdkafka::error::KafkaError;

use super::session::Session;
use super::stage::KafkaStage;

impl<S: KafkaStage> Session<'_, '_, '_, S> {
    /// Applies the engine's pauses and resumptions since the last call to the client.
    pub(super) fn apply_pauses(&mut self, changed: &mut BTreeSet<InputPartition>) {
        if changed.is_empty() {
            return;
        }
        let (pause, resume): (BTreeSet<InputPartition>, BTreeSet<InputPartition>) =
            std::mem::take(changed).into_iter().partition(|input| self.paused.contains(input));
        self.pause(&pause);
        if !self.is_buffer_full {
            self.resume(&resume);
        }
    }

    pub(super) fn pause<'s>(&self, inputs: impl IntoIterator<Item = &'s InputPartition>) {
        if let Err(error) = self.clients.work.pause(&self.driver.inputs.list(inputs)) {
            tracing::warn!(group = self.driver.group, %error, "failed to pause partitions");
        }
    }

    /// Resumes these inputs and makes the client fetch them at once. librdkafka does not wake the thread that fetches when a
    /// partition is resumed: when all partitions of its broker were paused, that thread sleeps for up to a second
    /// (`rd_kafka_max_block_ms`). A seek wakes it, here to the current position. A seek to offset 0 does not, so the partitions
    /// that stay paused are sought to their current positions as well.
    pub(super) fn resume<'s>(&self, inputs: impl IntoIterator<Item = &'s InputPartition>) {
        let resumed: BTreeSet<InputPartition> = inputs.into_iter().copied().collect();
        if resumed.is_empty() {
            return;
        }
        if let Err(error) = self.clients.work.resume(&self.driver.inputs.list(&resumed)) {
            tracing::warn!(group = self.driver.group, %error, "failed to resume partitions");
        }
        if let Err(error) = self.seek(resumed.union(&self.paused)) {
            tracing::warn!(group = self.driver.group, %error, "failed to wake the client: fetching resumes within a second");
        }
    }

    /// Seeks each input to its fetch position, after its buffered records. Does not wait for the result: the seek of a partition
    /// that is being revoked fails.
    fn seek<'s>(&self, inputs: impl Iterator<Item = &'s InputPartition>) -> Result<(), KafkaError> {
        let positions = self.assignment.positions(inputs);
        let positions =
            positions.map(|(input, processed)| (input, self.buffer.position(input).unwrap_or(processed)));
        self.clients.work.seek_partitions(self.driver.inputs.offsets(positions)?, Duration::ZERO).map(|_| ())
    }
}

//! Retry of side-input records that cannot be decoded now because the registry is unavailable. Each pauses its own partition only.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use kit::{Backoff, SaturatingFrom};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::topic_partition_list::TopicPartitionList;

use super::inputs::TopicPartition;
use crate::client::LogContext;
use crate::owned_record::OwnedRecord;
use crate::raw::Fetched;
use crate::record::InRecord;
use crate::wire::Unavailable;

/// Wait before a retry. The registry's client has a circuit breaker of its own.
const BACKOFF: Backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(5));

/// The undecoded record of each such partition. The partition is paused and continues after that record.
#[derive(Default)]
pub(super) struct RetryQueue(BTreeMap<TopicPartition, Undecoded>);

struct Undecoded {
    record: OwnedRecord,
    backoff: Backoff,
    due: Instant,
}

impl RetryQueue {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn contains(&self, partition: TopicPartition) -> bool {
        self.0.contains_key(&partition)
    }

    /// Pauses the partition of a record that was just fetched and keeps a copy of the record.
    pub(super) fn hold(
        &mut self,
        consumer: &BaseConsumer<LogContext>,
        (topic, partition): TopicPartition,
        record: &Fetched<'_>,
        cause: &Unavailable,
    ) -> Result<(), KafkaError> {
        let mut list = TopicPartitionList::new();
        list.add_partition(topic.name(), partition);
        consumer.pause(&list)?;
        let offset = record.offset();
        tracing::warn!(%topic, partition, offset, %cause, "partition paused: record cannot be decoded yet");
        let mut backoff = BACKOFF;
        let due = Instant::now() + backoff.fail();
        let record = OwnedRecord::of(topic, record);
        self.0.insert((topic, partition), Undecoded { record, backoff, due });
        Ok(())
    }

    /// Retries the records that are due, and resumes the partitions of those that were read. Returns their number.
    pub(super) fn retry(
        &mut self,
        consumer: &BaseConsumer<LogContext>,
        mut read: impl FnMut(TopicPartition, &InRecord<'_>) -> Result<(), Unavailable>,
    ) -> Result<u64, KafkaError> {
        let now = Instant::now();
        let mut done = TopicPartitionList::new();
        self.0.retain(|(topic, partition), undecoded| {
            if now < undecoded.due {
                return true;
            }
            if read((*topic, *partition), &undecoded.record.view()).is_err() {
                undecoded.due = now + undecoded.backoff.fail();
                return true;
            }
            done.add_partition(topic.name(), *partition);
            false
        });
        if done.count() > 0 {
            tracing::info!(partitions = done.count(), "partitions resumed: record decoded");
            consumer.resume(&done)?;
        }
        Ok(u64::saturating_from(done.count()))
    }

    /// Removes a partition that is about to be unassigned, and resumes it: the client would keep the pause for its next assignment.
    pub(super) fn remove(
        &mut self,
        consumer: &BaseConsumer<LogContext>,
        (topic, partition): TopicPartition,
    ) -> Result<(), KafkaError> {
        if self.0.remove(&(topic, partition)).is_none() {
            return Ok(());
        }
        let mut list = TopicPartitionList::new();
        list.add_partition(topic.name(), partition);
        consumer.resume(&list)
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

//! Restoration: reads a stage's own outputs when a partition is assigned, before its first record is processed.
//!
//! Outputs and offsets are committed in one transaction, so the outputs are the state. The order of the steps makes the state exact.
//! First the stable committed offset is fetched, which waits for an open transaction of the previous owner. Then the ends of the outputs
//! are fetched, records of open transactions included. Then the committed records up to there are read. A transaction's end is
//! acknowledged before its markers are written, so the last stable offset would be too early as the end: reading up to it
//! could miss the last records.

mod targets;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use contracts::Topic;
use pipeline::{InputPartition, Now, Start};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use self::targets::{OutputPartition, PartitionRestore, advance, output_of};
use super::error::ConsumerError;
use super::inputs::TopicPartition;
use super::progress::{LoadProgress, Remaining};
use super::retry::RetryQueue;
use super::slots::{LOADING_PARTITIONS_MAX, Slots};
use super::stage::{KafkaStage, Restore};
use super::timeouts;
use super::watchdog::{Stall, Watchdog};
use crate::client::{self, LogContext};
use crate::config::{KafkaConfig, Profile};
use crate::log_limit::LogLimit;
use crate::partition_begins::{begins_of, since_ms};
use crate::partition_ends::{stable_and_end, watermarks_of};
use crate::raw::{Polled, Poller};
use crate::record::InRecord;

/// Records read per iteration of the loop: the group is polled between two iterations.
const RECORDS_PER_READ_MAX: usize = 5_000;

/// Bound of a seek.
const SEEK_TIMEOUT: Duration = Duration::from_secs(1);

/// The partitions that are being restored.
pub(super) struct Restoring<'c> {
    consumer: &'c BaseConsumer<LogContext>,
    poller: Poller<'c, LogContext>,
    /// Queries ends, records of open transactions included.
    ends: &'c BaseConsumer<LogContext>,
    group: String,
    restores: Vec<Restore>,
    profile: Profile,
    query_timeout: Duration,
    /// By partition number, which inputs and outputs share.
    partitions: BTreeMap<i32, PartitionRestore>,
    slots: Slots,
    retries: RetryQueue,
    watchdog: Watchdog<TopicPartition>,
    progress: LoadProgress,
    /// Limits the line of a delayed restoration.
    delay_limit: LogLimit,
}

/// Result of one read.
#[derive(Default)]
pub(super) struct Restored {
    /// The input partitions whose restoration is complete.
    pub(super) starts: Vec<Start>,
    /// The duration of the restoration of each.
    pub(super) durations: Vec<Duration>,
    pub(super) records: u64,
    /// More records may be available.
    pub(super) has_more: bool,
}

impl<'c> Restoring<'c> {
    /// Creates a restoration without partitions. `None` if the consumer has no queue.
    pub(super) fn new(
        consumer: &'c BaseConsumer<LogContext>,
        ends: &'c BaseConsumer<LogContext>,
        restores: Vec<Restore>,
        group: &str,
        config: &KafkaConfig,
    ) -> Option<Self> {
        Some(Self {
            consumer,
            poller: Poller::of(consumer)?,
            ends,
            group: group.to_owned(),
            restores,
            profile: config.profile,
            query_timeout: timeouts::query(config),
            partitions: BTreeMap::new(),
            slots: Slots::new(LOADING_PARTITIONS_MAX),
            retries: RetryQueue::default(),
            watchdog: Watchdog::new(timeouts::watchdog(config)),
            progress: LoadProgress::new(group, "outputs"),
            delay_limit: LogLimit::default(),
        })
    }

    pub(super) fn is_idle(&self) -> bool {
        self.partitions.is_empty()
    }

    /// The number of input partitions that are being restored.
    pub(super) fn len(&self) -> usize {
        self.partitions.values().map(|restore| restore.starts.len()).sum()
    }

    pub(super) fn contains(&self, input: InputPartition) -> bool {
        self.partitions
            .get(&input.partition)
            .is_some_and(|restore| restore.starts.iter().any(|start| start.input == input))
    }

    /// The share of the offsets that is read, 0 to 100.
    pub(super) fn percent(&self) -> i64 {
        let (read, left) = self.offsets();
        100 * read / (read + left).max(1)
    }

    /// Begins the restoration of assigned partitions, whose stable committed offsets are fetched. If another input of the same number
    /// is being restored, the target moves for both.
    pub(super) fn begin(&mut self, starts: Vec<Start>) {
        for start in starts {
            let restores = &self.restores;
            let restore = self.partitions.entry(start.input.partition).or_insert_with(|| PartitionRestore {
                starts: Vec::new(),
                since: Instant::now(),
                records: 0,
                outputs: restores
                    .iter()
                    .map(|restore| (restore.topic, OutputPartition::new(restore.back)))
                    .collect(),
            });
            for output in restore.outputs.values_mut() {
                output.target = None;
            }
            restore.starts.push(start);
        }
        self.progress.begin(self.len());
    }

    /// Passes the fetched records to the stage, up to a bound.
    pub(super) fn read<S: KafkaStage>(&mut self, stage: &mut S, now: Now) -> Result<Restored, ConsumerError> {
        let mut restored = Restored { has_more: self.set_target(now), ..Restored::default() };
        let (partitions, topics) = (&mut self.partitions, &self.restores);
        restored.records += self.retries.retry(self.consumer, |(topic, partition), record| {
            stage.restore_record(record, now)?;
            advance(partitions, (topic, partition), record.offset + 1, 1);
            Ok(())
        })?;
        let mut drained = false;
        for _ in 0..RECORDS_PER_READ_MAX {
            match self.poller.poll(Duration::ZERO) {
                Polled::Record(record) => {
                    restored.has_more = true;
                    let Some(output) = output_of(topics, partitions, record.topic(), record.partition())
                    else {
                        continue;
                    };
                    match stage.restore_record(&InRecord::of(output.0, &record), now) {
                        Ok(()) => {
                            restored.records += 1;
                            advance(partitions, output, record.offset() + 1, 1);
                        }
                        Err(cause) => self.retries.hold(self.consumer, output, &record, &cause)?,
                    }
                }
                Polled::End { topic, partition, offset } => {
                    if let Some(output) = output_of(topics, partitions, &topic, partition) {
                        advance(partitions, output, offset, 0);
                    }
                }
                Polled::Failed { code, fatal, text, at } => {
                    fetch_failed(self.consumer, code, fatal, text, at)?;
                }
                Polled::Nothing | Polled::Assign(_) | Polled::Revoke(_) | Polled::Committed(_) => {
                    drained = true;
                    break;
                }
            }
        }
        self.complete(&mut restored)?;
        self.assign_next(drained)?;
        let remaining =
            Remaining { partitions: self.len(), offsets: self.offsets().1, undecoded: self.retries.len() };
        self.progress.update(restored.records, &remaining);
        Ok(restored)
    }

    /// Runs the stall watchdog.
    pub(super) fn check_stall(&mut self, now: impl Fn() -> Duration) -> Option<Stall<TopicPartition>> {
        let outputs = self.partitions.iter().flat_map(|(number, restore)| {
            let fetched = restore.outputs.iter().filter(|(_, output)| output.is_fetched());
            fetched.map(move |(topic, output)| ((*topic, *number), output.position))
        });
        let fetched: Vec<_> = outputs.filter(|(output, _)| !self.retries.contains(*output)).collect();
        let (consumer, ends, timeout) = (self.consumer, self.ends, self.query_timeout);
        self.watchdog.check(fetched, now, |output| stable_and_end(consumer, ends, output, timeout))
    }

    /// Cancels the restoration of revoked partitions. Returns the numbers of which no input is being restored any more.
    pub(super) fn cancel(&mut self, inputs: &BTreeSet<InputPartition>) -> Result<Vec<i32>, KafkaError> {
        let mut cancelled = Vec::new();
        for (number, restore) in &mut self.partitions {
            let before = restore.starts.len();
            restore.starts.retain(|start| !inputs.contains(&start.input));
            if restore.starts.is_empty() && before > 0 {
                cancelled.push(*number);
            }
        }
        for number in &cancelled {
            self.remove(*number)?;
        }
        Ok(cancelled)
    }

    /// Cancels all restorations: the session ends. Returns their numbers.
    pub(super) fn cancel_all(&mut self) -> Vec<i32> {
        self.retries.clear();
        std::mem::take(&mut self.partitions).into_keys().collect()
    }

    /// Queries the target of one output partition: at most two queries per iteration of the loop. Returns whether a target was set, so
    /// that more may be unknown.
    fn set_target(&mut self, now: Now) -> bool {
        let unknown = self.partitions.iter().find_map(|(number, restore)| {
            restore
                .outputs
                .iter()
                .find(|(_, output)| output.target.is_none())
                .map(|(topic, output)| (*number, *topic, *output))
        });
        let Some((number, topic, mut output)) = unknown else { return false };
        let (low, high) = match watermarks_of(self.ends, topic.name(), number, self.query_timeout) {
            Ok(watermarks) => watermarks,
            Err(error) => {
                if let Some(suppressed) = self.delay_limit.admit(Instant::now()) {
                    tracing::warn!(group = self.group, %topic, partition = number, %error, suppressed, "restoration delayed: failed to fetch the end of an output partition");
                }
                return false;
            }
        };
        output.target = Some(high);
        if !output.assigned {
            output.begin = self.begin_of(topic, number, now, output.back).unwrap_or(low).clamp(low, high);
            output.position = output.begin;
        }
        if let Some(restore) = self.partitions.get_mut(&number) {
            restore.outputs.insert(topic, output);
        }
        true
    }

    /// Starts to read as many output partitions as there are free slots. `drained`: every fetched record has been processed.
    fn assign_next(&mut self, drained: bool) -> Result<(), KafkaError> {
        let outputs = || {
            self.partitions.iter().flat_map(|(number, restore)| {
                restore.outputs.iter().map(move |(topic, output)| ((*topic, *number), output))
            })
        };
        if !outputs().any(|(_, output)| output.waits()) {
            return Ok(());
        }
        let read = outputs().filter(|(at, output)| output.is_fetched() && !self.retries.contains(*at));
        let read = read.map(|(at, output)| (at, output.position));
        let free = self.slots.free(read, drained, Instant::now());
        let next = outputs().filter(|(_, output)| output.waits()).map(|(at, output)| (at, output.begin));
        let next: Vec<(TopicPartition, i64)> = next.take(free).collect();
        for ((topic, number), begin) in next {
            self.consumer.incremental_assign(&one(topic, number, Offset::Offset(begin)))?;
            let outputs = self.partitions.get_mut(&number).map(|restore| &mut restore.outputs);
            if let Some(output) = outputs.and_then(|outputs| outputs.get_mut(&topic)) {
                output.assigned = true;
            }
        }
        Ok(())
    }

    /// Returns the first offset whose record is at most `back` old. `None` if it is unknown: the topic is read from its start.
    fn begin_of(&self, topic: Topic, number: i32, now: Now, back: Duration) -> Option<i64> {
        let since = BTreeMap::from([((topic, number), since_ms(now, back))]);
        match begins_of(self.ends, self.profile, &since, self.query_timeout) {
            Ok(begins) => {
                let begin = begins.get(&(topic, number)).copied();
                if begin.is_none() && self.profile != Profile::Embedded && since_ms(now, back) > 0 {
                    tracing::warn!(group = self.group, %topic, partition = number, "failed to fetch an offset by time: the leader of the partition returned none; restoring from the start of the topic");
                }
                begin
            }
            Err(error) => {
                tracing::warn!(group = self.group, %topic, partition = number, %error, "failed to fetch an offset by time: restoring from the start of the topic");
                None
            }
        }
    }

    /// Moves the partitions that have reached their targets to `restored`.
    fn complete(&mut self, restored: &mut Restored) -> Result<(), KafkaError> {
        let done = self.partitions.iter().filter(|(_, restore)| restore.is_done());
        let done: Vec<i32> = done.map(|(number, _)| *number).collect();
        for number in done {
            let Some(restore) = self.remove(number)? else { continue };
            let duration = restore.since.elapsed();
            tracing::debug!(
                group = self.group,
                partition = number,
                records = restore.records,
                ms = duration.as_millis(),
                "partition restored"
            );
            restored.durations.extend(restore.starts.iter().map(|_| duration));
            restored.starts.extend(restore.starts);
        }
        Ok(())
    }

    /// Stops reading the outputs of this number.
    fn remove(&mut self, number: i32) -> Result<Option<PartitionRestore>, KafkaError> {
        let Some(restore) = self.partitions.remove(&number) else { return Ok(None) };
        let mut list = TopicPartitionList::new();
        for (topic, _) in restore.outputs.iter().filter(|(_, output)| output.assigned) {
            list.add_partition(topic.name(), number);
            self.retries.remove(self.consumer, (*topic, number))?;
        }
        if list.count() > 0 {
            self.consumer.incremental_unassign(&list)?;
        }
        Ok(Some(restore))
    }

    /// Returns the numbers of offsets that are read and that are left, as far as the targets are known.
    fn offsets(&self) -> (i64, i64) {
        let outputs = self.partitions.values().flat_map(|restore| restore.outputs.values());
        outputs.fold((0, 0), |(read, left), output| {
            let target = output.target.unwrap_or(output.position);
            (read + output.position - output.begin, left + (target - output.position).max(0))
        })
    }
}

fn fetch_failed(
    consumer: &BaseConsumer<LogContext>,
    code: RDKafkaErrorCode,
    fatal: bool,
    text: String,
    at: Option<(String, i32, i64)>,
) -> Result<(), ConsumerError> {
    if fatal {
        return Err(ConsumerError::Fatal(text));
    }
    // Retention deleted records before they were read: they were older than `back`, or are lost.
    if let (RDKafkaErrorCode::AutoOffsetReset, Some((topic, partition, offset))) = (code, at) {
        tracing::warn!(
            topic,
            partition,
            offset,
            "records deleted before they were restored: continuing at the earliest retained record"
        );
        return Ok(consumer.seek(&topic, partition, Offset::Beginning, SEEK_TIMEOUT)?);
    }
    client::log_failed_fetch("restored outputs", code, &text);
    Ok(())
}

fn one(topic: Topic, number: i32, offset: Offset) -> TopicPartitionList {
    let mut list = TopicPartitionList::new();
    // The call fails only for a negative offset, and offsets here are never negative.
    let _accepted = list.add_partition(topic.name(), number).set_offset(offset);
    list
}

#[cfg(test)]
mod tests;

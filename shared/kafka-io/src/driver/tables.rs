//! Table follower: reads the partitions of tables from their start or from a time, with a consumer that is in no group.

mod begins;
mod followed;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use contracts::Topic;
use kit::SaturatingFrom;
use pipeline::Now;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use self::followed::Followed;
use super::error::ConsumerError;
use super::inputs::TopicPartition;
use super::progress::{LoadProgress, Remaining};
use super::retry::RetryQueue;
use super::slots::{LOADING_PARTITIONS_MAX, Slots};
use super::stage::{KafkaStage, TableRecord, TableScope};
use super::timeouts;
use super::watchdog::{Stall, Watchdog};
use crate::client::{self, LogContext};
use crate::config::{KafkaConfig, Profile};
use crate::log_limit::LogLimit;
use crate::partition_begins::since_ms;
use crate::partition_ends::{ends_of, stable_and_end};
use crate::raw::{Polled, Poller};
use crate::record::InRecord;

/// Records read per iteration of the loop, so that work is still processed while a table loads.
const RECORDS_PER_READ_MAX: usize = 5_000;

/// The tables of one scope, read by one consumer.
pub(super) struct Tables<'c> {
    scope: TableScope,
    consumer: &'c BaseConsumer<LogContext>,
    poller: Poller<'c, LogContext>,
    ends: &'c BaseConsumer<LogContext>,
    profile: Profile,
    query_timeout: Duration,
    /// Of the failures to fetch the ends.
    failure_log: LogLimit,
    followed: BTreeMap<TopicPartition, Followed>,
    /// Of the partitions that are loading.
    slots: Slots,
    retries: RetryQueue,
    watchdog: Watchdog<TopicPartition>,
    progress: LoadProgress,
}

impl<'c> Tables<'c> {
    /// Creates a follower without partitions. `None` if the consumer has no queue.
    pub(super) fn new(
        scope: TableScope,
        consumer: &'c BaseConsumer<LogContext>,
        ends: &'c BaseConsumer<LogContext>,
        group: &str,
        config: &KafkaConfig,
    ) -> Option<Self> {
        let poller = Poller::of(consumer)?;
        let what = match scope {
            TableScope::CoPartitioned => "tables",
            TableScope::Global => "global tables",
        };
        Some(Self {
            scope,
            consumer,
            poller,
            ends,
            profile: config.profile,
            query_timeout: timeouts::query(config),
            failure_log: LogLimit::default(),
            followed: BTreeMap::new(),
            slots: Slots::new(LOADING_PARTITIONS_MAX),
            retries: RetryQueue::default(),
            watchdog: Watchdog::new(timeouts::watchdog(config)),
            progress: LoadProgress::new(group, what),
        })
    }

    /// Follows exactly these partitions from now on.
    pub(super) fn follow(
        &mut self,
        partitions: &BTreeSet<TopicPartition>,
        stage: &mut impl KafkaStage,
        now: Now,
    ) -> Result<(), KafkaError> {
        let removed: Vec<TopicPartition> =
            self.followed.keys().copied().filter(|partition| !partitions.contains(partition)).collect();
        self.unfollow(removed, stage)?;
        let added: Vec<TopicPartition> =
            partitions.iter().copied().filter(|partition| !self.followed.contains_key(partition)).collect();
        if !added.is_empty() {
            for partition in added {
                let back = stage.table_back(partition.0);
                self.followed.insert(partition, Followed::new(back.map(|back| since_ms(now, back))));
            }
            self.progress.begin(self.loading());
        }
        self.assign_next(false)
    }

    /// Follows the tables that the stage writes no more: what it holds of them is not what was committed.
    pub(super) fn unfollow_own(&mut self, stage: &mut impl KafkaStage) -> Result<(), KafkaError> {
        let own = self.followed.keys().copied().filter(|(topic, _)| stage.is_own_table(*topic)).collect();
        self.unfollow(own, stage)
    }

    fn unfollow(
        &mut self,
        removed: Vec<TopicPartition>,
        stage: &mut impl KafkaStage,
    ) -> Result<(), KafkaError> {
        for partition in &removed {
            self.retries.remove(self.consumer, *partition)?;
        }
        let read = removed.iter().copied().filter(|partition| self.is_assigned(*partition));
        let read = list(read, Offset::Invalid);
        if read.count() > 0 {
            self.consumer.incremental_unassign(&read)?;
        }
        for partition in removed {
            self.followed.remove(&partition);
            self.release(partition, stage);
        }
        Ok(())
    }

    /// Starts to read as many of the waiting partitions as there are free slots. `drained`: every fetched record has been processed.
    fn assign_next(&mut self, drained: bool) -> Result<(), KafkaError> {
        let waiting =
            |(partition, followed): (&TopicPartition, &Followed)| (!followed.assigned).then_some(*partition);
        if self.followed.iter().find_map(waiting).is_none() {
            return Ok(());
        }
        let loading = self.followed.iter().filter(|(partition, followed)| {
            followed.assigned && !followed.loaded && !self.retries.contains(**partition)
        });
        let loading = loading.map(|(partition, followed)| (*partition, followed.position));
        let free = self.slots.free(loading, drained, Instant::now());
        let next: Vec<TopicPartition> = self.followed.iter().filter_map(waiting).take(free).collect();
        if next.is_empty() {
            return Ok(());
        }
        let since = |partition: &TopicPartition| Some((*partition, self.followed.get(partition)?.since_ms?));
        let since = next.iter().filter_map(since).collect();
        let begins = begins::begins(self.ends, self.profile, &since, self.query_timeout);
        let mut list = TopicPartitionList::new();
        for (topic, number) in &next {
            let begin =
                begins.get(&(*topic, *number)).map_or(Offset::Beginning, |begin| Offset::Offset(*begin));
            list.add_partition_offset(topic.name(), *number, begin)?;
        }
        self.consumer.incremental_assign(&list)?;
        for partition in next {
            if let Some(followed) = self.followed.get_mut(&partition) {
                followed.assigned = true;
                followed.position = begins.get(&partition).copied().unwrap_or(0);
            }
        }
        Ok(())
    }

    fn is_assigned(&self, partition: TopicPartition) -> bool {
        self.followed.get(&partition).is_some_and(|followed| followed.assigned)
    }

    /// Follows no partition any more: the clients are recreated.
    pub(super) fn unfollow_all(&mut self, stage: &mut impl KafkaStage) {
        for partition in std::mem::take(&mut self.followed).into_keys() {
            self.release(partition, stage);
        }
    }

    fn release(&self, (topic, partition): TopicPartition, stage: &mut impl KafkaStage) {
        match self.scope {
            TableScope::CoPartitioned => stage.table_released(topic, partition),
            // The stage keeps the records, for they are delivered again; work that needs them waits until then.
            TableScope::Global => stage.table_position(self.scope, topic, partition, 0),
        }
    }

    /// Passes the fetched records to the stage. Returns their number.
    pub(super) fn read(&mut self, stage: &mut impl KafkaStage) -> Result<u64, ConsumerError> {
        let scope = self.scope;
        let mut moved = BTreeSet::new();
        let mut retried = Vec::new();
        self.retries.retry(self.consumer, |partition, record| {
            let outcome = stage.table_record(scope, record)?;
            retried.push((partition, record.offset, outcome));
            Ok(())
        })?;
        let mut read = u64::saturating_from(retried.len());
        for (partition, offset, outcome) in retried {
            self.count(partition, offset, outcome, &mut moved);
        }
        let mut drained = false;
        for _ in 0..RECORDS_PER_READ_MAX {
            match self.poller.poll(Duration::ZERO) {
                Polled::Record(record) => {
                    let Some(partition) = self.followed(record.topic(), record.partition()) else { continue };
                    match stage.table_record(scope, &InRecord::of(partition.0, &record)) {
                        Ok(outcome) => {
                            read += 1;
                            self.count(partition, record.offset(), outcome, &mut moved);
                        }
                        Err(cause) => self.retries.hold(self.consumer, partition, &record, &cause)?,
                    }
                }
                Polled::End { topic, partition, offset } => {
                    if let Some(partition) = self.followed(&topic, partition) {
                        self.advance(partition, offset, &mut moved);
                    }
                }
                Polled::Failed { code, fatal, text, at } => self.fetch_failed(code, fatal, text, at)?,
                Polled::Nothing | Polled::Assign(_) | Polled::Revoke(_) | Polled::Committed(_) => {
                    drained = true;
                    break;
                }
            }
        }
        for (topic, number) in moved {
            if let Some(followed) = self.followed.get(&(topic, number)) {
                stage.table_position(scope, topic, number, followed.position);
            }
        }
        self.update_loaded(stage);
        self.assign_next(drained)?;
        self.update_progress(read);
        Ok(read)
    }

    /// Returns `true` if every partition has been read up to its end when following began.
    pub(super) fn are_loaded(&self) -> bool {
        self.followed.values().all(|followed| followed.loaded)
    }

    /// The number of partitions that are still loading.
    pub(super) fn loading(&self) -> usize {
        self.followed.values().filter(|followed| !followed.loaded).count()
    }

    /// The number of partitions that wait for a record that cannot be decoded now.
    pub(super) fn undecoded(&self) -> usize {
        self.retries.len()
    }

    /// The number of partitions in which a record was skipped since they are followed.
    pub(super) fn degraded(&self) -> usize {
        self.followed.values().filter(|followed| followed.skipped > 0).count()
    }

    /// Describes the skipped records, by topic.
    pub(super) fn degraded_by(&self) -> impl Iterator<Item = String> {
        let mut skipped: BTreeMap<Topic, (usize, u64)> = BTreeMap::new();
        for ((topic, _), followed) in self.followed.iter().filter(|(_, followed)| followed.skipped > 0) {
            let (partitions, records) = skipped.entry(*topic).or_default();
            *partitions += 1;
            *records += followed.skipped;
        }
        skipped.into_iter().map(|(topic, (partitions, records))| {
            format!("{records} invalid records of {topic} skipped in {partitions} partitions")
        })
    }

    /// Runs the stall watchdog.
    pub(super) fn check_stall(&mut self, now: impl Fn() -> Duration) -> Option<Stall<TopicPartition>> {
        let fetched = self
            .followed
            .iter()
            .filter(|(partition, followed)| followed.assigned && !self.retries.contains(**partition));
        let fetched: Vec<(TopicPartition, i64)> =
            fetched.map(|(partition, followed)| (*partition, followed.position)).collect();
        let (consumer, ends, timeout) = (self.consumer, self.ends, self.query_timeout);
        self.watchdog.check(fetched, now, |partition| stable_and_end(consumer, ends, partition, timeout))
    }

    fn count(
        &mut self,
        partition: TopicPartition,
        offset: i64,
        outcome: TableRecord,
        moved: &mut BTreeSet<TopicPartition>,
    ) {
        if let Some(followed) = self.followed.get_mut(&partition) {
            followed.records += 1;
            if outcome == TableRecord::Skipped {
                followed.skipped += 1;
                if followed.skipped == 1 {
                    let (topic, partition) = partition;
                    tracing::warn!(%topic, partition, offset, "invalid table record skipped");
                }
            }
        }
        self.advance(partition, offset + 1, moved);
    }

    fn advance(&mut self, partition: TopicPartition, position: i64, moved: &mut BTreeSet<TopicPartition>) {
        if let Some(followed) = self.followed.get_mut(&partition) {
            followed.position = position;
            moved.insert(partition);
        }
    }

    fn followed(&self, topic: &str, partition: i32) -> Option<TopicPartition> {
        let partition = (Topic::from_name(topic)?, partition);
        self.followed.contains_key(&partition).then_some(partition)
    }

    fn fetch_failed(
        &self,
        code: RDKafkaErrorCode,
        fatal: bool,
        text: String,
        at: Option<(String, i32, i64)>,
    ) -> Result<(), ConsumerError> {
        if fatal {
            return Err(ConsumerError::Fatal(text));
        }
        // Retention or a limit of the embedded broker deleted records before they were read: the table continues with what is left.
        if let (RDKafkaErrorCode::AutoOffsetReset, Some((topic, partition, offset))) = (code, at) {
            tracing::warn!(
                topic,
                partition,
                offset,
                "table records deleted before they were read: reading from the earliest retained record"
            );
            return Ok(self.consumer.seek(&topic, partition, Offset::Beginning, self.query_timeout)?);
        }
        client::log_failed_fetch("tables", code, &text);
        Ok(())
    }

    fn update_loaded(&mut self, stage: &mut impl KafkaStage) {
        if self.are_loaded() {
            return;
        }
        let unknown = self.followed.iter().filter(|(_, followed)| followed.target.is_none());
        match ends_of(self.ends, &unknown.map(|(partition, _)| *partition).collect(), self.query_timeout) {
            Ok(ends) => {
                for (partition, end) in ends {
                    if let Some(followed) = self.followed.get_mut(&partition) {
                        followed.target = Some(end);
                    }
                }
            }
            Err(error) => {
                if let Some(suppressed) = self.failure_log.admit(Instant::now()) {
                    tracing::warn!(%error, suppressed, "failed to fetch the ends of tables: retrying");
                }
                return;
            }
        }
        for ((topic, number), followed) in &mut self.followed {
            if !followed.loaded && followed.target.is_some_and(|end| followed.position >= end) {
                followed.loaded = true;
                stage.table_loaded(self.scope, *topic, *number);
                let (records, ms) = (followed.records, followed.followed_at.elapsed().as_millis());
                tracing::debug!(%topic, partition = number, records, ms, "table partition loaded");
            }
        }
    }

    fn update_progress(&mut self, read: u64) {
        // This runs in every iteration of the loop, and most of the time everything is loaded.
        if self.progress.is_over() {
            return;
        }
        let left =
            self.followed.values().filter_map(|followed| Some((followed.target? - followed.position).max(0)));
        let remaining =
            Remaining { partitions: self.loading(), offsets: left.sum(), undecoded: self.retries.len() };
        self.progress.update(read, &remaining);
    }
}

fn list(partitions: impl Iterator<Item = TopicPartition>, offset: Offset) -> TopicPartitionList {
    let mut list = TopicPartitionList::new();
    for (topic, number) in partitions {
        // The call fails only for a negative offset, not for a logical one.
        let _accepted = list.add_partition(topic.name(), number).set_offset(offset);
    }
    list
}

#[cfg(test)]
mod tests;

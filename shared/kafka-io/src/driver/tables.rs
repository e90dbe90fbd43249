//! What a stage reads beside its work: partitions followed from their start, by a consumer that is in no group.

mod whose;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use contracts::Topic;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

pub(super) use self::whose::{Global, Share, TableReader};
use super::progress::Progress;
use super::stage::TableRecord;
use super::stuck::Stuck;
use super::watchdog::{Stall, Watchdog};
use crate::client::LogContext;
use crate::config::KafkaConfig;
use crate::partition_ends::{ends_of, stable_and_end};
use crate::raw::{Polled, Poller};
use crate::record::InRecord;

/// Records read in one turn of the loop, so that the work behind them isn't starved while a table loads.
const RECORDS_A_TURN: usize = 5_000;

/// One partition of a table.
pub(super) type Place = (Topic, i32);

/// Tables that one consumer follows.
pub(super) struct Tables<'c> {
    consumer: &'c BaseConsumer<LogContext>,
    poller: Poller<'c, LogContext>,
    ends: &'c BaseConsumer<LogContext>,
    query_timeout: Duration,
    followed: BTreeMap<Place, Followed>,
    stuck: Stuck<'c>,
    watchdog: Watchdog<Place>,
    progress: Progress,
}

struct Followed {
    since: Instant,
    records: u64,
    /// Those of which nothing could be taken.
    skipped: u64,
    position: i64,
    /// The end when following began; unknown until somebody answers.
    target: Option<i64>,
    loaded: bool,
}

impl<'c> Tables<'c> {
    pub(super) fn new(
        consumer: &'c BaseConsumer<LogContext>,
        ends: &'c BaseConsumer<LogContext>,
        progress: Progress,
        config: &KafkaConfig,
    ) -> Option<Self> {
        let poller = Poller::of(consumer)?;
        Some(Self {
            consumer,
            poller,
            ends,
            query_timeout: Duration::from_millis(config.query_timeout_ms.into()),
            followed: BTreeMap::new(),
            stuck: Stuck::default(),
            watchdog: Watchdog::new(Duration::from_millis(config.watchdog_ms.into())),
            progress,
        })
    }

    /// Follows exactly these from now on.
    pub(super) fn follow(
        &mut self,
        places: &BTreeSet<Place>,
        reader: &mut impl TableReader,
    ) -> Result<(), String> {
        let gone: Vec<Place> =
            self.followed.keys().copied().filter(|place| !places.contains(place)).collect();
        if !gone.is_empty() {
            for place in &gone {
                self.stuck.forget(self.consumer, *place)?;
            }
            let list = list(&gone, Offset::Invalid);
            self.consumer.incremental_unassign(&list).map_err(|error| error.to_string())?;
            for place in gone {
                self.followed.remove(&place);
                reader.released(place.0, place.1);
            }
        }
        let new: Vec<Place> =
            places.iter().copied().filter(|place| !self.followed.contains_key(place)).collect();
        if !new.is_empty() {
            let list = list(&new, Offset::Beginning);
            self.consumer.incremental_assign(&list).map_err(|error| error.to_string())?;
            for place in new {
                let (since, target) = (Instant::now(), None);
                let followed = Followed { since, records: 0, skipped: 0, position: 0, target, loaded: false };
                self.followed.insert(place, followed);
            }
            self.progress.begin(self.loading());
        }
        Ok(())
    }

    /// Follows nothing more: the clients are given up.
    pub(super) fn leave(&mut self, reader: &mut impl TableReader) {
        for (topic, number) in std::mem::take(&mut self.followed).into_keys() {
            reader.released(topic, number);
        }
    }

    /// Hands over what has come; the number of records.
    pub(super) fn read(&mut self, reader: &mut impl TableReader) -> Result<u64, String> {
        let mut moved = BTreeSet::new();
        let mut again = Vec::new();
        self.stuck.retry(self.consumer, |place, record| {
            again.push((place, record.offset(), reader.record(&InRecord::of(place.0, record))?));
            Ok(())
        })?;
        let mut read = u64::try_from(again.len()).unwrap_or(0);
        for (place, offset, became) in again {
            self.passed(place, offset, became, &mut moved);
        }
        for _ in 0..RECORDS_A_TURN {
            match self.poller.poll(Duration::ZERO) {
                Polled::Record(record) => {
                    let Some(place) = self.place(record.topic(), record.partition()) else { continue };
                    match reader.record(&InRecord::of(place.0, &record)) {
                        Ok(became) => {
                            read += 1;
                            self.passed(place, record.offset(), became, &mut moved);
                        }
                        Err(cause) => self.stuck.hold(self.consumer, place, record, &cause)?,
                    }
                }
                Polled::End { topic, partition, offset } => {
                    if let Some(place) = self.place(&topic, partition) {
                        self.reach(place, offset, &mut moved);
                    }
                }
                Polled::Failed { code, fatal, text, at } => self.failed(code, fatal, &text, at)?,
                Polled::Nothing | Polled::Assign(_) | Polled::Revoke(_) | Polled::Committed(_) => break,
            }
        }
        for (topic, number) in moved {
            if let Some(followed) = self.followed.get(&(topic, number)) {
                reader.position(topic, number, followed.position);
            }
        }
        self.note_loaded();
        self.tell(read);
        Ok(read)
    }

    /// Whether every table has been read up to where it ended when following began.
    pub(super) fn are_loaded(&self) -> bool {
        self.followed.values().all(|followed| followed.loaded)
    }

    /// Partitions whose position isn't yet what it was told to reach.
    pub(super) fn loading(&self) -> usize {
        self.followed.values().filter(|followed| !followed.loaded).count()
    }

    /// Table partitions that wait behind a record that can't be read now.
    pub(super) fn stuck(&self) -> usize {
        self.stuck.len()
    }

    /// Partitions that hold less than they should: a record of theirs was skipped since they are followed.
    pub(super) fn degraded(&self) -> usize {
        self.followed.values().filter(|followed| followed.skipped > 0).count()
    }

    /// Why, in words, a topic each.
    pub(super) fn degraded_by(&self) -> impl Iterator<Item = String> {
        let mut skipped: BTreeMap<Topic, (usize, u64)> = BTreeMap::new();
        for ((topic, _), followed) in self.followed.iter().filter(|(_, followed)| followed.skipped > 0) {
            let (partitions, records) = skipped.entry(*topic).or_default();
            *partitions += 1;
            *records += followed.skipped;
        }
        skipped.into_iter().map(|(topic, (partitions, records))| {
            format!("{records} records of {topic} can't be read and are left out, in {partitions} partitions")
        })
    }

    /// Looks after partitions of which nothing comes.
    pub(super) fn watch(&mut self, now: impl Fn() -> Duration) -> Option<Stall<Place>> {
        let flowing = self.followed.iter().filter(|(place, _)| !self.stuck.holds(**place));
        let flowing: Vec<(Place, i64)> =
            flowing.map(|(place, followed)| (*place, followed.position)).collect();
        let (consumer, ends, timeout) = (self.consumer, self.ends, self.query_timeout);
        self.watchdog.look(flowing, now, |place| stable_and_end(consumer, ends, place, timeout))
    }

    fn passed(&mut self, place: Place, offset: i64, became: TableRecord, moved: &mut BTreeSet<Place>) {
        if let Some(followed) = self.followed.get_mut(&place) {
            followed.records += 1;
            if became == TableRecord::Skipped {
                followed.skipped += 1;
                if followed.skipped == 1 {
                    let (topic, partition) = place;
                    tracing::warn!(%topic, partition, offset, "a table's record can't be read, the table goes on without it");
                }
            }
        }
        self.reach(place, offset + 1, moved);
    }

    fn reach(&mut self, place: Place, position: i64, moved: &mut BTreeSet<Place>) {
        if let Some(followed) = self.followed.get_mut(&place) {
            followed.position = position;
            moved.insert(place);
        }
    }

    fn place(&self, topic: &str, partition: i32) -> Option<Place> {
        let place = (Topic::from_name(topic)?, partition);
        self.followed.contains_key(&place).then_some(place)
    }

    fn failed(
        &self,
        code: RDKafkaErrorCode,
        fatal: bool,
        text: &str,
        at: Option<(String, i32, i64)>,
    ) -> Result<(), String> {
        if fatal {
            return Err(text.to_owned());
        }
        // Retention or a limit of the embedded broker took records that weren't read yet: a table goes on with what there is.
        if let (RDKafkaErrorCode::AutoOffsetReset, Some((topic, partition, offset))) = (code, at) {
            tracing::warn!(
                topic,
                partition,
                offset,
                "a table lost records before they were read, from its start again"
            );
            return self
                .consumer
                .seek(&topic, partition, Offset::Beginning, self.query_timeout)
                .map_err(|error| error.to_string());
        }
        tracing::warn!(%code, text, "a table's fetch failed, it goes on by itself");
        Ok(())
    }

    fn note_loaded(&mut self) {
        if self.are_loaded() {
            return;
        }
        let unknown =
            self.followed.iter().filter(|(_, f)| f.target.is_none()).map(|(place, _)| *place).collect();
        match ends_of(self.ends, &unknown, self.query_timeout) {
            Ok(ends) => {
                for (place, end) in ends {
                    if let Some(followed) = self.followed.get_mut(&place) {
                        followed.target = Some(end);
                    }
                }
            }
            Err(error) => {
                tracing::warn!(%error, "where a table ends is asked again");
                return;
            }
        }
        for ((topic, number), followed) in &mut self.followed {
            if !followed.loaded && followed.target.is_some_and(|end| followed.position >= end) {
                followed.loaded = true;
                let (records, ms) = (followed.records, followed.since.elapsed().as_millis());
                tracing::debug!(%topic, partition = number, records, ms, "table loaded");
            }
        }
    }

    fn tell(&mut self, read: u64) {
        // Each turn of the loop comes here, and most of a table's life all is loaded.
        if self.progress.is_over() {
            return;
        }
        let left =
            self.followed.values().filter_map(|followed| Some((followed.target? - followed.position).max(0)));
        self.progress.tell(read, self.loading(), left.sum(), self.stuck.len());
    }
}

fn list(places: &[Place], offset: Offset) -> TopicPartitionList {
    let mut list = TopicPartitionList::new();
    for (topic, number) in places {
        // Logical offsets are always accepted.
        let _accepted = list.add_partition(topic.name(), *number).set_offset(offset);
    }
    list
}

#[cfg(test)]
mod tests;

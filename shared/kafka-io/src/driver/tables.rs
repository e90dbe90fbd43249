//! What a stage reads beside its work: partitions followed from their start, by a consumer that is in no group.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use contracts::Topic;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::stage::KafkaStage;
use super::stuck::Stuck;
use crate::client::LogContext;
use crate::inquirer::watermarks_of;
use crate::raw::{Polled, Poller};
use crate::record::InRecord;

/// Records read in one turn of the loop, so that the work behind them isn't starved while a table loads.
const RECORDS_A_TURN: usize = 5_000;

/// The tables of one stage. A partition is followed while any input partition of its number is owned.
pub(super) struct Tables<'c> {
    consumer: &'c BaseConsumer<LogContext>,
    poller: Poller<'c, LogContext>,
    ends: &'c BaseConsumer<LogContext>,
    topics: Vec<Topic>,
    query_timeout: Duration,
    followed: BTreeMap<(Topic, i32), Followed>,
    stuck: Stuck<'c>,
}

struct Followed {
    since: Instant,
    records: u64,
    position: i64,
    /// The end when following began; unknown until somebody answers.
    target: Option<i64>,
    loaded: bool,
}

impl<'c> Tables<'c> {
    pub(super) fn new(
        consumer: &'c BaseConsumer<LogContext>,
        ends: &'c BaseConsumer<LogContext>,
        topics: Vec<Topic>,
        query_timeout: Duration,
    ) -> Option<Self> {
        let poller = Poller::of(consumer)?;
        Some(Self {
            consumer,
            poller,
            ends,
            topics,
            query_timeout,
            followed: BTreeMap::new(),
            stuck: Stuck::default(),
        })
    }

    /// Follows exactly the partitions of these numbers from now on.
    pub(super) fn follow<S: KafkaStage>(
        &mut self,
        numbers: &BTreeSet<i32>,
        stage: &mut S,
    ) -> Result<(), String> {
        let gone: Vec<_> =
            self.followed.keys().copied().filter(|(_, number)| !numbers.contains(number)).collect();
        if !gone.is_empty() {
            for place in &gone {
                self.stuck.forget(self.consumer, *place)?;
            }
            let list = list(&gone, Offset::Invalid);
            self.consumer.incremental_unassign(&list).map_err(|error| error.to_string())?;
            for (topic, number) in gone {
                self.followed.remove(&(topic, number));
                stage.table_released(topic, number);
            }
        }
        let new: Vec<_> = self
            .topics
            .iter()
            .flat_map(|topic| numbers.iter().map(move |number| (*topic, *number)))
            .filter(|place| !self.followed.contains_key(place))
            .collect();
        if !new.is_empty() {
            let list = list(&new, Offset::Beginning);
            self.consumer.incremental_assign(&list).map_err(|error| error.to_string())?;
            for place in new {
                let followed =
                    Followed { since: Instant::now(), records: 0, position: 0, target: None, loaded: false };
                self.followed.insert(place, followed);
            }
        }
        Ok(())
    }

    /// Tells the stage where the tables end now, for these partitions. Nothing is told unless everything is known.
    pub(super) fn ends<S: KafkaStage>(&self, numbers: &BTreeSet<i32>, stage: &mut S) -> Result<(), String> {
        let mut ends = Vec::new();
        for topic in &self.topics {
            for number in numbers {
                ends.push((*topic, *number, self.end(*topic, *number)?));
            }
        }
        for (topic, number, end) in ends {
            stage.table_end(topic, number, end);
        }
        Ok(())
    }

    fn end(&self, topic: Topic, number: i32) -> Result<i64, String> {
        let (_, high) = watermarks_of(self.ends, topic.name(), number, self.query_timeout)
            .map_err(|error| format!("no end of {topic}[{number}]: {error}"))?;
        Ok(high)
    }

    /// Hands over what has come; the number of records.
    pub(super) fn read<S: KafkaStage>(&mut self, stage: &mut S) -> Result<u64, String> {
        let mut moved = BTreeSet::new();
        let mut again = Vec::new();
        self.stuck.retry(self.consumer, |place, record| {
            stage.table_record(&InRecord::of(place.0, record))?;
            again.push((place, record.offset() + 1));
            Ok(())
        })?;
        let mut read = u64::try_from(again.len()).unwrap_or(0);
        for (place, position) in again {
            self.reach(place, position, 1, &mut moved);
        }
        for _ in 0..RECORDS_A_TURN {
            match self.poller.poll(Duration::ZERO) {
                Polled::Record(record) => {
                    let Some(place) = self.place(record.topic(), record.partition()) else { continue };
                    match stage.table_record(&InRecord::of(place.0, &record)) {
                        Ok(()) => {
                            read += 1;
                            self.reach(place, record.offset() + 1, 1, &mut moved);
                        }
                        Err(cause) => self.stuck.hold(self.consumer, place, record, &cause)?,
                    }
                }
                Polled::End { topic, partition, offset } => {
                    if let Some(place) = self.place(&topic, partition) {
                        self.reach(place, offset, 0, &mut moved);
                    }
                }
                Polled::Failed { code, fatal, text, at } => self.failed(code, fatal, &text, at)?,
                Polled::Nothing | Polled::Assign(_) | Polled::Revoke(_) | Polled::Committed(_) => break,
            }
        }
        for (topic, number) in moved {
            if let Some(followed) = self.followed.get(&(topic, number)) {
                stage.table_position(topic, number, followed.position);
            }
        }
        self.note_loaded();
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

    fn reach(
        &mut self,
        place: (Topic, i32),
        position: i64,
        records: u64,
        moved: &mut BTreeSet<(Topic, i32)>,
    ) {
        if let Some(followed) = self.followed.get_mut(&place) {
            followed.records += records;
            followed.position = position;
            moved.insert(place);
        }
    }

    fn place(&self, topic: &str, partition: i32) -> Option<(Topic, i32)> {
        let topic = self.topics.iter().copied().find(|known| known.name() == topic)?;
        self.followed.contains_key(&(topic, partition)).then_some((topic, partition))
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
        let unknown: Vec<_> =
            self.followed.iter().filter(|(_, f)| f.target.is_none()).map(|(place, _)| *place).collect();
        for (topic, number) in unknown {
            match self.end(topic, number) {
                Ok(end) => {
                    if let Some(followed) = self.followed.get_mut(&(topic, number)) {
                        followed.target = Some(end);
                    }
                }
                Err(error) => {
                    tracing::warn!(error, "asked again");
                    return;
                }
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
}

fn list(places: &[(Topic, i32)], offset: Offset) -> TopicPartitionList {
    let mut list = TopicPartitionList::new();
    for (topic, number) in places {
        // Logical offsets are always accepted.
        let _accepted = list.add_partition(topic.name(), *number).set_offset(offset);
    }
    list
}

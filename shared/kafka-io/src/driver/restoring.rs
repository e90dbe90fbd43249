//! What a stage reads again of its own outputs when a partition comes, before the partition's first record is judged.
//!
//! Outputs and offsets leave in one transaction, so the outputs are the state. The order makes it exact: the stable committed offset
//! first (an open transaction of the last owner is waited for), then where the outputs end, records of open transactions included,
//! then committed records up to there. The end of a transaction is answered before its markers are written: reading to the end with
//! a client that sees only what is stable would miss the last of it.

mod places;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use contracts::Topic;
use pipeline::{InputPartition, Now, Start};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use self::places::{Number, Place, place, reach};
use super::progress::Progress;
use super::stage::{KafkaStage, Restore};
use super::stuck::Stuck;
use super::watchdog::{Stall, Watchdog};
use crate::client::LogContext;
use crate::config::{KafkaConfig, Profile};
use crate::partition_ends::{stable_and_end, watermarks_of};
use crate::raw::{Polled, Poller};
use crate::record::InRecord;

/// Records read in one turn of the loop: the group is heard between two turns.
const RECORDS_A_TURN: usize = 5_000;

/// The partitions that wait for their state.
pub(super) struct Restoring<'c> {
    consumer: &'c BaseConsumer<LogContext>,
    poller: Poller<'c, LogContext>,
    /// Told of records of open transactions.
    ends: &'c BaseConsumer<LogContext>,
    group: String,
    restores: Vec<Restore>,
    profile: Profile,
    query_timeout: Duration,
    /// By partition number: input and outputs share it.
    numbers: BTreeMap<i32, Number>,
    stuck: Stuck<'c>,
    watchdog: Watchdog<(Topic, i32)>,
    progress: Progress,
}

/// What one turn has brought.
#[derive(Default)]
pub(super) struct Step {
    pub(super) restored: Vec<Start>,
    /// How long each took.
    pub(super) took: Vec<Duration>,
    pub(super) records: u64,
    /// More may wait.
    pub(super) moved: bool,
}

impl<'c> Restoring<'c> {
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
            query_timeout: Duration::from_millis(config.query_timeout_ms.into()),
            numbers: BTreeMap::new(),
            stuck: Stuck::default(),
            watchdog: Watchdog::new(Duration::from_millis(config.watchdog_ms.into())),
            progress: Progress::new(group, "outputs"),
        })
    }

    pub(super) fn is_idle(&self) -> bool {
        self.numbers.is_empty()
    }

    /// Input partitions that wait.
    pub(super) fn len(&self) -> usize {
        self.numbers.values().map(|number| number.starts.len()).sum()
    }

    pub(super) fn holds(&self, input: InputPartition) -> bool {
        self.numbers
            .get(&input.partition)
            .is_some_and(|number| number.starts.iter().any(|s| s.input == input))
    }

    /// How much is read of what is to be read, 0 to 100.
    pub(super) fn percent(&self) -> i64 {
        let (read, left) = self.offsets();
        100 * read / (read + left).max(1)
    }

    /// These have come; their stable committed offsets were fetched before. One that shares its number with another that waits
    /// moves the target for both.
    pub(super) fn begin(&mut self, starts: Vec<Start>) {
        for start in starts {
            let restores = &self.restores;
            let number = self.numbers.entry(start.input.partition).or_insert_with(|| Number {
                starts: Vec::new(),
                since: Instant::now(),
                records: 0,
                places: restores.iter().map(|restore| (restore.topic, Place::new(restore.back))).collect(),
            });
            for place in number.places.values_mut() {
                place.target = None;
            }
            number.starts.push(start);
        }
        self.progress.begin(self.len());
    }

    /// Reads on, within a turn.
    pub(super) fn read<S: KafkaStage>(&mut self, stage: &mut S, now: Now) -> Result<Step, String> {
        let mut step = Step { moved: self.aim(now)?, ..Step::default() };
        let (numbers, topics) = (&mut self.numbers, &self.restores);
        step.records += self.stuck.retry(self.consumer, |(topic, partition), record| {
            stage.restore_record(&InRecord::of(topic, record), now)?;
            reach(numbers, (topic, partition), record.offset() + 1, 1);
            Ok(())
        })?;
        for _ in 0..RECORDS_A_TURN {
            match self.poller.poll(Duration::ZERO) {
                Polled::Record(record) => {
                    step.moved = true;
                    let Some(place) = place(topics, numbers, record.topic(), record.partition()) else {
                        continue;
                    };
                    match stage.restore_record(&InRecord::of(place.0, &record), now) {
                        Ok(()) => {
                            step.records += 1;
                            reach(numbers, place, record.offset() + 1, 1);
                        }
                        Err(cause) => self.stuck.hold(self.consumer, place, record, &cause)?,
                    }
                }
                Polled::End { topic, partition, offset } => {
                    if let Some(place) = place(topics, numbers, &topic, partition) {
                        reach(numbers, place, offset, 0);
                    }
                }
                Polled::Failed { code, fatal, text, at } => failed(self.consumer, code, fatal, text, at)?,
                Polled::Nothing | Polled::Assign(_) | Polled::Revoke(_) | Polled::Committed(_) => break,
            }
        }
        self.finish(&mut step)?;
        self.progress.tell(step.records, self.len(), self.offsets().1, self.stuck.len());
        Ok(step)
    }

    /// Looks after partitions of which nothing comes.
    pub(super) fn watch(&mut self, now: impl Fn() -> Duration) -> Option<Stall<(Topic, i32)>> {
        let places = self.numbers.iter().flat_map(|(number, waits)| {
            let read = waits.places.iter().filter(|(_, place)| place.is_read());
            read.map(move |(topic, place)| ((*topic, *number), place.position))
        });
        let flowing: Vec<_> = places.filter(|(place, _)| !self.stuck.holds(*place)).collect();
        let (consumer, ends, timeout) = (self.consumer, self.ends, self.query_timeout);
        self.watchdog.look(flowing, now, |place| stable_and_end(consumer, ends, place, timeout))
    }

    /// These go. Gives the numbers for which nothing waits any more.
    pub(super) fn abandon(&mut self, inputs: &BTreeSet<InputPartition>) -> Result<Vec<i32>, String> {
        let mut gone = Vec::new();
        for (number, waits) in &mut self.numbers {
            let before = waits.starts.len();
            waits.starts.retain(|start| !inputs.contains(&start.input));
            if waits.starts.is_empty() && before > 0 {
                gone.push(*number);
            }
        }
        for number in &gone {
            self.end(*number)?;
        }
        Ok(gone)
    }

    /// All go, the client as well.
    pub(super) fn abandon_all(&mut self) -> Vec<i32> {
        self.stuck.clear();
        std::mem::take(&mut self.numbers).into_keys().collect()
    }

    /// Asks for what isn't known of one output partition, and begins to read it: one question or two a turn. Whether there are more.
    fn aim(&mut self, now: Now) -> Result<bool, String> {
        let unknown = self.numbers.iter().find_map(|(number, waits)| {
            waits
                .places
                .iter()
                .find(|(_, place)| place.target.is_none())
                .map(|(topic, place)| (*number, *topic, *place))
        });
        let Some((number, topic, mut place)) = unknown else { return Ok(false) };
        let (low, high) = match watermarks_of(self.ends, topic.name(), number, self.query_timeout) {
            Ok(watermarks) => watermarks,
            Err(error) => {
                tracing::warn!(group = self.group, %topic, partition = number, %error, "restoring waits for the end of its topic");
                return Ok(false);
            }
        };
        place.target = Some(high);
        if !place.assigned {
            place.begin = self.begin_of(topic, number, now, place.back).unwrap_or(low).clamp(low, high);
            place.position = place.begin;
        }
        if !place.assigned && place.position < high {
            let list = one(topic, number, Offset::Offset(place.begin));
            self.consumer.incremental_assign(&list).map_err(|error| error.to_string())?;
            place.assigned = true;
        }
        if let Some(waits) = self.numbers.get_mut(&number) {
            waits.places.insert(topic, place);
        }
        Ok(true)
    }

    /// The first offset that isn't older than what the stage wants back; none: from the start.
    fn begin_of(&self, topic: Topic, number: i32, now: Now, back: Duration) -> Option<i64> {
        // The embedded broker never finds an offset by time.
        if self.profile == Profile::Embedded {
            return None;
        }
        let back_ms = i64::try_from(back.as_millis()).unwrap_or(i64::MAX);
        let since_ms = (now.wall_micros / 1_000).checked_sub(back_ms).filter(|since_ms| *since_ms > 0)?;
        let question = one(topic, number, Offset::Offset(since_ms));
        match self.ends.offsets_for_times(question, self.query_timeout) {
            Ok(answer) => {
                match answer.elements().first().map(|element| (element.error(), element.offset())) {
                    Some((Ok(()), Offset::Offset(offset))) => Some(offset),
                    // Nothing is that young.
                    Some((Ok(()), Offset::End)) => Some(i64::MAX),
                    _ => None,
                }
            }
            Err(error) => {
                tracing::warn!(group = self.group, %topic, partition = number, %error, "no offset by time, restored from the topic's start");
                None
            }
        }
    }

    /// Takes out what has reached its targets.
    fn finish(&mut self, step: &mut Step) -> Result<(), String> {
        let done: Vec<i32> =
            self.numbers.iter().filter(|(_, waits)| waits.is_done()).map(|(number, _)| *number).collect();
        for number in done {
            let Some(waits) = self.end(number)? else { continue };
            let took = waits.since.elapsed();
            tracing::debug!(
                group = self.group,
                partition = number,
                records = waits.records,
                ms = took.as_millis(),
                "partition restored"
            );
            step.took.extend(waits.starts.iter().map(|_| took));
            step.restored.extend(waits.starts);
        }
        Ok(())
    }

    /// No longer reads for this number.
    fn end(&mut self, number: i32) -> Result<Option<Number>, String> {
        let Some(waits) = self.numbers.remove(&number) else { return Ok(None) };
        let mut list = TopicPartitionList::new();
        for (topic, _) in waits.places.iter().filter(|(_, place)| place.assigned) {
            list.add_partition(topic.name(), number);
            self.stuck.forget(self.consumer, (*topic, number))?;
        }
        if list.count() > 0 {
            self.consumer.incremental_unassign(&list).map_err(|error| error.to_string())?;
        }
        Ok(Some(waits))
    }

    /// Offsets read, and offsets left, of what is known.
    fn offsets(&self) -> (i64, i64) {
        let places = self.numbers.values().flat_map(|waits| waits.places.values());
        places.fold((0, 0), |(read, left), place| {
            let target = place.target.unwrap_or(place.position);
            (read + place.position - place.begin, left + (target - place.position).max(0))
        })
    }
}

fn failed(
    consumer: &BaseConsumer<LogContext>,
    code: RDKafkaErrorCode,
    fatal: bool,
    text: String,
    at: Option<(String, i32, i64)>,
) -> Result<(), String> {
    if fatal {
        return Err(text);
    }
    // Retention took records that weren't read yet: they were older than what is wanted, or are gone for good.
    if let (RDKafkaErrorCode::AutoOffsetReset, Some((topic, partition, offset))) = (code, at) {
        tracing::warn!(
            topic,
            partition,
            offset,
            "records were deleted before they were restored, on from the first left"
        );
        let answer = consumer.seek(&topic, partition, Offset::Beginning, Duration::from_secs(1));
        return answer.map_err(|error| error.to_string());
    }
    tracing::warn!(%code, text, "a fetch failed while restoring, it goes on by itself");
    Ok(())
}

fn one(topic: Topic, number: i32, offset: Offset) -> TopicPartitionList {
    let mut list = TopicPartitionList::new();
    // Offsets here are never negative, the only thing that is refused.
    let _accepted = list.add_partition(topic.name(), number).set_offset(offset);
    list
}

#[cfg(test)]
mod tests;

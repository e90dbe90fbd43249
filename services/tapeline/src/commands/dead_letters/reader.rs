//! Reads letters from where a command begins to where their topics ended then.

use std::collections::BTreeMap;
use std::time::Duration;

use contracts::Topic;
use kafka_io::{ClusterQuery, KafkaConfig, TopicReader};

use super::filter::Place;
use super::letter::Letter;
use crate::exit::Failure;

/// How long one read waits.
const READ_WAIT: Duration = Duration::from_millis(100);

/// Silence before the end after which reading is given up: longer than an open transaction lives.
const PATIENCE: Duration = Duration::from_secs(60);

/// The next offset by partition.
pub type Offsets = BTreeMap<(Topic, i32), i64>;

/// Where each partition of the dead-letter topics begins and ends.
#[derive(Debug, Clone, Default)]
pub struct Bounds {
    /// The first letters that are kept.
    pub lows: Offsets,
    /// The offsets behind the last letters.
    pub ends: Offsets,
}

impl Bounds {
    /// Asks the cluster. Blocks.
    ///
    /// # Errors
    /// When it doesn't answer, or has no such topic.
    pub fn ask(kafka: &KafkaConfig, topics: &[Topic]) -> Result<Self, Failure> {
        let inquirer = ClusterQuery::new(kafka).map_err(Failure::of)?;
        let mut bounds = Self::default();
        for topic in topics {
            let marks = inquirer.watermarks(*topic).map_err(Failure::of)?;
            if marks.is_empty() {
                return Err(Failure::Unreachable(format!(
                    "topic {topic} does not exist on {}: create it with `tapeline topics apply`",
                    kafka.brokers
                )));
            }
            for mark in marks {
                bounds.lows.insert((*topic, mark.partition), mark.low);
                bounds.ends.insert((*topic, mark.partition), mark.high);
            }
        }
        Ok(bounds)
    }
}

/// Letters, each partition in order.
pub struct Letters {
    reader: TopicReader,
    ends: Offsets,
    /// Waited for in vain since the last letter.
    silence: Duration,
}

impl Letters {
    /// Begins to read at `starts`, where a partition is left out at its first letter. Blocks.
    ///
    /// # Errors
    /// When the cluster doesn't answer.
    pub fn open(
        kafka: &KafkaConfig,
        topics: &[Topic],
        starts: &Offsets,
        ends: Offsets,
    ) -> Result<Self, Failure> {
        let reader = TopicReader::open_at(kafka, topics, starts).map_err(Failure::of)?;
        Ok(Self { reader, ends, silence: Duration::ZERO })
    }

    /// Every letter of these topics as they are now. Blocks.
    ///
    /// # Errors
    /// When the cluster doesn't answer.
    pub fn all(kafka: &KafkaConfig, topics: &[Topic]) -> Result<Self, Failure> {
        let bounds = Bounds::ask(kafka, topics)?;
        Self::open(kafka, topics, &Offsets::new(), bounds.ends)
    }

    /// The letter that lies there. Blocks.
    ///
    /// # Errors
    /// When there is none, or the cluster doesn't answer.
    pub fn one(kafka: &KafkaConfig, place: Place) -> Result<Letter, Failure> {
        let bounds = Bounds::ask(kafka, &[place.topic])?;
        let wanted = (place.topic, place.partition);
        // Of the other partitions nothing is read.
        let mut starts = bounds.ends.clone();
        starts.insert(wanted, place.offset);
        let mut letters = Self::open(kafka, &[place.topic], &starts, bounds.ends)?;
        while let Some(read) = letters.more()? {
            let is_it =
                |it: &Letter| it.record().partition == place.partition && it.record().offset == place.offset;
            if let Some(letter) = read.into_iter().find(is_it) {
                return Ok(letter);
            }
        }
        let Place { topic, partition, offset } = place;
        Err(Failure::Usage(format!("there is no letter at {topic}[{partition}]@{offset}")))
    }

    /// What comes next, perhaps nothing yet; none at the end. Blocks.
    ///
    /// # Errors
    /// When letters can't be read.
    pub fn more(&mut self) -> Result<Option<Vec<Letter>>, Failure> {
        if self.reader.is_at_end() {
            return Ok(None);
        }
        let records = self.reader.read(READ_WAIT).map_err(Failure::of)?;
        self.silence = if records.is_empty() { self.silence + READ_WAIT } else { Duration::ZERO };
        if self.silence > PATIENCE && !self.reader.is_at_end() {
            let waited_s = PATIENCE.as_secs();
            return Err(Failure::Unreachable(format!("no letter came for {waited_s} s before the end")));
        }
        let is_within = |record: &kafka_io::OwnedRecord| {
            self.ends.get(&(record.topic, record.partition)).is_some_and(|end| record.offset < *end)
        };
        Ok(Some(records.into_iter().filter(is_within).map(Letter::new).collect()))
    }
}

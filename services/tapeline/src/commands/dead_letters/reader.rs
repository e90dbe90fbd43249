//! Reads dead letters up to the ends of their topics at the start of a command.

use std::collections::BTreeMap;

use contracts::Topic;
use kafka_io::{ClusterQuery, KafkaConfig, OwnedRecord, TopicReader};

use super::dead_letter::DeadLetter;
use crate::cluster::EndReader;
use crate::exit::Failure;
use crate::record_position::RecordPosition;

/// The next offset by partition.
pub type Offsets = BTreeMap<(Topic, i32), i64>;

/// First offsets and ends of the dead-letter topics.
#[derive(Debug, Clone, Default)]
pub struct Bounds {
    /// The earliest retained offsets.
    pub lows: Offsets,
    /// The offsets after the last records.
    pub ends: Offsets,
}

impl Bounds {
    /// Fetches the bounds. Blocks.
    ///
    /// # Errors
    /// If the cluster is unreachable or denies access, or a topic does not exist.
    pub fn fetch(kafka: &KafkaConfig, topics: &[Topic]) -> Result<Self, Failure> {
        let cluster = ClusterQuery::new(kafka).map_err(Failure::query)?;
        let mut bounds = Self::default();
        for topic in topics {
            let watermarks = cluster.watermarks(*topic).map_err(Failure::query)?;
            if watermarks.is_empty() {
                return Err(Failure::unreachable(format!(
                    "topic {topic} does not exist on {}: create it with `tapeline topics apply`",
                    kafka.brokers
                )));
            }
            for partition in watermarks {
                bounds.lows.insert((*topic, partition.partition), partition.low);
                bounds.ends.insert((*topic, partition.partition), partition.high);
            }
        }
        Ok(bounds)
    }
}

/// Reads dead letters, each partition in order.
pub struct DeadLetterReader {
    reader: EndReader,
    ends: Offsets,
}

impl DeadLetterReader {
    /// Starts reading at `starts`; a partition that is missing there is read from its first record. Blocks.
    ///
    /// # Errors
    /// If the cluster is unreachable or denies access.
    pub fn open(
        kafka: &KafkaConfig,
        topics: &[Topic],
        starts: &Offsets,
        ends: Offsets,
    ) -> Result<Self, Failure> {
        let reader = TopicReader::open_at(kafka, topics, starts).map_err(Failure::query)?;
        Ok(Self { reader: EndReader::new(reader, "dead letters"), ends })
    }

    /// Reads everything that these topics hold now. Blocks.
    ///
    /// # Errors
    /// As for [`Bounds::fetch`].
    pub fn all(kafka: &KafkaConfig, topics: &[Topic]) -> Result<Self, Failure> {
        let bounds = Bounds::fetch(kafka, topics)?;
        Self::open(kafka, topics, &Offsets::new(), bounds.ends)
    }

    /// Reads the dead letter at this position. Blocks.
    ///
    /// # Errors
    /// [`Failure::Usage`] if there is none, and as for [`Bounds::fetch`].
    pub fn read_one(kafka: &KafkaConfig, position: RecordPosition) -> Result<DeadLetter, Failure> {
        let bounds = Bounds::fetch(kafka, &[position.topic])?;
        // Other partitions start at their ends: nothing of them is read.
        let mut starts = bounds.ends.clone();
        starts.insert((position.topic, position.partition), position.offset);
        let mut reader = Self::open(kafka, &[position.topic], &starts, bounds.ends)?;
        while let Some(read) = reader.next_batch()? {
            if let Some(dead_letter) = read.into_iter().find(|dead_letter| dead_letter.position() == position)
            {
                return Ok(dead_letter);
            }
        }
        Err(Failure::usage(format!("no dead letter at {position}")))
    }

    /// Reads the next dead letters, possibly none yet. `None` at the end. Blocks.
    ///
    /// # Errors
    /// If the topics cannot be read, or no record arrives for a minute before the end.
    pub fn next_batch(&mut self) -> Result<Option<Vec<DeadLetter>>, Failure> {
        let Some(records) = self.reader.next_batch()? else { return Ok(None) };
        let is_within = |record: &OwnedRecord| {
            self.ends.get(&(record.topic, record.partition)).is_some_and(|end| record.offset < *end)
        };
        Ok(Some(records.into_iter().filter(is_within).map(DeadLetter::new).collect()))
    }
}

//! Reads topics up to their ends at the start of a command.

use std::time::Duration;

use contracts::Topic;
use kafka_io::{ClusterQuery, KafkaConfig, OwnedRecord, TopicReader};

use crate::exit::Failure;

/// Timeout of one read.
const READ_TIMEOUT: Duration = Duration::from_millis(100);

/// Reading fails after this time without a record before the end. Longer than the transaction timeout, after which an open transaction
/// no longer blocks the end.
const STALL_TIMEOUT: Duration = Duration::from_secs(60);

/// A reader of committed records that ends, and fails if the end is not reached.
pub struct EndReader {
    reader: TopicReader,
    /// The kind of its records, for errors.
    content: &'static str,
    /// Time without a record.
    idle: Duration,
}

impl EndReader {
    /// Returns a reader up to the ends of `reader`. `content` is the kind of its records, for errors.
    #[must_use]
    pub fn new(reader: TopicReader, content: &'static str) -> Self {
        Self { reader, content, idle: Duration::ZERO }
    }

    /// Starts to read one partition of each topic. Blocks.
    ///
    /// # Errors
    /// If the cluster is unreachable or denies access.
    pub fn of_partition(
        kafka: &KafkaConfig,
        topics: &[Topic],
        partition: i32,
        content: &'static str,
    ) -> Result<Self, Failure> {
        let reader = TopicReader::open_partition(kafka, topics, partition).map_err(Failure::query)?;
        Ok(Self::new(reader, content))
    }

    /// Reads the next records, possibly none yet. `None` at the end. Blocks.
    ///
    /// # Errors
    /// If the topics cannot be read, or no record arrives for a minute before the end.
    pub fn next_batch(&mut self) -> Result<Option<Vec<OwnedRecord>>, Failure> {
        if self.reader.is_at_end() {
            return Ok(None);
        }
        let records = self.reader.read(READ_TIMEOUT).map_err(Failure::query)?;
        self.idle = if records.is_empty() { self.idle + READ_TIMEOUT } else { Duration::ZERO };
        if self.idle > STALL_TIMEOUT && !self.reader.is_at_end() {
            let (content, timeout_s) = (self.content, STALL_TIMEOUT.as_secs());
            return Err(Failure::unreachable(format!(
                "failed to read {content}: no record for {timeout_s} s before the end"
            )));
        }
        Ok(Some(records))
    }
}

/// Returns the partition count that these topics have in common. Blocks.
///
/// # Errors
/// If the cluster is unreachable or denies access, or a topic does not exist or has another partition count.
pub fn partition_count(kafka: &KafkaConfig, topics: &[Topic]) -> Result<i32, Failure> {
    let cluster = ClusterQuery::new(kafka).map_err(Failure::query)?;
    let mut count = None;
    for topic in topics {
        let partitions = cluster.partitions(*topic).map_err(Failure::query)?;
        if partitions == 0 {
            return Err(Failure::unreachable(format!(
                "topic {topic} does not exist on {}: create it with `tapeline topics apply`",
                kafka.shown_brokers()
            )));
        }
        let first = *count.get_or_insert(partitions);
        if first != partitions {
            return Err(Failure::unreachable(format!(
                "topic {topic} has {partitions} partitions, others have {first}: see `tapeline topics check`"
            )));
        }
    }
    Ok(count.unwrap_or(1))
}

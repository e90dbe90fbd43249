//! Reader of whole topics without a group: for `tapeline tail`, the replay, and the loss audit.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use contracts::Topic;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use crate::access_denied::{AccessDenied, MaybeAccessDenied};
use crate::client::{self, ClientError, LogContext};
use crate::config::KafkaConfig;
use crate::driver::close;
use crate::error_codes::is_access_denied;
use crate::librdkafka_error::LibrdkafkaError;
use crate::owned_record::OwnedRecord;
use crate::query::{ClusterQuery, QueryError, Watermarks};
use crate::raw::{Polled, Poller};

/// Records per read.
const READ_RECORDS_MAX: usize = 10_000;

/// Bytes of keys, payloads and headers after which a read returns: a dead letter may have 2 MiB.
pub const READ_BYTES_MAX: usize = 16 << 20;

/// The position at which reading starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// The first retained record.
    Earliest,
    /// The first record that is written after the reader was opened.
    Latest,
}

/// Reading a topic failed.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// A client could not be created.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The ends of the topics are not available.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// The cluster denies access; no retry succeeds.
    #[error(transparent)]
    AccessDenied(#[from] AccessDenied),
    /// Records were deleted before they were read.
    #[error("{topic}[{partition}] no longer holds offset {offset}: deleted before it was read")]
    Deleted {
        /// The topic.
        topic: String,
        /// The partition.
        partition: i32,
        /// The first missing offset.
        offset: i64,
    },
    /// The partitions could not be assigned to the client.
    #[error("failed to assign partitions to the reader")]
    Assign {
        /// The error of the call.
        source: LibrdkafkaError,
    },
    /// The client failed fatally.
    #[error("failed to read: {text}")]
    Fatal {
        /// librdkafka's message.
        text: String,
    },
    /// The ends of the topics were not reached in time.
    #[error("failed to read to the end within {timeout:?}")]
    EndNotReached {
        /// The time limit.
        timeout: Duration,
    },
}

impl ReadError {
    pub(crate) fn assign(error: KafkaError) -> Self {
        Self::Assign { source: error.into() }
    }
}

impl MaybeAccessDenied for ReadError {
    fn is_access_denied(&self) -> bool {
        match self {
            Self::AccessDenied(_) => true,
            Self::Query(query) => query.is_access_denied(),
            Self::Client(_)
            | Self::Deleted { .. }
            | Self::Assign { .. }
            | Self::Fatal { .. }
            | Self::EndNotReached { .. } => false,
        }
    }
}

/// A reader of the committed records of some topics: all partitions, each in order.
pub struct TopicReader {
    consumer: Option<BaseConsumer<LogContext>>,
    query: ClusterQuery,
    topics: Vec<Topic>,
    positions: BTreeMap<(Topic, i32), ReadPosition>,
}

struct ReadPosition {
    next: i64,
    /// The position at which [`TopicReader::is_at_end`] is reached.
    end: i64,
}

impl TopicReader {
    /// Starts to read. [`TopicReader::is_at_end`] refers to the current ends of the topics, records of open transactions included.
    ///
    /// # Errors
    /// If the cluster is unavailable or a topic does not exist.
    pub fn open(config: &KafkaConfig, topics: &[Topic], start: Start) -> Result<Self, ReadError> {
        Self::start(config, topics, |_, ends| match start {
            Start::Earliest => ends.low,
            Start::Latest => ends.high,
        })
    }

    /// Starts to read at these offsets: at the first retained record if the offset is lower or missing.
    ///
    /// # Errors
    /// As [`TopicReader::open`].
    pub fn open_at(
        config: &KafkaConfig,
        topics: &[Topic],
        starts: &BTreeMap<(Topic, i32), i64>,
    ) -> Result<Self, ReadError> {
        Self::start(config, topics, |topic, ends| start_at(starts, topic, ends))
    }

    /// Starts to read the partitions with these numbers only, as [`TopicReader::open_at`].
    ///
    /// # Errors
    /// As [`TopicReader::open`].
    pub fn open_partitions(
        config: &KafkaConfig,
        topics: &[Topic],
        partitions: &BTreeSet<i32>,
        starts: &BTreeMap<(Topic, i32), i64>,
    ) -> Result<Self, ReadError> {
        let query = ClusterQuery::new(config)?;
        let read = topics.iter().flat_map(|topic| partitions.iter().map(|partition| (*topic, *partition)));
        let ends = read.map(|(topic, partition)| Ok((topic, query.watermarks_of(topic, partition)?)));
        let ends = ends.collect::<Result<Vec<_>, QueryError>>()?;
        Self::assign(query, topics, ends, |topic, ends| start_at(starts, topic, ends))
    }

    /// Starts to read one partition of each topic at its first retained record.
    ///
    /// # Errors
    /// As [`TopicReader::open`].
    pub fn open_partition(config: &KafkaConfig, topics: &[Topic], partition: i32) -> Result<Self, ReadError> {
        Self::open_partitions(config, topics, &[partition].into(), &BTreeMap::new())
    }

    fn start(
        config: &KafkaConfig,
        topics: &[Topic],
        start: impl Fn(Topic, &Watermarks) -> i64,
    ) -> Result<Self, ReadError> {
        let query = ClusterQuery::new(config)?;
        let mut ends = Vec::new();
        for topic in topics {
            ends.extend(query.watermarks(*topic)?.into_iter().map(|ends| (*topic, ends)));
        }
        Self::assign(query, topics, ends, start)
    }

    /// Starts to read these partitions, each of which has these ends.
    fn assign(
        query: ClusterQuery,
        topics: &[Topic],
        partitions: Vec<(Topic, Watermarks)>,
        start: impl Fn(Topic, &Watermarks) -> i64,
    ) -> Result<Self, ReadError> {
        let consumer = client::follower(query.config(), "tapeline.reader", LogContext::default())?;
        let mut list = TopicPartitionList::new();
        let mut positions = BTreeMap::new();
        for (topic, ends) in partitions {
            let next = start(topic, &ends);
            list.add_partition(topic.name(), ends.partition)
                .set_offset(Offset::Offset(next))
                .map_err(ReadError::assign)?;
            positions.insert((topic, ends.partition), ReadPosition { next, end: ends.high });
        }
        consumer.assign(&list).map_err(ReadError::assign)?;
        Ok(Self { consumer: Some(consumer), query, topics: topics.to_vec(), positions })
    }

    /// Returns the records that arrive within `wait`; empty if there are none. Blocks: not for an async task.
    ///
    /// # Errors
    /// If records were deleted before they were read, access is denied, or the client failed fatally.
    pub fn read(&mut self, wait: Duration) -> Result<Vec<OwnedRecord>, ReadError> {
        let mut records = Vec::new();
        let Some(consumer) = &self.consumer else { return Ok(records) };
        let Some(poller) = Poller::of(consumer) else { return Ok(records) };
        let (mut wait, mut bytes) = (wait, 0);
        while records.len() < READ_RECORDS_MAX && bytes < READ_BYTES_MAX {
            match poller.poll(wait) {
                Polled::Nothing => break,
                Polled::Record(fetched) => {
                    if let Some(topic) =
                        self.topics.iter().copied().find(|topic| topic.name() == fetched.topic())
                    {
                        advance(&mut self.positions, (topic, fetched.partition()), fetched.offset() + 1);
                        let record = OwnedRecord::of(topic, &fetched);
                        bytes += record.size_bytes();
                        records.push(record);
                    }
                }
                Polled::End { topic, partition, offset } => {
                    if let Some(topic) = self.topics.iter().copied().find(|known| known.name() == topic) {
                        advance(&mut self.positions, (topic, partition), offset);
                    }
                    if records.is_empty() && !is_at_end(&self.positions) {
                        continue;
                    }
                }
                Polled::Failed { code, fatal, text, at } => {
                    handle_failure(self.query.config(), code, fatal, text, at)?;
                }
                Polled::Assign(_) | Polled::Revoke(_) | Polled::Committed(_) => {}
            }
            wait = Duration::ZERO;
        }
        Ok(records)
    }

    /// Returns whether all records were read that existed when the reader was opened, or at the last [`TopicReader::aim`].
    #[must_use]
    pub fn is_at_end(&self) -> bool {
        is_at_end(&self.positions)
    }

    /// Returns the position of each partition: everything before it was read.
    #[must_use]
    pub fn positions(&self) -> BTreeMap<(Topic, i32), i64> {
        self.positions.iter().map(|(partition, position)| (*partition, position.next)).collect()
    }

    /// Returns the number of offsets between the positions and the ends.
    #[must_use]
    pub fn lag(&self) -> i64 {
        self.positions.values().map(|position| (position.end - position.next).max(0)).sum()
    }

    /// Makes the current ends of the topics the end for [`TopicReader::is_at_end`].
    ///
    /// # Errors
    /// If the cluster is unavailable.
    pub fn aim(&mut self) -> Result<(), ReadError> {
        for topic in &self.topics {
            for ends in self.query.watermarks(*topic)? {
                if let Some(position) = self.positions.get_mut(&(*topic, ends.partition)) {
                    position.end = ends.high;
                }
            }
        }
        Ok(())
    }

    /// Reads all records of these topics up to their current ends, sorted by topic, partition and offset.
    ///
    /// # Errors
    /// As [`TopicReader::open`] and [`TopicReader::read`]; also if the ends are not reached within `timeout`.
    pub fn read_all(
        config: &KafkaConfig,
        topics: &[Topic],
        timeout: Duration,
    ) -> Result<Vec<OwnedRecord>, ReadError> {
        let mut reader = Self::open(config, topics, Start::Earliest)?;
        let deadline = Instant::now() + timeout;
        let mut all = Vec::new();
        while !reader.is_at_end() {
            all.append(&mut reader.read(Duration::from_millis(100))?);
            if Instant::now() >= deadline && !reader.is_at_end() {
                return Err(ReadError::EndNotReached { timeout });
            }
        }
        all.sort_by_key(|record| (record.topic, record.partition, record.offset));
        Ok(all)
    }
}

impl Drop for TopicReader {
    fn drop(&mut self) {
        if let Some(consumer) = self.consumer.take() {
            close(consumer);
        }
    }
}

fn start_at(starts: &BTreeMap<(Topic, i32), i64>, topic: Topic, ends: &Watermarks) -> i64 {
    starts.get(&(topic, ends.partition)).map_or(ends.low, |start| (*start).clamp(ends.low, ends.high))
}

fn advance(positions: &mut BTreeMap<(Topic, i32), ReadPosition>, partition: (Topic, i32), next: i64) {
    if let Some(position) = positions.get_mut(&partition) {
        position.next = next;
    }
}

fn is_at_end(positions: &BTreeMap<(Topic, i32), ReadPosition>) -> bool {
    positions.values().all(|position| position.next >= position.end)
}

/// Logs a temporary failure of a fetch, and returns any other as an error.
pub(crate) fn handle_failure(
    config: &KafkaConfig,
    code: RDKafkaErrorCode,
    fatal: bool,
    text: String,
    at: Option<(String, i32, i64)>,
) -> Result<(), ReadError> {
    if let (RDKafkaErrorCode::AutoOffsetReset | RDKafkaErrorCode::OffsetOutOfRange, Some(at)) = (code, at) {
        let (topic, partition, offset) = at;
        return Err(ReadError::Deleted { topic, partition, offset });
    }
    if is_access_denied(code, &text) {
        return Err(AccessDenied::new(config, code, &text).into());
    }
    if fatal {
        return Err(ReadError::Fatal { text });
    }
    client::log_failed_fetch("records", code, &text);
    Ok(())
}

//! Reads topics without a group: for `tail`, the replay, and those who count again what services said.

use std::collections::BTreeMap;
use std::time::Duration;

use contracts::Topic;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use crate::access_denied::{AccessDenied, MaybeAccessDenied, is_access_denied};
use crate::client::{self, ClientError, LogContext};
use crate::config::KafkaConfig;
use crate::driver::close;
use crate::query::{ClusterQuery, QueryError, Watermarks};
use crate::raw::{Fetched, Polled, Poller};

/// Records returned by one read at most.
const RECORDS_A_READ: usize = 10_000;

/// Bytes of payloads and headers after which a read returns what it has: dead letters may be 2 MiB each.
const BYTES_A_READ: usize = 16 << 20;

/// A record, copied out of librdkafka's memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnedRecord {
    /// Its topic.
    pub topic: Topic,
    /// Its partition.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
    /// Its append time, milliseconds since 1970-01-01 UTC; -1 when the broker gave none.
    pub timestamp_ms: i64,
    /// Its key.
    pub key: Option<Vec<u8>>,
    /// Its payload.
    pub payload: Option<Vec<u8>>,
    /// Its headers, in order.
    pub headers: Vec<(String, Vec<u8>)>,
}

/// Where reading begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// With the first record that is kept.
    Earliest,
    /// With what is written from now on.
    Latest,
}

/// A topic couldn't be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// No client.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The ends aren't known.
    #[error(transparent)]
    Inquiry(#[from] QueryError),
    /// The cluster doesn't let us; reading on won't help.
    #[error(transparent)]
    AccessDenied(#[from] AccessDenied),
    /// Records were deleted before they were read.
    #[error("{topic}[{partition}] no longer holds offset {offset}: it was deleted before it was read")]
    Deleted {
        /// The topic.
        topic: String,
        /// The partition.
        partition: i32,
        /// The first offset that is missing.
        offset: i64,
    },
    /// The client is of no further use.
    #[error("reading failed: {cause}")]
    Failed {
        /// What librdkafka says.
        cause: String,
    },
}

impl MaybeAccessDenied for ReadError {
    fn is_access_denied(&self) -> bool {
        match self {
            Self::AccessDenied(_) => true,
            Self::Inquiry(inquiry) => inquiry.is_access_denied(),
            Self::Client(_) | Self::Deleted { .. } | Self::Failed { .. } => false,
        }
    }
}

/// Reads committed records of some topics, all partitions, each partition in order.
pub struct TopicReader {
    consumer: Option<BaseConsumer<LogContext>>,
    inquirer: ClusterQuery,
    topics: Vec<Topic>,
    places: BTreeMap<(Topic, i32), Place>,
}

struct Place {
    position: i64,
    /// Where [`TopicReader::is_at_end`] is reached.
    target: i64,
}

impl TopicReader {
    /// Begins to read. What [`TopicReader::is_at_end`] calls the end is where the topics end now, records of open transactions
    /// included.
    ///
    /// # Errors
    /// When the cluster doesn't answer or a topic is missing.
    pub fn open(config: &KafkaConfig, topics: &[Topic], start: Start) -> Result<Self, ReadError> {
        Self::begin(config, topics, |_, ends| match start {
            Start::Earliest => ends.low,
            Start::Latest => ends.high,
        })
    }

    /// Begins to read at these offsets; with the first record that is kept where that lies behind the offset, and where there is
    /// no offset.
    ///
    /// # Errors
    /// As [`TopicReader::open`].
    pub fn open_at(
        config: &KafkaConfig,
        topics: &[Topic],
        starts: &BTreeMap<(Topic, i32), i64>,
    ) -> Result<Self, ReadError> {
        Self::begin(config, topics, |topic, ends| {
            starts.get(&(topic, ends.partition)).map_or(ends.low, |start| (*start).clamp(ends.low, ends.high))
        })
    }

    fn begin(
        config: &KafkaConfig,
        topics: &[Topic],
        start: impl Fn(Topic, &Watermarks) -> i64,
    ) -> Result<Self, ReadError> {
        let inquirer = ClusterQuery::new(config)?;
        let consumer = client::follower(config, "tapeline.reader")?;
        let mut list = TopicPartitionList::new();
        let mut places = BTreeMap::new();
        for topic in topics {
            for ends in inquirer.watermarks(*topic)? {
                let position = start(*topic, &ends);
                let offset =
                    list.add_partition(topic.name(), ends.partition).set_offset(Offset::Offset(position));
                offset.map_err(|error| failed(&error))?;
                places.insert((*topic, ends.partition), Place { position, target: ends.high });
            }
        }
        consumer.assign(&list).map_err(|error| failed(&error))?;
        Ok(Self { consumer: Some(consumer), inquirer, topics: topics.to_vec(), places })
    }

    /// What has come within `wait`; empty when nothing has. Blocks: not for an async task.
    ///
    /// # Errors
    /// When records were deleted before they were read, or the client failed for good.
    pub fn read(&mut self, wait: Duration) -> Result<Vec<OwnedRecord>, ReadError> {
        let mut records = Vec::new();
        let Some(consumer) = &self.consumer else { return Ok(records) };
        let Some(poller) = Poller::of(consumer) else { return Ok(records) };
        let (mut wait, mut bytes) = (wait, 0);
        while records.len() < RECORDS_A_READ && bytes < BYTES_A_READ {
            match poller.poll(wait) {
                Polled::Nothing => break,
                Polled::Record(fetched) => {
                    if let Some(topic) =
                        self.topics.iter().copied().find(|topic| topic.name() == fetched.topic())
                    {
                        move_to(&mut self.places, (topic, fetched.partition()), fetched.offset() + 1);
                        let record = OwnedRecord::of(topic, &fetched);
                        bytes += record.size_bytes();
                        records.push(record);
                    }
                }
                Polled::End { topic, partition, offset } => {
                    if let Some(topic) = self.topics.iter().copied().find(|known| known.name() == topic) {
                        move_to(&mut self.places, (topic, partition), offset);
                    }
                    if records.is_empty() && !is_at_end(&self.places) {
                        continue;
                    }
                }
                Polled::Failed { code, fatal, text, at } => {
                    refuse(self.inquirer.config(), code, fatal, text, at)?;
                }
                Polled::Assign(_) | Polled::Revoke(_) | Polled::Committed(_) => {}
            }
            wait = Duration::ZERO;
        }
        Ok(records)
    }

    /// Whether everything was read that was there when reading began, or at the last [`TopicReader::aim`].
    #[must_use]
    pub fn is_at_end(&self) -> bool {
        is_at_end(&self.places)
    }

    /// From now on the end is where the topics end now.
    ///
    /// # Errors
    /// When the cluster doesn't answer.
    pub fn aim(&mut self) -> Result<(), ReadError> {
        for topic in &self.topics {
            for ends in self.inquirer.watermarks(*topic)? {
                if let Some(place) = self.places.get_mut(&(*topic, ends.partition)) {
                    place.target = ends.high;
                }
            }
        }
        Ok(())
    }

    /// Everything of these topics, up to where they end now, by partition in order.
    ///
    /// # Errors
    /// As [`TopicReader::open`] and [`TopicReader::read`]; also when the end isn't reached within `patience`.
    pub fn read_all(
        config: &KafkaConfig,
        topics: &[Topic],
        patience: Duration,
    ) -> Result<Vec<OwnedRecord>, ReadError> {
        let mut reader = Self::open(config, topics, Start::Earliest)?;
        let deadline = std::time::Instant::now() + patience;
        let mut all = Vec::new();
        while !reader.is_at_end() {
            all.append(&mut reader.read(Duration::from_millis(100))?);
            if std::time::Instant::now() >= deadline && !reader.is_at_end() {
                return Err(ReadError::Failed {
                    cause: format!("the end is not reached within {patience:?}"),
                });
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

fn move_to(places: &mut BTreeMap<(Topic, i32), Place>, place: (Topic, i32), position: i64) {
    if let Some(place) = places.get_mut(&place) {
        place.position = position;
    }
}

fn is_at_end(places: &BTreeMap<(Topic, i32), Place>) -> bool {
    places.values().all(|place| place.position >= place.target)
}

pub(crate) fn refuse(
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
        return Err(ReadError::Failed { cause: text });
    }
    tracing::warn!(%code, text, "a read failed, it goes on by itself");
    Ok(())
}

pub(crate) fn failed(error: &KafkaError) -> ReadError {
    ReadError::Failed { cause: error.to_string() }
}

impl OwnedRecord {
    /// Bytes of its key, payload and headers.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        let length = |part: &Option<Vec<u8>>| part.as_ref().map_or(0, Vec::len);
        let headers: usize = self.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
        length(&self.key) + length(&self.payload) + headers
    }

    fn of(topic: Topic, fetched: &Fetched<'_>) -> Self {
        let headers = (0..).map_while(|index| fetched.header(index));
        Self {
            topic,
            partition: fetched.partition(),
            offset: fetched.offset(),
            timestamp_ms: fetched.timestamp_ms(),
            key: fetched.key().map(<[u8]>::to_vec),
            payload: fetched.payload().map(<[u8]>::to_vec),
            headers: headers.map(|(name, value)| (name.into_owned(), value.to_vec())).collect(),
        }
    }
}

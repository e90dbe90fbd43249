//! Start and end offsets of partitions, queried from leaders that may have moved.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::{Duration, Instant};

use contracts::Topic;
use kit::Backoff;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

/// Wait before a request that reached the wrong broker is repeated.
const RETRY_WAIT: Duration = Duration::from_millis(50);

/// Timeout of the first request; each further one waits twice as long, for a cluster that is only slow. A failed leader does not
/// respond, and a client that reads no records is not notified of the next one.
const FIRST_TIMEOUT: Duration = Duration::from_secs(1);

/// The end of a partition is not available.
#[derive(Debug)]
pub(crate) struct EndError {
    /// The partition. `None` if no broker responded at all.
    partition: Option<(Topic, i32)>,
    cause: KafkaError,
}

/// Fetches the start and end offset of a partition. Retries until `timeout` if the leader has moved, is unknown or does not respond.
/// Blocks.
pub(crate) fn watermarks_of<C: ConsumerContext>(
    client: &BaseConsumer<C>,
    topic: &str,
    partition: i32,
    timeout: Duration,
) -> Result<(i64, i64), KafkaError> {
    let fetch = |timeout| client.fetch_watermarks(topic, partition, timeout).map_err(EndError::from);
    with_retries(client, topic, timeout, fetch).map_err(|error| error.cause)
}

/// Fetches the end offset of each of these partitions: the high watermark for a `read_uncommitted` client, the last stable offset for
/// a `read_committed` one. One request per leader, whatever the number of partitions; retries as [`watermarks_of`]. Blocks.
pub(crate) fn ends_of<C: ConsumerContext>(
    client: &BaseConsumer<C>,
    partitions: &BTreeSet<(Topic, i32)>,
    timeout: Duration,
) -> Result<BTreeMap<(Topic, i32), i64>, EndError> {
    match partitions.first() {
        Some((topic, _)) => {
            with_retries(client, topic.name(), timeout, |timeout| fetch_ends(client, partitions, timeout))
        }
        None => Ok(BTreeMap::new()),
    }
}

/// Fetches the last stable offset and the high watermark of a partition. `committed` is a `read_committed` client, `all` is not.
pub(crate) fn stable_and_end<C: ConsumerContext>(
    committed: &BaseConsumer<C>,
    all: &BaseConsumer<C>,
    (topic, partition): (Topic, i32),
    timeout: Duration,
) -> Result<(i64, i64), KafkaError> {
    let (_, stable) = watermarks_of(committed, topic.name(), partition, timeout)?;
    let (_, end) = watermarks_of(all, topic.name(), partition, timeout)?;
    Ok((stable, end))
}

/// Repeats a request with a growing timeout, and renews the topic's metadata between two tries.
///
/// The client learns of a new leader only by an error, and of a recovered one only from new metadata: until then librdkafka returns
/// `UnknownPartition` from its cache, which a client that reads no records renews every five minutes.
fn with_retries<C: ConsumerContext, T>(
    client: &BaseConsumer<C>,
    topic: &str,
    timeout: Duration,
    fetch: impl Fn(Duration) -> Result<T, EndError>,
) -> Result<T, EndError> {
    let deadline = Instant::now() + timeout;
    let left = || deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
    let mut timeouts = Backoff::new(FIRST_TIMEOUT, timeout);
    loop {
        let wait = timeouts.fail();
        match fetch(wait.min(left())) {
            Err(error) if may_have_moved(&error.cause) && Instant::now() + RETRY_WAIT < deadline => {
                std::thread::park_timeout(RETRY_WAIT);
                // The client keeps the metadata; if they are unavailable, the next request shows it.
                let _renewed = client.fetch_metadata(Some(topic), wait.min(left()));
            }
            result => return result,
        }
    }
}

/// Requests ends as offsets for the time -1 (`ListOffsets`), which is how librdkafka encodes the end.
fn fetch_ends<C: ConsumerContext>(
    client: &BaseConsumer<C>,
    partitions: &BTreeSet<(Topic, i32)>,
    timeout: Duration,
) -> Result<BTreeMap<(Topic, i32), i64>, EndError> {
    let mut request = TopicPartitionList::with_capacity(partitions.len());
    for (topic, partition) in partitions {
        request.add_partition_offset(topic.name(), *partition, Offset::End)?;
    }
    let response = client.offsets_for_times(request, timeout)?;
    let end = |partition: &(Topic, i32)| {
        let unknown = KafkaError::OffsetFetch(RDKafkaErrorCode::UnknownPartition);
        let offset = match response.find_partition(partition.0.name(), partition.1) {
            Some(found) => found.error().map(|()| found.offset()),
            None => Err(unknown.clone()),
        };
        match offset {
            Ok(Offset::Offset(end)) => Ok((*partition, end)),
            Ok(_) => Err(EndError { partition: Some(*partition), cause: unknown }),
            Err(cause) => Err(EndError { partition: Some(*partition), cause }),
        }
    };
    partitions.iter().map(end).collect()
}

fn may_have_moved(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(
            RDKafkaErrorCode::OperationTimedOut
                | RDKafkaErrorCode::BrokerTransportFailure
                | RDKafkaErrorCode::NotLeaderForPartition
                | RDKafkaErrorCode::LeaderNotAvailable
                | RDKafkaErrorCode::UnknownPartition
                | RDKafkaErrorCode::UnknownTopicOrPartition
                | RDKafkaErrorCode::OffsetNotAvailable
                | RDKafkaErrorCode::FencedLeaderEpoch
                | RDKafkaErrorCode::UnknownLeaderEpoch
        )
    )
}

impl From<KafkaError> for EndError {
    fn from(cause: KafkaError) -> Self {
        Self { partition: None, cause }
    }
}

impl fmt::Display for EndError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.partition {
            Some((topic, partition)) => {
                write!(f, "failed to fetch the end of {topic}[{partition}]: {}", self.cause)
            }
            None => write!(f, "failed to fetch the ends of partitions: {}", self.cause),
        }
    }
}

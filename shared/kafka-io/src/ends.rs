//! Where partitions begin and end, asked of leaders that may have moved.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::{Duration, Instant};

use contracts::Topic;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

/// Wait before a question that went to the wrong broker is asked again.
const RETRY: Duration = Duration::from_millis(50);

/// How long a leader's answer is waited for before it is asked whether it still leads; each time twice as long, for a cluster that is
/// only slow. A leader that is gone answers nothing, and its client, which reads nothing, isn't told of the next one.
const FIRST_TRY: Duration = Duration::from_secs(1);

/// Where partitions end isn't known.
#[derive(Debug)]
pub(crate) struct NoEnd {
    /// The one that wasn't told; none when no broker answered at all.
    place: Option<(Topic, i32)>,
    cause: KafkaError,
}

/// Where a partition begins and ends. A leader that has moved, isn't known or doesn't answer is asked for again until `timeout`. Blocks.
pub(crate) fn watermarks_of<C: ConsumerContext>(
    client: &BaseConsumer<C>,
    topic: &str,
    partition: i32,
    timeout: Duration,
) -> Result<(i64, i64), KafkaError> {
    let ask = |patience| client.fetch_watermarks(topic, partition, patience).map_err(NoEnd::from);
    until_answered(client, topic, timeout, ask).map_err(|no_end| no_end.cause)
}

/// The next offset of each of these partitions: records of open transactions count for a client that reads uncommitted. One question
/// to each leader, whatever the number of partitions; leaders as for [`watermarks_of`]. Blocks.
pub(crate) fn ends_of<C: ConsumerContext>(
    client: &BaseConsumer<C>,
    places: &BTreeSet<(Topic, i32)>,
    timeout: Duration,
) -> Result<BTreeMap<(Topic, i32), i64>, NoEnd> {
    match places.first() {
        Some((topic, _)) => {
            until_answered(client, topic.name(), timeout, |patience| ask_ends(client, places, patience))
        }
        None => Ok(BTreeMap::new()),
    }
}

/// Where a partition's stable records end, and where all end. `committed` reads committed records: it is told the last stable offset.
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

/// Asks with growing patience, and for the topic's leaders between two tries.
///
/// The client learns of a move only by the refusal, and of a leader that was away only from new metadata: until then librdkafka
/// answers `UnknownPartition` out of what it has cached, and a client that reads nothing renews that every five minutes.
fn until_answered<C: ConsumerContext, T>(
    client: &BaseConsumer<C>,
    topic: &str,
    timeout: Duration,
    ask: impl Fn(Duration) -> Result<T, NoEnd>,
) -> Result<T, NoEnd> {
    let deadline = Instant::now() + timeout;
    let left = || deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
    let mut patience = FIRST_TRY;
    loop {
        match ask(patience.min(left())) {
            Err(no_end) if may_have_moved(&no_end.cause) && Instant::now() + RETRY < deadline => {
                std::thread::park_timeout(RETRY);
                // What it says is kept by the client; that it can't say it shows in the next answer.
                let _renewed = client.fetch_metadata(Some(topic), patience.min(left()));
                patience = timeout.min(2 * patience);
            }
            answer => return answer,
        }
    }
}

/// The protocol answers the end for the time -1 (`ListOffsets`), which is how librdkafka writes the end as an offset.
fn ask_ends<C: ConsumerContext>(
    client: &BaseConsumer<C>,
    places: &BTreeSet<(Topic, i32)>,
    timeout: Duration,
) -> Result<BTreeMap<(Topic, i32), i64>, NoEnd> {
    let mut question = TopicPartitionList::with_capacity(places.len());
    for (topic, partition) in places {
        question.add_partition_offset(topic.name(), *partition, Offset::End)?;
    }
    let answer = client.offsets_for_times(question, timeout)?;
    let end = |place: &(Topic, i32)| {
        let unknown = KafkaError::OffsetFetch(RDKafkaErrorCode::UnknownPartition);
        let offset = match answer.find_partition(place.0.name(), place.1) {
            Some(found) => found.error().map(|()| found.offset()),
            None => Err(unknown.clone()),
        };
        match offset {
            Ok(Offset::Offset(end)) => Ok((*place, end)),
            Ok(_) => Err(NoEnd { place: Some(*place), cause: unknown }),
            Err(cause) => Err(NoEnd { place: Some(*place), cause }),
        }
    };
    places.iter().map(end).collect()
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

impl From<KafkaError> for NoEnd {
    fn from(cause: KafkaError) -> Self {
        Self { place: None, cause }
    }
}

impl fmt::Display for NoEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place {
            Some((topic, partition)) => write!(f, "no end of {topic}[{partition}]: {}", self.cause),
            None => write!(f, "no ends: {}", self.cause),
        }
    }
}

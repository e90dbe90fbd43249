//! What a group has committed, asked of a coordinator that may just have moved.

use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::topic_partition_list::TopicPartitionList;

/// Wait before a coordinator is asked again: about what it takes to learn who it is now.
const RETRY: Duration = Duration::from_millis(50);

/// What is committed of these partitions. A coordinator that has moved or is still loading is asked again until `timeout`. Blocks.
///
/// librdkafka waits for a coordinator that it doesn't know, but hands on the word of one that isn't it any more: it only looks for the
/// next one meanwhile (`rd_kafka_handle_OffsetFetch`). Commits it repeats itself.
pub(crate) fn committed_offsets<C: ConsumerContext>(
    client: &BaseConsumer<C>,
    partitions: &TopicPartitionList,
    timeout: Duration,
) -> Result<TopicPartitionList, KafkaError> {
    let deadline = Instant::now() + timeout;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        match client.committed_offsets(partitions.clone(), left) {
            Err(error) if has_moved(&error) && Instant::now() + RETRY < deadline => {
                std::thread::park_timeout(RETRY);
            }
            answer => return answer,
        }
    }
}

fn has_moved(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(
            RDKafkaErrorCode::NotCoordinator
                | RDKafkaErrorCode::CoordinatorNotAvailable
                | RDKafkaErrorCode::CoordinatorLoadInProgress
        )
    )
}

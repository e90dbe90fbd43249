//! Committed offsets of a group, fetched from a coordinator that may have moved.

use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::topic_partition_list::TopicPartitionList;

/// Wait before a retry: about the time that librdkafka needs to find the new coordinator.
const RETRY_WAIT: Duration = Duration::from_millis(50);

/// Fetches the committed offsets of these partitions. Retries until `timeout` while the coordinator has moved or is loading. Blocks.
///
/// librdkafka waits for an unknown coordinator, but returns the error of a former one and only starts to discover its successor
/// (`rd_kafka_handle_OffsetFetch`). It retries commits itself.
pub(crate) fn committed_offsets<C: ConsumerContext>(
    client: &BaseConsumer<C>,
    partitions: &TopicPartitionList,
    timeout: Duration,
) -> Result<TopicPartitionList, KafkaError> {
    let deadline = Instant::now() + timeout;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        match client.committed_offsets(partitions.clone(), left) {
            Err(error) if has_moved(&error) && Instant::now() + RETRY_WAIT < deadline => {
                std::thread::park_timeout(RETRY_WAIT);
            }
            result => return result,
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

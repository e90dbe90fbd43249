//! Record counts that include aborted transactions, whose records `read_committed` readers do not receive.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use contracts::Topic;
use rdkafka::consumer::Consumer;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use crate::client;
use crate::config::KafkaConfig;
use crate::driver::close;
use crate::query::Watermarks;
use crate::raw::{Polled, Poller};
use crate::reader::{ReadError, handle_failure};

/// The longest wait for one record.
const POLL_WAIT: Duration = Duration::from_millis(100);

/// Counts the records between the watermarks of each partition, those of aborted transactions included; by topic. Blocks.
///
/// # Errors
/// If records were deleted meanwhile, the client failed fatally, or the ends are not reached within `timeout`.
pub fn count_with_aborted(
    config: &KafkaConfig,
    ends: &[(Topic, Watermarks)],
    timeout: Duration,
) -> Result<BTreeMap<Topic, u64>, ReadError> {
    let consumer = client::uncommitted_follower(config, "tapeline.counter")?;
    let mut list = TopicPartitionList::new();
    let mut open = BTreeMap::new();
    for (topic, of) in ends.iter().filter(|(_, of)| of.low < of.high) {
        list.add_partition(topic.name(), of.partition)
            .set_offset(Offset::Offset(of.low))
            .map_err(ReadError::assign)?;
        open.insert((*topic, of.partition), of.high);
    }
    consumer.assign(&list).map_err(ReadError::assign)?;
    let deadline = Instant::now() + timeout;
    let mut counts = BTreeMap::new();
    let topic_of = |name: &str| ends.iter().map(|(topic, _)| *topic).find(|topic| topic.name() == name);
    while !open.is_empty() {
        if Instant::now() >= deadline {
            return Err(ReadError::EndNotReached { timeout });
        }
        let Some(poller) = Poller::of(&consumer) else { break };
        match poller.poll(POLL_WAIT) {
            Polled::Record(record) => {
                let Some(topic) = topic_of(record.topic()) else { continue };
                let Some(high) = open.get(&(topic, record.partition())).copied() else { continue };
                if record.offset() < high {
                    *counts.entry(topic).or_default() += 1;
                }
                if record.offset() + 1 >= high {
                    open.remove(&(topic, record.partition()));
                }
            }
            Polled::End { topic, partition, offset } => {
                if let Some(topic) = topic_of(&topic) {
                    open.retain(|key, high| *key != (topic, partition) || offset < *high);
                }
            }
            Polled::Failed { code, fatal, text, at } => handle_failure(config, code, fatal, text, at)?,
            Polled::Nothing | Polled::Assign(_) | Polled::Revoke(_) | Polled::Committed(_) => {}
        }
    }
    close(consumer);
    Ok(counts)
}

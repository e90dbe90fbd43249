//! Counts records with those of aborted transactions, which no committed reader is shown.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use contracts::Topic;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use crate::client;
use crate::config::KafkaConfig;
use crate::driver::close;
use crate::query::Watermarks;
use crate::raw::{Polled, Poller};
use crate::reader::{ReadError, failed, refuse};

use rdkafka::consumer::Consumer;

/// Longest wait for one record.
const POLL_WAIT: Duration = Duration::from_millis(100);

/// How many records lie between the watermarks of each partition, those of aborted transactions included; by topic. Blocks.
///
/// # Errors
/// When records were deleted meanwhile, the client failed for good, or the ends aren't reached within `patience`.
pub fn count_with_aborted(
    config: &KafkaConfig,
    ends: &[(Topic, Watermarks)],
    patience: Duration,
) -> Result<BTreeMap<Topic, u64>, ReadError> {
    let consumer = client::uncommitted_follower(config, "tapeline.counter")?;
    let mut list = TopicPartitionList::new();
    let mut open = BTreeMap::new();
    for (topic, marks) in ends.iter().filter(|(_, marks)| marks.low < marks.high) {
        let begin = list.add_partition(topic.name(), marks.partition).set_offset(Offset::Offset(marks.low));
        begin.map_err(|error| failed(&error))?;
        open.insert((*topic, marks.partition), marks.high);
    }
    consumer.assign(&list).map_err(|error| failed(&error))?;
    let deadline = Instant::now() + patience;
    let mut counts = BTreeMap::new();
    let topic_of = |name: &str| ends.iter().map(|(topic, _)| *topic).find(|topic| topic.name() == name);
    while !open.is_empty() {
        if Instant::now() >= deadline {
            return Err(ReadError::Failed { cause: format!("the end is not reached within {patience:?}") });
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
                    open.retain(|place, high| *place != (topic, partition) || offset < *high);
                }
            }
            Polled::Failed { code, fatal, text, at } => refuse(config, code, fatal, text, at)?,
            Polled::Nothing | Polled::Assign(_) | Polled::Revoke(_) | Polled::Committed(_) => {}
        }
    }
    close(consumer);
    Ok(counts)
}

//! Offsets by time: the first records of partitions that are not older than a given time.

use std::collections::BTreeMap;
use std::time::Duration;

use contracts::Topic;
use kit::SaturatingFrom;
use pipeline::Now;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::KafkaError;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use crate::config::Profile;

/// The offset of a partition whose records are all older.
pub(crate) const ALL_OLDER: i64 = i64::MAX;

/// Returns the time `back` before `now`, milliseconds since 1970. Not above 0 if that is before 1970.
pub(crate) fn since_ms(now: Now, back: Duration) -> i64 {
    (now.wall_micros / 1_000).saturating_sub(i64::saturating_from(back.as_millis()))
}

/// Fetches the first offset of each partition whose record was appended at its time (milliseconds since 1970) or later, [`ALL_OLDER`] without
/// one. The embedded broker finds no offset by time, so its partitions are missing from the result, as is a partition of a failed leader.
/// Blocks.
pub(crate) fn begins_of<C: ConsumerContext>(
    client: &BaseConsumer<C>,
    profile: Profile,
    since: &BTreeMap<(Topic, i32), i64>,
    timeout: Duration,
) -> Result<BTreeMap<(Topic, i32), i64>, KafkaError> {
    let mut query = TopicPartitionList::new();
    for ((topic, partition), since_ms) in since.iter().filter(|(_, since_ms)| **since_ms > 0) {
        query.add_partition_offset(topic.name(), *partition, Offset::Offset(*since_ms))?;
    }
    if profile == Profile::Embedded || query.count() == 0 {
        return Ok(BTreeMap::new());
    }
    let found = client.offsets_for_times(query, timeout)?;
    let begin = |at: &(Topic, i32)| {
        let element = found.find_partition(at.0.name(), at.1)?;
        match (element.error(), element.offset()) {
            (Ok(()), Offset::Offset(offset)) => Some((*at, offset)),
            (Ok(()), Offset::End) => Some((*at, ALL_OLDER)),
            _ => None,
        }
    };
    Ok(since.keys().filter_map(begin).collect())
}

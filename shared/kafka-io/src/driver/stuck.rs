//! Records that can't be read now, for a cause that passes (the registry is away): each holds its own partition back, and no other.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use contracts::Topic;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::topic_partition_list::TopicPartitionList;

use crate::client::LogContext;
use crate::raw::Fetched;
use crate::wire::Unavailable;

/// Wait before a record is tried again, doubled each time up to [`LONGEST`]: the registry's client has a breaker of its own.
const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(5);

type Place = (Topic, i32);

/// The record that each such partition waits for; the partition is paused meanwhile, and goes on behind that record.
#[derive(Default)]
pub(super) struct Stuck<'c>(BTreeMap<Place, Waits<'c>>);

struct Waits<'c> {
    record: Fetched<'c>,
    wait: Duration,
    due: Instant,
}

impl<'c> Stuck<'c> {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether this partition waits.
    pub(super) fn holds(&self, place: Place) -> bool {
        self.0.contains_key(&place)
    }

    /// Holds a partition back behind a record that was just fetched.
    pub(super) fn hold(
        &mut self,
        consumer: &BaseConsumer<LogContext>,
        (topic, partition): Place,
        record: Fetched<'c>,
        cause: &Unavailable,
    ) -> Result<(), String> {
        let mut list = TopicPartitionList::new();
        list.add_partition(topic.name(), partition);
        consumer.pause(&list).map_err(|error| error.to_string())?;
        let offset = record.offset();
        tracing::warn!(%topic, partition, offset, %cause, "a record can't be read now, its partition waits");
        self.0.insert((topic, partition), Waits { record, wait: FIRST, due: Instant::now() + FIRST });
        Ok(())
    }

    /// Tries those whose time has come; how many were read. Their partitions go on.
    pub(super) fn retry(
        &mut self,
        consumer: &BaseConsumer<LogContext>,
        mut read: impl FnMut(Place, &Fetched<'c>) -> Result<(), Unavailable>,
    ) -> Result<u64, String> {
        let now = Instant::now();
        let mut done = TopicPartitionList::new();
        self.0.retain(|(topic, partition), waits| {
            if now < waits.due {
                return true;
            }
            if read((*topic, *partition), &waits.record).is_err() {
                waits.wait = (waits.wait * 2).min(LONGEST);
                waits.due = now + waits.wait;
                return true;
            }
            done.add_partition(topic.name(), *partition);
            false
        });
        if done.count() > 0 {
            tracing::info!(
                partitions = done.count(),
                "the record that could not be read is read, its partition goes on"
            );
            consumer.resume(&done).map_err(|error| error.to_string())?;
        }
        Ok(u64::try_from(done.count()).unwrap_or(0))
    }

    /// The partition is about to be given up. The client would remember its pause, also if it comes again.
    pub(super) fn forget(&mut self, consumer: &BaseConsumer<LogContext>, place: Place) -> Result<(), String> {
        if self.0.remove(&place).is_none() {
            return Ok(());
        }
        let mut list = TopicPartitionList::new();
        list.add_partition(place.0.name(), place.1);
        consumer.resume(&list).map_err(|error| error.to_string())
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

//! What each partition number waits for, and how far it is.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use contracts::Topic;
use pipeline::Start;

use crate::driver::stage::Restore;

/// What one partition number waits for.
pub(super) struct Number {
    pub(super) starts: Vec<Start>,
    pub(super) since: Instant,
    pub(super) records: u64,
    pub(super) places: BTreeMap<Topic, Place>,
}

/// One output partition; from its assignment to its target.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) back: Duration,
    /// Where the partition ended after the offsets were fetched; none until somebody answers.
    pub(super) target: Option<i64>,
    pub(super) begin: i64,
    pub(super) position: i64,
    /// Whether it is read already.
    pub(super) assigned: bool,
}

impl Place {
    pub(super) fn new(back: Duration) -> Self {
        Self { back, target: None, begin: 0, position: 0, assigned: false }
    }

    /// Whether records are to come of it.
    pub(super) fn is_read(&self) -> bool {
        self.assigned && self.target.is_some_and(|target| self.position < target)
    }
}

impl Number {
    pub(super) fn is_done(&self) -> bool {
        self.places.values().all(|place| place.target.is_some_and(|target| place.position >= target))
    }
}

pub(super) fn place(
    topics: &[Restore],
    numbers: &BTreeMap<i32, Number>,
    topic: &str,
    partition: i32,
) -> Option<(Topic, i32)> {
    let topic = topics.iter().map(|restore| restore.topic).find(|known| known.name() == topic)?;
    numbers.contains_key(&partition).then_some((topic, partition))
}

pub(super) fn reach(
    numbers: &mut BTreeMap<i32, Number>,
    (topic, number): (Topic, i32),
    position: i64,
    records: u64,
) {
    if let Some(waits) = numbers.get_mut(&number)
        && let Some(place) = waits.places.get_mut(&topic)
    {
        waits.records += records;
        place.position = position;
    }
}

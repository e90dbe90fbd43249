//! Passes of the keeper over the wanted series of each partition, and its counts.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use pipeline::Epoch;

use crate::rules::attempts::Attempt;
use crate::rules::series::Series;

/// Open requests of a partition: without a terminal event.
pub const OPEN_REQUESTS_MAX: usize = 1_000;

/// The source of the requests.
pub const SOURCE: &str = "keeper";

/// The progress of the keeper in each partition, and its counts.
#[derive(Debug, Default)]
pub(super) struct Keeping {
    pub(super) partitions: BTreeMap<i32, Pass>,
    /// The number of holes that passes have requested or left for later.
    pub(super) found: u64,
    /// The number of originated requests.
    pub(super) requested: u64,
    /// The number of sessions that live bars have completed.
    pub(super) covered: u64,
}

/// The pass over the wanted series of a partition.
#[derive(Debug, Default)]
pub(super) struct Pass {
    /// `None` until the partition is assigned.
    pub(super) epoch: Option<Epoch>,
    /// The coverage that the table had at assignment is restored.
    pub(super) is_loaded: bool,
    /// The requests that the partition had at assignment have been received, so all open ones are held.
    pub(super) is_caught_up: bool,
    /// Monotonic time of the next call.
    pub(super) due: Duration,
    /// The last series that this pass has searched.
    pub(super) last: Option<Series>,
    /// Originated requests that are not read back yet.
    pub(super) sent: BTreeSet<Attempt>,
}

impl Pass {
    /// Returns `true` if what previous owners have requested is known: as covered, noted or held.
    pub(super) const fn is_ready(&self) -> bool {
        self.epoch.is_some() && self.is_loaded && self.is_caught_up
    }
}

impl Keeping {
    pub(super) fn assigned(&mut self, partition: i32, epoch: Epoch) {
        self.partitions.entry(partition).or_default().epoch = Some(epoch);
    }

    pub(super) fn loaded(&mut self, partition: i32) {
        self.partitions.entry(partition).or_default().is_loaded = true;
    }

    pub(super) fn caught_up(&mut self, partition: i32) {
        self.partitions.entry(partition).or_default().is_caught_up = true;
    }

    /// Returns `true` if the requests that the partition had at assignment have been received.
    pub(super) fn is_caught_up(&self, partition: i32) -> bool {
        self.partitions.get(&partition).is_some_and(|pass| pass.is_caught_up)
    }

    pub(super) fn remove(&mut self, partition: i32) {
        self.partitions.remove(&partition);
    }

    /// Notes that a request was read.
    pub(super) fn received(&mut self, partition: i32, backfill_id: &str, attempt: i32) {
        let Some(pass) = self.partitions.get_mut(&partition).filter(|pass| !pass.sent.is_empty()) else {
            return;
        };
        if let Some(attempt) = Attempt::named(backfill_id, attempt) {
            pass.sent.remove(&attempt);
        }
    }

    /// Returns the number of originated requests that are not read back yet.
    pub(super) fn sent(&self) -> usize {
        self.partitions.values().map(|pass| pass.sent.len()).sum()
    }

    /// Returns the time until the next pass over a partition that is `ready`.
    pub(super) fn next_wake(&self, now: Duration, ready: impl Fn(i32) -> bool) -> Option<Duration> {
        let active = self.partitions.iter().filter(|(partition, pass)| pass.is_ready() && ready(**partition));
        active.map(|(_, pass)| pass.due.saturating_sub(now)).min()
    }
}

//! How far a stage is in reading what it needs: a line now and then, with an estimate.

use std::time::{Duration, Instant};

/// How often progress is told.
const TELL_EVERY: Duration = Duration::from_secs(3);

/// One reading of many partitions, from the first that comes until none waits.
pub(super) struct Progress {
    group: String,
    /// Of what.
    what: &'static str,
    since: Option<Instant>,
    told: Option<Instant>,
    partitions: usize,
    records: u64,
}

impl Progress {
    pub(super) fn new(group: &str, what: &'static str) -> Self {
        let group = group.to_owned();
        Self { group, what, since: None, told: None, partitions: 0, records: 0 }
    }

    /// More has come: so many partitions wait now.
    pub(super) fn begin(&mut self, waiting: usize) {
        self.partitions = if self.since.is_some() { self.partitions.max(waiting) } else { waiting };
        self.since.get_or_insert_with(Instant::now);
    }

    /// Nothing waits.
    pub(super) fn is_over(&self) -> bool {
        self.since.is_none()
    }

    /// `read` records more were read; so many partitions still wait, for so many offsets.
    pub(super) fn tell(&mut self, read: u64, waiting: usize, left: i64, stuck: usize) {
        let Some(since) = self.since else { return };
        self.records += read;
        let (group, what, partitions, records) = (&self.group, self.what, self.partitions, self.records);
        let ms = u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX);
        if waiting == 0 {
            tracing::info!(group, what, partitions, records, ms, "restored");
            (self.since, self.told, self.records) = (None, None, 0);
        } else if self.told.unwrap_or(since).elapsed() >= TELL_EVERY {
            self.told = Some(Instant::now());
            let left = u64::try_from(left).unwrap_or(0);
            // Offsets of transaction markers are no records, so this errs on the long side.
            let left_s = (records > 0).then(|| left.saturating_mul(ms) / records / 1_000);
            tracing::info!(group, what, waiting, partitions, records, left, left_s, stuck, "restoring");
        }
    }
}

//! Progress of loading tables or restoring outputs: a log line every few seconds, with an estimate of the time left.

use std::time::{Duration, Instant};

use kit::SaturatingFrom;

const LOG_EVERY: Duration = Duration::from_secs(3);

/// Progress of one load, from the first partition that begins until none is left.
pub(super) struct LoadProgress {
    group: String,
    /// What is being loaded, for the log: `tables`, `global tables` or `outputs`.
    what: &'static str,
    since: Option<Instant>,
    logged: Option<Instant>,
    partitions: usize,
    records: u64,
}

/// What is left of a load.
pub(super) struct Remaining {
    pub(super) partitions: usize,
    pub(super) offsets: i64,
    /// Partitions that wait for a record that cannot be decoded now.
    pub(super) undecoded: usize,
}

impl LoadProgress {
    pub(super) fn new(group: &str, what: &'static str) -> Self {
        let group = group.to_owned();
        Self { group, what, since: None, logged: None, partitions: 0, records: 0 }
    }

    /// Begins a load, or extends the current one to this number of loading partitions.
    pub(super) fn begin(&mut self, loading: usize) {
        self.partitions = if self.since.is_some() { self.partitions.max(loading) } else { loading };
        self.since.get_or_insert_with(Instant::now);
    }

    pub(super) fn is_over(&self) -> bool {
        self.since.is_none()
    }

    /// Counts the `read` records and logs the progress if it is due.
    pub(super) fn update(&mut self, read: u64, remaining: &Remaining) {
        let Some(since) = self.since else { return };
        self.records += read;
        let (group, what, partitions, records) = (&self.group, self.what, self.partitions, self.records);
        let ms = u64::saturating_from(since.elapsed().as_millis());
        let &Remaining { partitions: waiting, offsets, undecoded } = remaining;
        if waiting == 0 {
            tracing::info!(group, what, partitions, records, ms, "load completed");
            (self.since, self.logged, self.records) = (None, None, 0);
        } else if self.logged.unwrap_or(since).elapsed() >= LOG_EVERY {
            self.logged = Some(Instant::now());
            let left = u64::saturating_from(offsets);
            // Offsets of transaction markers are no records, so this overestimates.
            let left_s = (records > 0).then(|| left.saturating_mul(ms) / records / 1_000);
            tracing::info!(group, what, waiting, partitions, records, left, left_s, undecoded, "loading");
        }
    }
}

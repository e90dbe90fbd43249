//! Restoration of ended attempts from the terminal events of previous owners.

use std::time::Duration;

use contracts::Topic;
use domain::window::SLACK_MICROS;
use kafka_io::Restore;

/// Added to the time that is restored: the clocks of brokers and services differ, and a transaction takes time.
const MARGIN: Duration = Duration::from_secs(60);

/// The topics that are restored, and the counts of their records.
pub(super) struct RestoredEnds {
    pub(super) topics: [Restore; 2],
    pub(super) restored: u64,
    /// The number of records without a valid terminal event.
    pub(super) skipped: u64,
}

impl RestoredEnds {
    /// Covers the time in which ended attempts are kept.
    pub(super) fn new(dedup_window: Duration) -> Self {
        let back = dedup_window + Duration::from_micros(SLACK_MICROS.unsigned_abs()) + MARGIN;
        let topics = [Topic::RangeCompleted, Topic::RangeFailed].map(|topic| Restore { topic, back });
        Self { topics, restored: 0, skipped: 0 }
    }
}

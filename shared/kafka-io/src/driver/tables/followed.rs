//! The progress of one followed partition.

use std::time::Instant;

pub(super) struct Followed {
    /// `true` if the consumer reads it, `false` while it waits for a slot.
    pub(super) assigned: bool,
    /// Milliseconds since 1970: records that were appended before are not needed.
    pub(super) since_ms: Option<i64>,
    pub(super) followed_at: Instant,
    pub(super) records: u64,
    /// Unusable records.
    pub(super) skipped: u64,
    pub(super) position: i64,
    /// The end of the partition when following began. `None` until the cluster has returned it.
    pub(super) target: Option<i64>,
    pub(super) loaded: bool,
}

impl Followed {
    pub(super) fn new(since_ms: Option<i64>) -> Self {
        Self {
            assigned: false,
            since_ms,
            followed_at: Instant::now(),
            records: 0,
            skipped: 0,
            position: 0,
            target: None,
            loaded: false,
        }
    }
}

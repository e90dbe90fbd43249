//! Announcements of proposals, deduplicated.
//!
//! A proposal without a current layer of its symbol becomes a qualification (symbol, layer), one with a current layer a promotion
//! (symbol, from, to). Each has its own dedup window (`domain::window`), so that a symbol that left a layer and qualifies again after
//! the window is announced again. Windows belong to partitions: the partition of a symbol has one owner, so two replicas never
//! announce the same.

use std::time::Duration;

use domain::{Layer, Observation, PartitionWindows, Symbol, Timestamp};

/// 24 h, in microseconds.
pub const DEFAULT_WINDOW_MICROS: i64 = 24 * 3_600 * 1_000_000;

/// The content of an announcement; the key of its dedup window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Announcement {
    /// The symbol belongs to this layer now.
    Qualified { symbol: Symbol, layer: Layer },
    /// The symbol moved from one layer to a higher one.
    Promoted { symbol: Symbol, from: Layer, to: Layer },
}

impl Announcement {
    /// Returns the announcement of a proposal.
    #[must_use]
    pub const fn of(symbol: Symbol, from: Option<Layer>, to: Layer) -> Self {
        match from {
            None => Self::Qualified { symbol, layer: to },
            Some(from) => Self::Promoted { symbol, from, to },
        }
    }
}

/// The decision on a proposal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    Announce {
        /// `true` if its occurrence opens a window, `false` if the symbol has a newer window.
        opens: bool,
    },
    /// It was announced within its window.
    Duplicate {
        /// The occurrence that opened the window.
        first_seen: Timestamp,
    },
}

/// The dedup windows of all assigned partitions.
#[derive(Debug)]
pub struct Announcer {
    windows: PartitionWindows<Announcement, ()>,
}

impl Announcer {
    /// Upper bound of the memory of a window, in bytes.
    pub const WINDOW_BYTES_MAX: usize = PartitionWindows::<Announcement, ()>::WINDOW_BYTES_MAX;

    /// Creates an announcer without windows. A window extends `window_micros` before and after its first occurrence; a partition has at
    /// most `partition_windows_max`.
    #[must_use]
    pub const fn new(window_micros: i64, partition_windows_max: usize) -> Self {
        Self { windows: PartitionWindows::new(window_micros, partition_windows_max) }
    }

    /// Restores the window of an announcement that was appended at `announced_at`, and evicts expired windows at `now` (both wall
    /// clock).
    pub fn restore(
        &mut self,
        partition: i32,
        announcement: Announcement,
        occurred_at: Timestamp,
        (announced_at, now): (Timestamp, Timestamp),
    ) {
        let windows = self.windows.of(partition);
        windows.open(announcement, occurred_at, (), announced_at);
        windows.expire(now);
    }

    /// Processes a proposal at `now` (wall clock), which is also the time of its announcement.
    pub fn process(
        &mut self,
        partition: i32,
        announcement: Announcement,
        occurred_at: Timestamp,
        now: Timestamp,
    ) -> Decision {
        let windows = self.windows.of(partition);
        windows.expire(now);
        match windows.observe(announcement, occurred_at) {
            Observation::Inside { first_seen, .. } => Decision::Duplicate { first_seen },
            Observation::Older => Decision::Announce { opens: false },
            Observation::New | Observation::Later => {
                windows.open(announcement, occurred_at, (), now);
                Decision::Announce { opens: true }
            }
        }
    }

    /// Returns the time after its announcement at which a window expires.
    #[must_use]
    pub fn kept(&self) -> Duration {
        Duration::from_micros(self.windows.kept_micros().unsigned_abs())
    }

    /// Returns the number of windows.
    #[must_use]
    pub fn held(&self) -> usize {
        self.windows.len()
    }

    /// Returns the maximum number of windows of the partitions that have any.
    #[must_use]
    pub fn held_max(&self) -> usize {
        self.windows.capacity()
    }

    /// Returns the number of windows of the assigned partitions that were evicted before they expired, because of the maximum.
    #[must_use]
    pub fn evicted_by_bound(&self) -> u64 {
        self.windows.evicted_by_bound()
    }

    /// Evicts the windows that are expired at `now` (wall clock).
    pub fn expire(&mut self, now: Timestamp) {
        self.windows.expire(now);
    }

    /// Drops the windows of a partition.
    pub fn unassigned(&mut self, partition: i32) {
        self.windows.remove(partition);
    }
}

#[cfg(test)]
mod tests {
    use domain::{Layer, Symbol, Timestamp};

    use super::{Announcement, Announcer, DEFAULT_WINDOW_MICROS, Decision};

    const HOUR: i64 = 3_600_000_000;

    fn at(hours: i64) -> Timestamp {
        Timestamp::from_micros(hours * HOUR)
    }

    fn qualified(symbol: &str, layer: Layer) -> Announcement {
        Announcement::of(Symbol::parse(symbol).unwrap(), None, layer)
    }

    fn promoted(symbol: &str, from: Layer, to: Layer) -> Announcement {
        Announcement::of(Symbol::parse(symbol).unwrap(), Some(from), to)
    }

    const OPENS: Decision = Decision::Announce { opens: true };

    fn announcer() -> Announcer {
        Announcer::new(DEFAULT_WINDOW_MICROS, 100)
    }

    fn process(announcer: &mut Announcer, announcement: Announcement, hour: i64) -> Decision {
        announcer.process(0, announcement, at(hour), at(hour))
    }

    #[test]
    fn repeated_proposal_within_the_window_is_a_duplicate() {
        let mut announcer = announcer();
        let aapl = qualified("AAPL", Layer::Liquid);
        assert_eq!(process(&mut announcer, aapl, 100), OPENS);
        assert_eq!(process(&mut announcer, aapl, 100), Decision::Duplicate { first_seen: at(100) });
        assert_eq!(process(&mut announcer, aapl, 124), Decision::Duplicate { first_seen: at(100) });
    }

    #[test]
    fn proposal_after_the_window_is_announced_again() {
        let mut announcer = announcer();
        let aapl = qualified("AAPL", Layer::Liquid);
        assert_eq!(process(&mut announcer, aapl, 100), OPENS);
        assert_eq!(process(&mut announcer, aapl, 125), OPENS);
        assert_eq!(process(&mut announcer, aapl, 149), Decision::Duplicate { first_seen: at(125) });
    }

    #[test]
    fn each_layer_and_promotion_has_its_own_window() {
        let mut announcer = announcer();
        for announcement in [
            qualified("AAPL", Layer::Basic),
            qualified("AAPL", Layer::Active),
            qualified("MSFT", Layer::Active),
            promoted("AAPL", Layer::Basic, Layer::Active),
            promoted("AAPL", Layer::Liquid, Layer::Active),
        ] {
            assert_eq!(process(&mut announcer, announcement, 100), OPENS, "{announcement:?}");
        }
        assert_eq!(announcer.held(), 5);
    }

    #[test]
    fn proposal_before_the_window_is_announced_without_a_window() {
        let mut announcer = announcer();
        let aapl = qualified("AAPL", Layer::Liquid);
        process(&mut announcer, aapl, 100);
        assert_eq!(process(&mut announcer, aapl, 75), Decision::Announce { opens: false });
        assert_eq!(process(&mut announcer, aapl, 76), Decision::Duplicate { first_seen: at(100) });
    }

    #[test]
    fn expired_or_unassigned_window_is_dropped() {
        let mut announcer = announcer();
        let aapl = qualified("AAPL", Layer::Liquid);
        process(&mut announcer, aapl, 100);
        announcer.process(1, qualified("MSFT", Layer::Liquid), at(100), at(100));
        announcer.unassigned(1);
        assert_eq!(announcer.held(), 1);
        announcer.expire(Timestamp::from_micros(124 * HOUR + 300_000_000 - 1));
        assert_eq!(announcer.held(), 1);
        announcer.expire(Timestamp::from_micros(124 * HOUR + 300_000_000));
        assert_eq!(announcer.held(), 0);
    }

    #[test]
    fn excess_window_is_evicted_and_counted() {
        let mut announcer = Announcer::new(DEFAULT_WINDOW_MICROS, 2);
        for symbol in ["A", "B", "C"] {
            process(&mut announcer, qualified(symbol, Layer::Basic), 100);
        }
        assert_eq!((announcer.held(), announcer.evicted_by_bound()), (2, 1));
    }
}

//! A proposal becomes an announcement, once within its window.
//!
//! What is announced is a qualification (symbol, layer), when the proposal names no layer that the symbol comes from, or a promotion
//! (symbol, from, to). Each has a dedup window of its own (`domain::window`), so that a symbol that left a layer and qualifies again
//! after the window is announced again. Windows belong to partitions: a key's partition has one owner, so no replica announces what
//! another did.

use std::time::Duration;

use domain::{Layer, Observation, PartitionWindows, Symbol, Timestamp};

/// 24 h, in microseconds.
pub const DEFAULT_WINDOW_MICROS: i64 = 24 * 3_600 * 1_000_000;

/// What a scanner proposes, and what would be announced of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Announcement {
    /// The symbol belongs to this layer now.
    Qualified {
        /// Which symbol.
        symbol: Symbol,
        /// Its layer.
        layer: Layer,
    },
    /// The symbol rose from one layer to a higher one.
    Promoted {
        /// Which symbol.
        symbol: Symbol,
        /// The layer that it leaves.
        from: Layer,
        /// The layer that it enters.
        to: Layer,
    },
}

impl Announcement {
    /// What a proposal asks to announce.
    #[must_use]
    pub const fn of(symbol: Symbol, from: Option<Layer>, to: Layer) -> Self {
        match from {
            None => Self::Qualified { symbol, layer: to },
            Some(from) => Self::Promoted { symbol, from, to },
        }
    }
}

/// What becomes of a proposal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judgement {
    /// It is announced.
    Announce {
        /// Whether its occurrence opens a window: not when it is older than the one there is.
        opens: bool,
    },
    /// It was announced within the window that this occurrence opened.
    Announced {
        /// The occurrence.
        first_seen: Timestamp,
    },
}

/// The windows of all owned partitions.
#[derive(Debug)]
pub struct Announcer {
    windows: PartitionWindows<Announcement, ()>,
}

impl Announcer {
    /// Nothing announced yet. A window reaches `window_micros` both ways; a partition remembers at most `partition_capacity`.
    #[must_use]
    pub const fn new(window_micros: i64, partition_capacity: usize) -> Self {
        Self { windows: PartitionWindows::new(window_micros, partition_capacity) }
    }

    /// An announcement that opened a window, read again: it was appended at `announced_at` (wall clock), and what is over at `now`
    /// isn't held.
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

    /// Judges a proposal at `now` (wall clock), when its announcement, if it is due one, leaves.
    pub fn process(
        &mut self,
        partition: i32,
        announcement: Announcement,
        occurred_at: Timestamp,
        now: Timestamp,
    ) -> Judgement {
        let windows = self.windows.of(partition);
        windows.expire(now);
        match windows.observe(announcement, occurred_at) {
            Observation::Inside { first_seen, .. } => Judgement::Announced { first_seen },
            Observation::Older => Judgement::Announce { opens: false },
            Observation::New | Observation::Later => {
                windows.open(announcement, occurred_at, (), now);
                Judgement::Announce { opens: true }
            }
        }
    }

    /// How long after its announcement a window is forgotten.
    #[must_use]
    pub fn kept(&self) -> Duration {
        Duration::from_micros(self.windows.kept_micros().unsigned_abs())
    }

    /// How many windows are held.
    #[must_use]
    pub fn held(&self) -> usize {
        self.windows.len()
    }

    /// How many windows the partitions held now had to forget before their time because of the bound.
    #[must_use]
    pub fn forgotten_by_bound(&self) -> u64 {
        self.windows.evicted_by_bound()
    }

    /// Forgets the windows whose time is over at `now` (wall clock).
    pub fn expire(&mut self, now: Timestamp) {
        self.windows.expire(now);
    }

    /// The partition has gone, and its windows with it.
    pub fn released(&mut self, partition: i32) {
        self.windows.remove(partition);
    }
}

#[cfg(test)]
mod tests {
    use domain::{Layer, Symbol, Timestamp};

    use super::{Announcement, Announcer, DEFAULT_WINDOW_MICROS, Judgement};

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

    const OPENS: Judgement = Judgement::Announce { opens: true };

    fn announcer() -> Announcer {
        Announcer::new(DEFAULT_WINDOW_MICROS, 100)
    }

    fn judge(announcer: &mut Announcer, announcement: Announcement, hour: i64) -> Judgement {
        announcer.process(0, announcement, at(hour), at(hour))
    }

    #[test]
    fn a_proposal_is_announced_once_within_a_window() {
        let mut announcer = announcer();
        let aapl = qualified("AAPL", Layer::Liquid);
        assert_eq!(judge(&mut announcer, aapl, 100), OPENS);
        assert_eq!(judge(&mut announcer, aapl, 100), Judgement::Announced { first_seen: at(100) });
        assert_eq!(judge(&mut announcer, aapl, 124), Judgement::Announced { first_seen: at(100) });
    }

    #[test]
    fn a_symbol_that_qualifies_again_after_the_window_is_announced_again() {
        let mut announcer = announcer();
        let aapl = qualified("AAPL", Layer::Liquid);
        assert_eq!(judge(&mut announcer, aapl, 100), OPENS);
        assert_eq!(judge(&mut announcer, aapl, 125), OPENS);
        assert_eq!(judge(&mut announcer, aapl, 149), Judgement::Announced { first_seen: at(125) });
    }

    #[test]
    fn each_layer_and_each_promotion_has_a_window_of_its_own() {
        let mut announcer = announcer();
        for announcement in [
            qualified("AAPL", Layer::Basic),
            qualified("AAPL", Layer::Active),
            qualified("MSFT", Layer::Active),
            promoted("AAPL", Layer::Basic, Layer::Active),
            promoted("AAPL", Layer::Liquid, Layer::Active),
        ] {
            assert_eq!(judge(&mut announcer, announcement, 100), OPENS, "{announcement:?}");
        }
        assert_eq!(announcer.held(), 5);
    }

    #[test]
    fn an_older_proposal_is_announced_and_opens_no_window() {
        let mut announcer = announcer();
        let aapl = qualified("AAPL", Layer::Liquid);
        judge(&mut announcer, aapl, 100);
        assert_eq!(judge(&mut announcer, aapl, 75), Judgement::Announce { opens: false });
        assert_eq!(judge(&mut announcer, aapl, 76), Judgement::Announced { first_seen: at(100) });
    }

    #[test]
    fn windows_end_by_the_clock_and_go_with_their_partition() {
        let mut announcer = announcer();
        let aapl = qualified("AAPL", Layer::Liquid);
        judge(&mut announcer, aapl, 100);
        announcer.process(1, qualified("MSFT", Layer::Liquid), at(100), at(100));
        announcer.released(1);
        assert_eq!(announcer.held(), 1);
        announcer.expire(Timestamp::from_micros(124 * HOUR + 300_000_000 - 1));
        assert_eq!(announcer.held(), 1);
        announcer.expire(Timestamp::from_micros(124 * HOUR + 300_000_000));
        assert_eq!(announcer.held(), 0);
    }

    #[test]
    fn the_windows_are_bounded_in_count() {
        let mut announcer = Announcer::new(DEFAULT_WINDOW_MICROS, 2);
        for symbol in ["A", "B", "C"] {
            judge(&mut announcer, qualified(symbol, Layer::Basic), 100);
        }
        assert_eq!((announcer.held(), announcer.forgotten_by_bound()), (2, 1));
    }
}

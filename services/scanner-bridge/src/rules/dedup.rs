//! Whether an alert says anything that its symbol's window doesn't know.
//!
//! A window keeps, for each feature set, the highest priority at which it was asked for. An alert inside passes when one of its sets is
//! new or was asked for at a lower priority, and then asks for all its sets: nothing urgent is lost. An alert after the window opens
//! the next; one before it passes and opens none (`domain::window`). A `manual` alert isn't judged at all: the caller passes it on.
//!
//! Windows belong to partitions, so that those of a revoked one go with it.
//!
//! **Restored windows.** Requests leave in another order than their alerts came: an urgent one overtakes those that wait. When a
//! partition comes, some of its alerts come again that were judged before others that have left. Each has to find its window as it
//! was at its place, or what left later would cover it. So what requests tell is only kept, and done when the alerts have come as far
//! as the one that did it. This needs no order among requests, nor between the topics that they lie in.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::time::Duration;

use domain::{
    DedupWindows, FeatureSet, FeatureSets, Observation, PartitionWindows, Priority, Symbol, Timestamp,
};

use super::marks::{Mark, Window};

/// What becomes of an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judgement {
    /// It asks for something.
    Passes {
        /// The window that it lies in; none when it is older than its symbol's window.
        window: Option<Window>,
    },
    /// Everything that it asks for was asked for already, at its priority or higher.
    Covered,
}

/// An alert, as far as its window is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asking {
    /// Whose features.
    pub symbol: Symbol,
    /// When the alert occurred.
    pub occurred_at: Timestamp,
    /// What it asks for.
    pub sets: FeatureSets,
    /// How urgently.
    pub priority: Priority,
}

/// What a request tells of one of its alerts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Told {
    /// What the alert did to its symbol's window.
    pub mark: Mark,
    /// What it asked for.
    pub sets: FeatureSets,
    /// How urgently.
    pub priority: Priority,
    /// When the request was appended.
    pub appended_at: Timestamp,
}

/// The windows of all owned partitions.
#[derive(Debug)]
pub struct Dedup {
    windows: PartitionWindows<Symbol, Asked>,
    /// What requests told, by partition and by the alert's offset, until the alerts have come so far.
    told: BTreeMap<i32, BTreeMap<i64, Told>>,
}

impl Dedup {
    /// No windows yet; each reaches `window_micros` both ways, and a partition remembers at most `partition_capacity` of them.
    #[must_use]
    pub const fn new(window_micros: i64, partition_capacity: usize) -> Self {
        let windows = PartitionWindows::new(window_micros, partition_capacity);
        Self { windows, told: BTreeMap::new() }
    }

    /// How long after its first announcement a window is forgotten.
    #[must_use]
    pub fn kept(&self) -> Duration {
        Duration::from_micros(self.windows.kept_micros().unsigned_abs())
    }

    /// What a request of an earlier owner tells of a partition's alert. Of several requests of an alert the first counts.
    pub fn restore(&mut self, partition: i32, told: Told) {
        match self.told.entry(partition).or_default().entry(told.mark.offset) {
            Entry::Vacant(vacant) => {
                vacant.insert(told);
            }
            Entry::Occupied(mut known) if told.appended_at < known.get().appended_at => {
                known.insert(told);
            }
            Entry::Occupied(_) => {}
        }
    }

    /// Judges the alert at `offset` of its partition at `now` (wall clock); one that passes has asked from now on. Its window waits
    /// to be [`Self::announced`].
    pub fn process(&mut self, partition: i32, offset: i64, asking: Asking, now: Timestamp) -> Judgement {
        self.catch_up(partition, offset);
        let Asking { symbol, occurred_at, sets, priority } = asking;
        let windows = self.windows.of(partition);
        windows.expire(now);
        match windows.observe(symbol, occurred_at) {
            Observation::Inside { first_seen, value } => {
                if value.raise(sets, priority) {
                    Judgement::Passes { window: Some(Window { first_seen, is_opened: false }) }
                } else {
                    Judgement::Covered
                }
            }
            Observation::Older => Judgement::Passes { window: None },
            Observation::New | Observation::Later => {
                windows.open_unannounced(symbol, occurred_at, Asked::of(sets, priority));
                Judgement::Passes { window: Some(Window { first_seen: occurred_at, is_opened: true }) }
            }
        }
    }

    /// Does what was told of the alerts up to `offset`, that one included: should it come again although its request has left, it
    /// is covered by itself.
    fn catch_up(&mut self, partition: i32, offset: i64) {
        let Some(told) = self.told.get_mut(&partition) else { return };
        let windows = self.windows.of(partition);
        while let Some(first) = told.first_entry().filter(|first| *first.key() <= offset) {
            first.remove().apply(windows);
        }
        if told.is_empty() {
            self.told.remove(&partition);
        }
    }

    /// A request that tells of this symbol's `window` leaves at `at` (wall clock): from the first on, the window's time runs.
    pub fn announced(&mut self, partition: i32, symbol: Symbol, window: Timestamp, at: Timestamp) {
        self.windows.of(partition).announced(symbol, window, at);
    }

    /// Forgets the windows whose time is over at `now` (wall clock).
    pub fn expire(&mut self, now: Timestamp) {
        self.windows.expire(now);
    }

    /// The partition has gone, and its windows with it, and what was told of them.
    pub fn released(&mut self, partition: i32) {
        self.windows.remove(partition);
        self.told.remove(&partition);
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
}

impl Told {
    /// The window as it was after the alert. One that joined a window that isn't known was the first of it that left, or its window
    /// is over.
    fn apply(self, windows: &mut DedupWindows<Symbol, Asked>) {
        let Self { mark: Mark { symbol, window, .. }, sets, priority, appended_at } = self;
        match windows.observe(symbol, window.first_seen) {
            Observation::Inside { first_seen, value }
                if first_seen == window.first_seen && !window.is_opened =>
            {
                value.raise(sets, priority);
                windows.announced(symbol, first_seen, appended_at);
            }
            _ => windows.open(symbol, window.first_seen, Asked::of(sets, priority), appended_at),
        }
    }
}

/// For each feature set the highest priority at which it was asked for; 0 when it wasn't.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Asked([u8; FeatureSet::ALL.len()]);

impl Asked {
    fn of(sets: FeatureSets, priority: Priority) -> Self {
        let mut asked = Self([0; FeatureSet::ALL.len()]);
        asked.raise(sets, priority);
        asked
    }

    /// Notes that the sets were asked for at this priority; whether that is more than was asked before.
    fn raise(&mut self, sets: FeatureSets, priority: Priority) -> bool {
        let mut is_more = false;
        for set in sets.iter() {
            let highest = &mut self.0[set.index()];
            is_more |= *highest < priority.get();
            *highest = (*highest).max(priority.get());
        }
        is_more
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use domain::{FeatureSet, FeatureSets, Priority, Symbol, Timestamp};
    use proptest::prelude::*;

    use super::{Asking, Dedup, Judgement, Window};

    const PRICE: FeatureSet = FeatureSet::PriceFeatures;
    const VOLUME: FeatureSet = FeatureSet::VolumeFeatures;
    const NEWS: FeatureSet = FeatureSet::NewsFeatures;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000)
    }

    fn asking(second: i64, sets: &[FeatureSet], priority: i64) -> Asking {
        Asking {
            symbol: Symbol::parse("AAPL").unwrap(),
            occurred_at: at(second),
            sets: sets.iter().copied().collect(),
            priority: Priority::clamped(priority),
        }
    }

    fn dedup() -> Dedup {
        Dedup::new(60_000_000, 100)
    }

    fn opens(second: i64) -> Judgement {
        Judgement::Passes { window: Some(Window { first_seen: at(second), is_opened: true }) }
    }

    fn joins(second: i64) -> Judgement {
        Judgement::Passes { window: Some(Window { first_seen: at(second), is_opened: false }) }
    }

    /// No alert comes again, so it doesn't matter where they lie.
    fn process(dedup: &mut Dedup, partition: i32, asking: Asking) -> Judgement {
        dedup.process(partition, 0, asking, at(0))
    }

    #[test]
    fn what_was_asked_already_is_covered() {
        let mut dedup = dedup();
        assert_eq!(process(&mut dedup, 0, asking(100, &[PRICE, VOLUME], 5)), opens(100));
        assert_eq!(process(&mut dedup, 0, asking(130, &[PRICE], 5)), Judgement::Covered);
        assert_eq!(process(&mut dedup, 0, asking(70, &[PRICE, VOLUME], 4)), Judgement::Covered);
    }

    #[test]
    fn a_new_set_or_a_higher_priority_passes_with_all_sets() {
        let mut dedup = dedup();
        assert_eq!(process(&mut dedup, 0, asking(100, &[PRICE], 5)), opens(100));
        assert_eq!(process(&mut dedup, 0, asking(110, &[PRICE, NEWS], 3)), joins(100));
        assert_eq!(process(&mut dedup, 0, asking(120, &[NEWS], 4)), joins(100));
        // A lower priority asked for price again, which doesn't make it less urgent than it was.
        assert_eq!(process(&mut dedup, 0, asking(130, &[PRICE], 5)), Judgement::Covered);
        assert_eq!(process(&mut dedup, 0, asking(130, &[PRICE], 6)), joins(100));
    }

    #[test]
    fn a_later_alert_opens_a_window_and_an_older_one_opens_none() {
        let mut dedup = dedup();
        assert_eq!(process(&mut dedup, 0, asking(100, &[PRICE], 5)), opens(100));
        for _ in 0..2 {
            assert_eq!(process(&mut dedup, 0, asking(39, &[PRICE], 5)), Judgement::Passes { window: None });
        }
        assert_eq!(process(&mut dedup, 0, asking(161, &[PRICE], 5)), opens(161));
        assert_eq!(process(&mut dedup, 0, asking(200, &[PRICE], 5)), Judgement::Covered);
        assert_eq!(dedup.held(), 1);
    }

    #[test]
    fn windows_go_with_their_partition() {
        let mut dedup = dedup();
        process(&mut dedup, 0, asking(100, &[PRICE], 5));
        process(&mut dedup, 1, asking(100, &[PRICE], 5));
        dedup.released(0);
        assert_eq!(dedup.held(), 1);
        assert_eq!(process(&mut dedup, 0, asking(110, &[PRICE], 5)), opens(110));
        assert_eq!(process(&mut dedup, 1, asking(110, &[PRICE], 5)), Judgement::Covered);
    }

    #[test]
    fn a_window_is_forgotten_by_the_clock_from_its_request_on() {
        let mut dedup = dedup();
        process(&mut dedup, 0, asking(100, &[PRICE], 5));
        dedup.expire(at(10_000));
        assert_eq!(dedup.held(), 1);
        dedup.announced(0, asking(100, &[], 5).symbol, at(100), at(10_000));
        dedup.expire(at(10_359));
        assert_eq!(dedup.held(), 1);
        dedup.expire(at(10_360));
        assert_eq!(dedup.held(), 0);
    }

    fn any_asking() -> impl Strategy<Value = Asking> {
        (0..400_i64, prop::collection::vec(0..4_usize, 1..4), 1..=10_i64).prop_map(
            |(second, sets, priority)| {
                let sets: Vec<_> = sets.into_iter().map(|place| FeatureSet::ALL[place]).collect();
                asking(second, &sets, priority)
            },
        )
    }

    proptest! {
        /// Whatever is covered was asked for, in a window that it lies in, at its priority or higher.
        #[test]
        fn nothing_urgent_is_lost(alerts in prop::collection::vec(any_asking(), 1..60)) {
            let mut dedup = dedup();
            // By window: the highest priority that passed for each set.
            let mut asked: BTreeMap<(Timestamp, FeatureSet), Priority> = BTreeMap::new();
            let mut newest = None;
            for alert in alerts {
                match process(&mut dedup, 0, alert) {
                    Judgement::Passes { window: None } => {}
                    Judgement::Passes { window: Some(Window { first_seen: window, .. }) } => {
                        newest = Some(window);
                        for set in alert.sets.iter() {
                            let highest = asked.entry((window, set)).or_insert(alert.priority);
                            *highest = alert.priority.max(*highest);
                        }
                    }
                    Judgement::Covered => {
                        let window = newest.unwrap();
                        prop_assert!(alert.occurred_at.micros_since(window).abs() <= 60_000_000);
                        for set in alert.sets.iter() {
                            prop_assert!(asked.get(&(window, set)).is_some_and(|p| *p >= alert.priority));
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn no_sets_ask_for_nothing() {
        let mut dedup = dedup();
        process(&mut dedup, 0, asking(100, &[PRICE], 5));
        assert_eq!(
            process(&mut dedup, 0, Asking { sets: FeatureSets::EMPTY, ..asking(100, &[], 9) }),
            Judgement::Covered
        );
    }
}

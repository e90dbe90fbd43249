//! Deduplication: drops alerts that add nothing to the dedup window of their symbol.
//!
//! A window stores the highest requested priority per feature set. An alert in the window passes if one of its sets is new or was
//! requested at a lower priority, and then requests all its sets, so that nothing urgent is lost. An alert after the window opens the
//! next one; one before it passes and opens none (`domain::window`). Alerts of type `manual` are not processed here.
//!
//! Windows belong to partitions and are dropped with them.
//!
//! **Restored windows.** Requests are emitted in another order than their alerts arrived: urgent ones first. After a restart, some
//! alerts are redelivered although alerts after them were already requested. Each of them must be processed with the window as it was
//! before the alert; with the later window, it would be dropped as a duplicate. So a restored alert is applied to its window only
//! when an alert of the same or a higher offset is processed. This requires no order among requests, nor between their topics.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::time::Duration;

use domain::{
    DedupWindows, FeatureSet, FeatureSets, Observation, PartitionWindows, Priority, Symbol, Timestamp,
};

use super::windows::{Window, WindowedAlert};

/// The decision on an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    Pass {
        /// Its window. `None` if the alert is older than the window of its symbol.
        window: Option<Window>,
    },
    /// All its sets were requested within the window, at its priority or a higher one.
    Duplicate,
}

/// The properties of an alert that deduplication compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Occurrence {
    pub symbol: Symbol,
    pub occurred_at: Timestamp,
    /// The feature sets that it requests.
    pub sets: FeatureSets,
    pub priority: Priority,
}

/// An alert of a committed request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RestoredAlert {
    pub alert: WindowedAlert,
    /// The feature sets that it requested.
    pub sets: FeatureSets,
    pub priority: Priority,
    /// The append time of the request.
    pub appended_at: Timestamp,
}

/// The dedup windows of all assigned partitions.
#[derive(Debug)]
pub struct Dedup {
    windows: PartitionWindows<Symbol, RequestedPriorities>,
    /// The restored alerts that are not applied yet, by partition.
    restored: BTreeMap<i32, RestoredAlerts>,
}

/// The restored alerts of a partition that are not applied yet.
#[derive(Debug)]
struct RestoredAlerts {
    by_offset: BTreeMap<i64, RestoredAlert>,
    /// The latest append time of their requests.
    last_appended_at: Timestamp,
}

impl Dedup {
    /// Upper bound of the memory of a window, in bytes.
    pub const WINDOW_BYTES_MAX: usize = PartitionWindows::<Symbol, RequestedPriorities>::WINDOW_BYTES_MAX;
    /// Creates deduplication without windows. A window extends `window_micros` before and after its first occurrence; a partition has
    /// at most `partition_windows_max`.
    #[must_use]
    pub const fn new(window_micros: i64, partition_windows_max: usize) -> Self {
        let windows = PartitionWindows::new(window_micros, partition_windows_max);
        Self { windows, restored: BTreeMap::new() }
    }

    /// Returns the time after its first announcement at which a window expires.
    #[must_use]
    pub fn kept(&self) -> Duration {
        Duration::from_micros(self.windows.kept_micros().unsigned_abs())
    }

    /// Adds an alert from a request of an earlier owner of the partition. If several requests contain the alert, the first counts.
    pub fn restore(&mut self, partition: i32, restored: RestoredAlert) {
        let alerts = self.restored.entry(partition).or_insert_with(|| RestoredAlerts {
            by_offset: BTreeMap::new(),
            last_appended_at: restored.appended_at,
        });
        alerts.last_appended_at = alerts.last_appended_at.max(restored.appended_at);
        match alerts.by_offset.entry(restored.alert.offset) {
            Entry::Vacant(vacant) => {
                vacant.insert(restored);
            }
            Entry::Occupied(mut existing) if restored.appended_at < existing.get().appended_at => {
                existing.insert(restored);
            }
            Entry::Occupied(_) => {}
        }
    }

    /// Processes the alert at `offset` of its partition at `now` (wall clock). If it passes, its sets count as requested, and its
    /// window does not expire until [`Self::announced`].
    pub fn process(
        &mut self,
        partition: i32,
        offset: i64,
        occurrence: Occurrence,
        now: Timestamp,
    ) -> Decision {
        self.apply_restored(partition, offset);
        let Occurrence { symbol, occurred_at, sets, priority } = occurrence;
        let windows = self.windows.of(partition);
        windows.expire(now);
        match windows.observe(symbol, occurred_at) {
            Observation::Inside { first_seen, value } => {
                if value.raise(sets, priority) {
                    Decision::Pass { window: Some(Window { first_seen, is_opened: false }) }
                } else {
                    Decision::Duplicate
                }
            }
            Observation::Older => Decision::Pass { window: None },
            Observation::New | Observation::Later => {
                windows.open_unannounced(symbol, occurred_at, RequestedPriorities::of(sets, priority));
                Decision::Pass { window: Some(Window { first_seen: occurred_at, is_opened: true }) }
            }
        }
    }

    /// Applies the restored alerts up to and including `offset`, so that an alert that is redelivered although its request is
    /// committed is a duplicate of itself.
    fn apply_restored(&mut self, partition: i32, offset: i64) {
        let Some(RestoredAlerts { by_offset, .. }) = self.restored.get_mut(&partition) else { return };
        let windows = self.windows.of(partition);
        while let Some(first) = by_offset.first_entry().filter(|first| *first.key() <= offset) {
            first.remove().apply(windows);
        }
        if by_offset.is_empty() {
            self.restored.remove(&partition);
        }
    }

    /// Records that a request with this symbol's `window` is emitted at `at` (wall clock). The first one starts the window's expiry.
    pub fn announced(&mut self, partition: i32, symbol: Symbol, window: Timestamp, at: Timestamp) {
        self.windows.of(partition).announced(symbol, window, at);
    }

    /// Evicts the windows that are expired at `now` (wall clock), and the restored alerts of a partition once the windows of all of
    /// them would be: no alert applies them if the partition has no traffic.
    pub fn expire(&mut self, now: Timestamp) {
        self.windows.expire(now);
        let kept_micros = self.windows.kept_micros();
        self.restored.retain(|_, alerts| now.micros_since(alerts.last_appended_at) < kept_micros);
    }

    /// Drops the windows and the restored alerts of a partition.
    pub fn unassigned(&mut self, partition: i32) {
        self.windows.remove(partition);
        self.restored.remove(&partition);
    }

    /// Returns `true` if there are neither windows nor restored alerts, so that nothing can expire.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.windows.is_empty() && self.restored.is_empty()
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
}

impl RestoredAlert {
    /// Brings the window to its state after the alert. Only the alert that opened a window opens it. An alert that joined one has a
    /// higher offset: the one that opened it was restored or redelivered before.
    fn apply(self, windows: &mut DedupWindows<Symbol, RequestedPriorities>) {
        let Self { alert: WindowedAlert { symbol, window, .. }, sets, priority, appended_at } = self;
        match windows.observe(symbol, window.first_seen) {
            Observation::Inside { first_seen, value }
                if first_seen == window.first_seen && !window.is_opened =>
            {
                value.raise(sets, priority);
                windows.announced(symbol, first_seen, appended_at);
            }
            _ if window.is_opened => {
                windows.open(symbol, window.first_seen, RequestedPriorities::of(sets, priority), appended_at);
            }
            // The window that the alert joined has been removed or replaced, although its request may have been written after that.
            _ => {}
        }
    }
}

/// The highest requested priority per feature set; 0 if the set was not requested.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct RequestedPriorities([u8; FeatureSet::ALL.len()]);

impl RequestedPriorities {
    fn of(sets: FeatureSets, priority: Priority) -> Self {
        let mut requested = Self([0; FeatureSet::ALL.len()]);
        requested.raise(sets, priority);
        requested
    }

    /// Records a request of the sets at this priority. Returns `true` if a set is new or was requested at a lower priority.
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

    use super::{Decision, Dedup, Occurrence, RestoredAlert, Window, WindowedAlert};

    const PRICE: FeatureSet = FeatureSet::PriceFeatures;
    const VOLUME: FeatureSet = FeatureSet::VolumeFeatures;
    const NEWS: FeatureSet = FeatureSet::NewsFeatures;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000)
    }

    fn occurrence(second: i64, sets: &[FeatureSet], priority: i64) -> Occurrence {
        Occurrence {
            symbol: Symbol::parse("AAPL").unwrap(),
            occurred_at: at(second),
            sets: sets.iter().copied().collect(),
            priority: Priority::clamped(priority),
        }
    }

    fn dedup() -> Dedup {
        Dedup::new(60_000_000, 100)
    }

    fn opens(second: i64) -> Decision {
        Decision::Pass { window: Some(Window { first_seen: at(second), is_opened: true }) }
    }

    fn joins(second: i64) -> Decision {
        Decision::Pass { window: Some(Window { first_seen: at(second), is_opened: false }) }
    }

    /// Processes an alert that is not redelivered, so its offset does not matter.
    fn process(dedup: &mut Dedup, partition: i32, occurrence: Occurrence) -> Decision {
        dedup.process(partition, 0, occurrence, at(0))
    }

    #[test]
    fn alert_with_requested_sets_is_a_duplicate() {
        let mut dedup = dedup();
        assert_eq!(process(&mut dedup, 0, occurrence(100, &[PRICE, VOLUME], 5)), opens(100));
        assert_eq!(process(&mut dedup, 0, occurrence(130, &[PRICE], 5)), Decision::Duplicate);
        assert_eq!(process(&mut dedup, 0, occurrence(70, &[PRICE, VOLUME], 4)), Decision::Duplicate);
    }

    #[test]
    fn new_set_or_higher_priority_passes_with_all_sets() {
        let mut dedup = dedup();
        assert_eq!(process(&mut dedup, 0, occurrence(100, &[PRICE], 5)), opens(100));
        assert_eq!(process(&mut dedup, 0, occurrence(110, &[PRICE, NEWS], 3)), joins(100));
        assert_eq!(process(&mut dedup, 0, occurrence(120, &[NEWS], 4)), joins(100));
        // Price was requested again at a lower priority, which does not lower its highest priority.
        assert_eq!(process(&mut dedup, 0, occurrence(130, &[PRICE], 5)), Decision::Duplicate);
        assert_eq!(process(&mut dedup, 0, occurrence(130, &[PRICE], 6)), joins(100));
    }

    #[test]
    fn later_alert_opens_a_window_and_older_one_opens_none() {
        let mut dedup = dedup();
        assert_eq!(process(&mut dedup, 0, occurrence(100, &[PRICE], 5)), opens(100));
        for _ in 0..2 {
            assert_eq!(process(&mut dedup, 0, occurrence(39, &[PRICE], 5)), Decision::Pass { window: None });
        }
        assert_eq!(process(&mut dedup, 0, occurrence(161, &[PRICE], 5)), opens(161));
        assert_eq!(process(&mut dedup, 0, occurrence(200, &[PRICE], 5)), Decision::Duplicate);
        assert_eq!(dedup.held(), 1);
    }

    #[test]
    fn windows_are_dropped_with_their_partition() {
        let mut dedup = dedup();
        process(&mut dedup, 0, occurrence(100, &[PRICE], 5));
        process(&mut dedup, 1, occurrence(100, &[PRICE], 5));
        dedup.unassigned(0);
        assert_eq!(dedup.held(), 1);
        assert_eq!(process(&mut dedup, 0, occurrence(110, &[PRICE], 5)), opens(110));
        assert_eq!(process(&mut dedup, 1, occurrence(110, &[PRICE], 5)), Decision::Duplicate);
    }

    #[test]
    fn window_expires_after_its_first_request() {
        let mut dedup = dedup();
        process(&mut dedup, 0, occurrence(100, &[PRICE], 5));
        dedup.expire(at(10_000));
        assert_eq!(dedup.held(), 1);
        dedup.announced(0, occurrence(100, &[], 5).symbol, at(100), at(10_000));
        dedup.expire(at(10_359));
        assert_eq!(dedup.held(), 1);
        dedup.expire(at(10_360));
        assert_eq!(dedup.held(), 0);
    }

    #[test]
    fn expired_window_is_not_opened_by_a_late_request() {
        let mut dedup = dedup();
        let Occurrence { symbol, sets, priority, .. } = occurrence(100, &[PRICE], 5);
        let restored = |offset, is_opened, second| {
            let window = Window { first_seen: at(100), is_opened };
            let alert = WindowedAlert { symbol, offset, window };
            RestoredAlert { alert, sets, priority, appended_at: at(second) }
        };
        // The third alert joined the window in time; its request was written after the window had expired.
        dedup.restore(0, restored(1, true, 110));
        dedup.restore(0, restored(3, false, 490));
        let other = Occurrence { symbol: Symbol::parse("MSFT").unwrap(), ..occurrence(100, &[PRICE], 5) };
        assert_eq!(dedup.process(0, 2, other, at(500)), opens(100));
        assert_eq!(dedup.process(0, 4, occurrence(130, &[PRICE], 5), at(500)), opens(130));
    }

    fn any_occurrence() -> impl Strategy<Value = Occurrence> {
        (0..400_i64, prop::collection::vec(0..4_usize, 1..4), 1..=10_i64).prop_map(
            |(second, sets, priority)| {
                let sets: Vec<_> = sets.into_iter().map(|index| FeatureSet::ALL[index]).collect();
                occurrence(second, &sets, priority)
            },
        )
    }

    proptest! {
        /// Every duplicate was requested, in a window that contains it, at its priority or a higher one.
        #[test]
        fn every_duplicate_was_requested_in_its_window(alerts in prop::collection::vec(any_occurrence(), 1..60)) {
            let mut dedup = dedup();
            // By window: the highest priority that passed for each set.
            let mut requested: BTreeMap<(Timestamp, FeatureSet), Priority> = BTreeMap::new();
            let mut newest = None;
            for alert in alerts {
                match process(&mut dedup, 0, alert) {
                    Decision::Pass { window: None } => {}
                    Decision::Pass { window: Some(Window { first_seen: window, .. }) } => {
                        newest = Some(window);
                        for set in alert.sets.iter() {
                            let highest = requested.entry((window, set)).or_insert(alert.priority);
                            *highest = alert.priority.max(*highest);
                        }
                    }
                    Decision::Duplicate => {
                        let window = newest.unwrap();
                        prop_assert!(alert.occurred_at.micros_since(window).abs() <= 60_000_000);
                        for set in alert.sets.iter() {
                            prop_assert!(requested.get(&(window, set)).is_some_and(|p| *p >= alert.priority));
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn alert_without_sets_is_a_duplicate() {
        let mut dedup = dedup();
        process(&mut dedup, 0, occurrence(100, &[PRICE], 5));
        assert_eq!(
            process(&mut dedup, 0, Occurrence { sets: FeatureSets::EMPTY, ..occurrence(100, &[], 9) }),
            Decision::Duplicate
        );
    }
}

//! Keeper: finds the holes of a wanted series, which no request of the last day contains.
//!
//! ```text
//!  slots    │ ─ covered ─ │ · · · │ ─ covered ─ │ · · │ requested │ · · · │ not final
//!        wanted.from        hole                  hole  a day ago     newest hole
//! ```
//! A hole is a run of consecutive slots of the calendar that are final, not covered, and not part of a request of the keeper within the last
//! day. The newest hole, which contains the last final slot, may be requested again after twice its timeframe. Below a day a hole has at
//! least `hole_bars` slots: a thin symbol does not trade in each minute.
//!
//! A covered slot without a bar is not a hole. Nor is one with a live bar, which counts as covered here (`super::live_bars`).

use std::time::Duration;

use domain::{Interval, IntervalSet, Layer, Timeframe, Timestamp};
use kit::SaturatingFrom;

use super::calendar_slots::{Slots, last_slot_before, slots};
use super::finality::final_before;

/// The time after which a hole may be requested again.
const REQUESTED_MICROS: i64 = 24 * 3_600_000_000;

/// The time after which a requested range is removed, if no hole contains it any more: longer than every wait.
const KEPT_MICROS: i64 = 3 * REQUESTED_MICROS;

/// The requested ranges that a series keeps at most; the contract allows no more.
pub const REQUESTED_MAX: usize = 100;

/// The demand for a series: the newest qualification or promotion that wanted it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    pub layer: Layer,
    /// The start of the wanted history.
    pub from: Timestamp,
    /// The time of the qualification or promotion.
    pub at: Timestamp,
}

/// A range that the keeper has requested and that is not covered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestedRange {
    pub range: Interval,
    /// The time of the request.
    pub at: Timestamp,
    /// From 1.
    pub attempt: i32,
}

/// The content of a coverage record that the keeper reads and writes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeptSeries {
    pub wanted: Option<Wanted>,
    /// In the order of the requests.
    pub requested: Vec<RequestedRange>,
}

/// A range to request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hole {
    /// From the first slot or the end of the coverage before it, until the last slot or the coverage after it, so that the coverage of
    /// neighbouring holes becomes one interval.
    pub range: Interval,
    pub slots: i64,
    /// The number of the attempt.
    pub attempt: i32,
}

/// The rules of the keeper.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keeper {
    /// The time for which a series is kept complete after it was last wanted.
    pub keep: Duration,
    /// The minimum number of slots of a hole below a day.
    pub hole_bars: i64,
    /// The time after the close of a bar below a day until it is final.
    pub settle: Duration,
    /// The number of the newest sessions that are fetched again each day, because their source may have restated them.
    pub restated_sessions: u32,
}

/// Consecutive slots: the last ones, and the range of the parts that contain them.
#[derive(Debug, Clone, Copy)]
struct Run {
    last: Slots,
    slots: i64,
    range: Interval,
}

impl Keeper {
    /// Returns the holes of a series at `now`, in order.
    #[must_use]
    pub fn holes(
        &self,
        timeframe: Timeframe,
        series: &KeptSeries,
        covered: &IntervalSet,
        now: Timestamp,
    ) -> Vec<Hole> {
        let Some(wanted) = self.demand(series, now) else { return Vec::new() };
        let end = final_before(timeframe, self.settle, now);
        let Ok(within) = Interval::new(wanted.from, end) else { return Vec::new() };
        let newest = last_slot_before(timeframe, end);
        let slots_min = if timeframe.minutes().is_some() { self.hole_bars.max(1) } else { 1 };
        let mut holes = Vec::new();
        for run in runs(timeframe, covered.missing(within)) {
            let is_newest = Some(run.last.last) == newest;
            let wait = if is_newest { 2 * timeframe_micros(timeframe) } else { REQUESTED_MICROS };
            let is_recent = |request: &&RequestedRange| now.micros_since(request.at) < wait;
            let recent: IntervalSet =
                series.requested.iter().filter(is_recent).map(|request| request.range).collect();
            let parts = covered.missing(run.range).into_iter().flat_map(|part| recent.missing(part));
            let open = runs(timeframe, parts).into_iter().filter(|run| run.slots >= slots_min);
            holes.extend(open.map(|run| series.hole(&run)));
        }
        holes
    }

    /// Returns the demand for a series. `None` if it is not kept complete at `now`.
    #[must_use]
    pub fn demand(&self, series: &KeptSeries, now: Timestamp) -> Option<Wanted> {
        let keep_micros = i64::saturating_from(self.keep.as_micros());
        series.wanted.filter(|wanted| now.micros_since(wanted.at) <= keep_micros)
    }

    /// Returns the requested ranges after these holes were requested at `now`: without those that are covered or requested again.
    #[must_use]
    pub fn requested(
        timeframe: Timeframe,
        series: &KeptSeries,
        covered: &IntervalSet,
        holes: &[Hole],
        now: Timestamp,
    ) -> Vec<RequestedRange> {
        let is_again = |request: &RequestedRange| {
            holes.iter().any(|hole| hole.range.intersection(request.range).is_some())
        };
        let is_old = |request: &RequestedRange| now.micros_since(request.at) > KEPT_MICROS;
        let mut requested = series.uncovered(timeframe, covered);
        requested.retain(|request| !is_again(request) && !is_old(request));
        requested.extend(holes.iter().map(|hole| RequestedRange {
            range: hole.range,
            at: now,
            attempt: hole.attempt,
        }));
        requested
    }
}

impl KeptSeries {
    /// Returns `true` if there is nothing to keep.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.wanted.is_none() && self.requested.is_empty()
    }

    /// Returns the requested ranges with a slot that is not covered.
    #[must_use]
    pub fn uncovered(&self, timeframe: Timeframe, covered: &IntervalSet) -> Vec<RequestedRange> {
        let has_open_slot = |request: &&RequestedRange| {
            covered.missing(request.range).into_iter().any(|part| slots(timeframe, part).next().is_some())
        };
        self.requested.iter().filter(has_open_slot).copied().collect()
    }

    fn hole(&self, run: &Run) -> Hole {
        let before = self.requested.iter().filter(|request| request.range.intersection(run.range).is_some());
        let attempt = before.map(|request| request.attempt).max().unwrap_or(0).saturating_add(1);
        // A range on the wire is longer than an instant.
        let last = run.range.last().max(run.range.start().saturating_add_micros(1));
        let range = Interval::from_inclusive(run.range.start(), last).unwrap_or(run.range);
        Hole { range, slots: run.slots, attempt }
    }
}

/// Returns the runs of consecutive slots in these parts, which are in order.
fn runs(timeframe: Timeframe, parts: impl IntoIterator<Item = Interval>) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for part in parts {
        for session in slots(timeframe, part) {
            match runs.last_mut().filter(|run| run.last.touches(&session)) {
                Some(run) => {
                    run.last = session;
                    run.slots += session.count;
                    run.range = run.range.hull(part);
                }
                None => runs.push(Run { last: session, slots: session.count, range: part }),
            }
        }
    }
    runs
}

fn timeframe_micros(timeframe: Timeframe) -> i64 {
    timeframe.minutes().unwrap_or(24 * 60) * 60_000_000
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use domain::{Interval, IntervalSet, Layer, Timeframe, Timestamp};

    use super::{Hole, Keeper, KeptSeries, RequestedRange, Wanted};

    const KEEPER: Keeper = Keeper {
        keep: Duration::from_secs(30 * 86_400),
        hole_bars: 3,
        settle: Duration::from_secs(900),
        restated_sessions: 0,
    };

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    fn range(start: &str, end: &str) -> Interval {
        Interval::new(at(start), at(end)).unwrap()
    }

    /// Wanted since the morning of Friday, 2024-03-15.
    fn series() -> KeptSeries {
        let (from, wanted_at) = (at("2024-03-15T04:00:00Z"), at("2024-03-15T20:00:00Z"));
        let wanted = Some(Wanted { layer: Layer::Active, from, at: wanted_at });
        KeptSeries { wanted, requested: Vec::new() }
    }

    fn ranges(holes: &[Hole]) -> Vec<(Interval, i64, i32)> {
        holes.iter().map(|hole| (hole.range, hole.slots, hole.attempt)).collect()
    }

    #[test]
    fn hole_below_a_day_has_at_least_three_slots() {
        // Minutes from 13:30Z; at 20:30Z those before 20:00Z are final.
        let (now, minute) = (at("2024-03-15T20:30:00Z"), Timeframe::Minute1);
        let all = range("2024-03-15T04:00:00Z", "2024-03-15T20:30:00Z");
        let without = |cut: Interval| -> IntervalSet {
            [cut].into_iter().collect::<IntervalSet>().missing(all).into_iter().collect()
        };
        let two = without(range("2024-03-15T15:00:00Z", "2024-03-15T15:02:00Z"));
        assert_eq!(KEEPER.holes(minute, &series(), &two, now), []);
        let cut = range("2024-03-15T15:00:00Z", "2024-03-15T15:03:00Z");
        assert_eq!(ranges(&KEEPER.holes(minute, &series(), &without(cut), now)), [(cut, 3, 1)]);
        let day = without(range("2024-03-15T04:00:00Z", "2024-03-15T04:00:01Z"));
        let next = at("2024-03-16T12:00:00Z");
        assert_eq!(KEEPER.holes(Timeframe::Day1, &series(), &day, next).len(), 1);
    }

    #[test]
    fn newest_hole_is_requested_after_twice_its_timeframe() {
        let (minute, covered) = (Timeframe::Minute1, IntervalSet::new());
        let hole = range("2024-03-15T04:00:00Z", "2024-03-15T14:00:00.000001Z");
        let requested_at = at("2024-03-15T14:16:00Z");
        let first = KEEPER.holes(minute, &series(), &covered, requested_at);
        assert_eq!(ranges(&first), [(hole, 30 + 1, 1)]);
        let requested = Keeper::requested(minute, &series(), &covered, &first, requested_at);
        let noted = KeptSeries { requested, ..series() };
        let later = |micros| requested_at.saturating_add_micros(micros);
        assert_eq!(KEEPER.holes(minute, &noted, &covered, later(119_999_999)), []);
        let again = KEEPER.holes(minute, &noted, &covered, later(120_000_000));
        assert_eq!(again.iter().map(|hole| (hole.slots, hole.attempt)).collect::<Vec<_>>(), [(33, 2)]);
        let replaced = Keeper::requested(minute, &noted, &covered, &again, later(120_000_000));
        assert_eq!(replaced.iter().map(|requested| requested.attempt).collect::<Vec<_>>(), [2]);
    }

    #[test]
    fn covered_and_old_ranges_are_not_kept() {
        let (day, now) = (Timeframe::Day1, at("2024-03-21T12:00:00Z"));
        let of = |start: &str, end: &str, age_days: i64| RequestedRange {
            range: range(start, end),
            at: now.saturating_add_micros(-age_days * 86_400_000_000),
            attempt: 1,
        };
        let covered_one = of("2024-03-15T04:00:00Z", "2024-03-16T04:00:00Z", 0);
        let open_one = of("2024-03-18T04:00:00Z", "2024-03-19T04:00:00Z", 3);
        let old_one = of("2024-03-19T04:00:00Z", "2024-03-20T04:00:00Z", 4);
        let kept = KeptSeries { requested: vec![covered_one, open_one, old_one], ..series() };
        let covered: IntervalSet =
            [range("2024-03-15T04:00:00Z", "2024-03-15T04:00:01Z")].into_iter().collect();
        assert_eq!(Keeper::requested(day, &kept, &covered, &[], now), [open_one]);
    }

    #[test]
    fn range_of_one_slot_is_longer_than_an_instant() {
        let wanted = Wanted { from: at("2024-03-15T04:00:00Z"), ..series().wanted.unwrap() };
        let covered = [range("2024-03-15T04:00:00.000001Z", "2024-03-18T00:00:00Z")].into_iter().collect();
        let kept = KeptSeries { wanted: Some(wanted), ..series() };
        let holes = KEEPER.holes(Timeframe::Day1, &kept, &covered, at("2024-03-16T12:00:00Z"));
        let one = Interval::from_inclusive(wanted.from, wanted.from.saturating_add_micros(1)).unwrap();
        assert_eq!(ranges(&holes), [(one, 1, 1)]);
    }
}

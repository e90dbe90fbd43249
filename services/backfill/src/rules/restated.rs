//! Restated sessions: the newest covered sessions of a series, which are fetched again once a day, because their source may have corrected them.
//!
//! ```text
//!  day bars   │ ─────────────── covered ─────────────── │ newest session │ not final
//!                             │ ─ fetched again ─ │      requested as a hole, or completed by a live bar
//! ```
//! The day is the one on which the newest session becomes final. Day bars decide, which every layer has. That it is decided once follows from
//! their record: before, the newest session is neither covered nor requested; the emission that changes that also requests the earlier ones.

use domain::calendar::{date_of, day_open};
use domain::{Interval, IntervalSet, Timeframe, Timestamp};

use super::calendar_slots::{last_slot_before, previous_session, slots};
use super::finality::final_before;
use super::keeper::{Hole, Keeper, KeptSeries, Wanted};

/// The change of the day bars of a symbol by an emission.
#[derive(Debug, Clone, Copy)]
pub struct DayChange<'a> {
    pub wanted: Wanted,
    /// The record before.
    pub kept: &'a KeptSeries,
    /// The coverage before.
    pub covered: &'a IntervalSet,
    /// The sessions that live bars complete.
    pub sessions: &'a [Interval],
    /// The holes that are requested.
    pub holes: &'a [Hole],
}

impl Keeper {
    /// Returns the range to fetch again at `now`. `None` if the newest session does not change or was requested before, or nothing
    /// earlier is covered.
    #[must_use]
    pub fn restated(&self, change: &DayChange<'_>, now: Timestamp) -> Option<Interval> {
        let day = Timeframe::Day1;
        let newest = last_slot_before(day, final_before(day, self.settle, now))?;
        if change.kept.requested.iter().any(|requested| requested.range.contains(newest)) {
            return None;
        }
        let is_completed = change.sessions.iter().any(|session| session.contains(newest));
        let end = match change.holes.iter().find(|hole| hole.range.contains(newest)) {
            Some(hole) => hole.range.start(),
            None if is_completed => day_open(date_of(newest).tomorrow().ok()?),
            None => return None,
        };
        let before = |date| previous_session(date).unwrap_or(date);
        let first = (1..self.restated_sessions).fold(date_of(newest), |date, _| before(date));
        let range = Interval::new(day_open(first).max(change.wanted.from), end).ok()?;
        let is_covered = |part| slots(day, part).next().is_some();
        let has_covered = change.covered.covered(range).into_iter().any(is_covered);
        (self.restated_sessions > 0 && (has_covered || is_completed)).then_some(range)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use domain::{Interval, IntervalSet, Layer, Timestamp};

    use super::DayChange;
    use crate::rules::keeper::{Hole, Keeper, KeptSeries, RequestedRange, Wanted};

    /// 04:00 in New York after the session of Tuesday, 2024-03-19.
    const NOW: &str = "2024-03-20T08:00:00Z";

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    fn dates(first: &str, after: &str) -> Interval {
        let midnight = |date: &str| at(&format!("{date}T04:00:00Z"));
        Interval::new(midnight(first), midnight(after)).unwrap()
    }

    /// The range that is fetched again, if coverage reaches until before `covered_to` and the newest session is completed or requested.
    fn restated(sessions: u32, from: &str, is_completed: bool, kept: &KeptSeries) -> Option<Interval> {
        let settle = Duration::from_secs(900);
        let keeper = Keeper { keep: Duration::MAX, hole_bars: 3, settle, restated_sessions: sessions };
        let newest = dates("2024-03-19", "2024-03-20");
        let covered: IntervalSet = [dates("2024-03-11", "2024-03-19")].into_iter().collect();
        let hole = Hole { range: newest, slots: 1, attempt: 1 };
        let (sessions, holes): (&[_], &[_]) = if is_completed { (&[newest], &[]) } else { (&[], &[hole]) };
        let wanted = Wanted { layer: Layer::Basic, from: at(from), at: at(NOW) };
        keeper.restated(&DayChange { wanted, kept, covered: &covered, sessions, holes }, at(NOW))
    }

    #[test]
    fn newest_sessions_are_fetched_again_when_one_more_is_final() {
        let (from, kept) = ("2024-03-11T04:00:00Z", KeptSeries::default());
        // Friday, Monday, and Tuesday.
        assert_eq!(restated(3, from, true, &kept), Some(dates("2024-03-15", "2024-03-20")));
        assert_eq!(restated(3, from, false, &kept), Some(dates("2024-03-15", "2024-03-19")));
        assert_eq!(restated(1, from, true, &kept), Some(dates("2024-03-19", "2024-03-20")));
        assert_eq!(restated(1, from, false, &kept), None, "it is requested as a hole");
        assert_eq!((restated(0, from, true, &kept), restated(0, from, false, &kept)), (None, None));
    }

    #[test]
    fn requested_session_was_decided_before() {
        let requested = RequestedRange { range: dates("2024-03-19", "2024-03-20"), at: at(NOW), attempt: 1 };
        let kept = KeptSeries { wanted: None, requested: vec![requested] };
        assert_eq!(restated(3, "2024-03-11T04:00:00Z", false, &kept), None);
        assert_eq!(restated(3, "2024-03-11T04:00:00Z", true, &kept), None, "its live bar came late");
    }

    #[test]
    fn nothing_before_the_wanted_history_is_fetched_again() {
        let kept = KeptSeries::default();
        let from = restated(3, "2024-03-18T04:00:00Z", true, &kept);
        assert_eq!(from, Some(dates("2024-03-18", "2024-03-20")));
        assert_eq!(restated(3, "2024-03-19T04:00:00Z", false, &kept), None);
    }
}

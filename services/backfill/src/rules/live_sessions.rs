//! Sessions that live bars keep complete: they are covered without a fetch.

use domain::calendar::{Date, day_open};
use domain::{Interval, IntervalSet, Timeframe, Timestamp};

use super::calendar_slots::{self, previous_session, slots_of};
use super::finality::day_final_at;

/// Returns the ranges of the sessions to cover at `now`: those on these dates, from `from` on, of which every slot is known (covered or held by a
/// live bar), and not all are covered. A session is decided at 04:00 in New York of the next day, when the bars of all timeframes are final.
///
/// The range of a day bar is its date with the closed days before it, so that the coverage of consecutive sessions is one interval. Below a day it
/// is the regular session: live bars before and after it are not expected, so nothing is known about the time there.
pub fn complete_sessions(
    timeframe: Timeframe,
    dates: impl Iterator<Item = Date>,
    (covered, known): (&IntervalSet, &IntervalSet),
    (from, now): (Timestamp, Timestamp),
) -> Vec<Interval> {
    let range = |date: Date| {
        if now < day_final_at(date) {
            return None;
        }
        let slots = slots_of(timeframe, date).filter(|slots| slots.first >= from)?;
        let session = slots.time_of(0..=slots.count - 1)?;
        let is_open = |set: &IntervalSet| {
            set.missing(session)
                .into_iter()
                .any(|part| calendar_slots::slots(timeframe, part).next().is_some())
        };
        if is_open(known) || !is_open(covered) {
            return None;
        }
        if timeframe.minutes().is_some() {
            return Some(session);
        }
        let closed_from = previous_session(date).and_then(|before| before.tomorrow().ok());
        let start = closed_from.map_or(session.start(), day_open);
        Interval::new(start, session.end()).ok()
    };
    dates.filter_map(range).collect()
}

#[cfg(test)]
mod tests {
    use domain::calendar::Date;
    use domain::{Interval, IntervalSet, Timeframe, Timestamp};

    use super::complete_sessions;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    fn range(start: &str, end: &str) -> Interval {
        Interval::new(at(start), at(end)).unwrap()
    }

    /// The sessions on Friday, 2024-03-15, and Monday, 2024-03-18, that are complete.
    fn complete(timeframe: Timeframe, covered: &[Interval], held: &[Interval], now: &str) -> Vec<Interval> {
        let dates = ["2024-03-15", "2024-03-18"].map(|date| date.parse::<Date>().unwrap());
        let [covered, held]: [IntervalSet; 2] = [covered, held].map(|set| set.iter().copied().collect());
        let from = at("2024-03-01T05:00:00Z");
        let mut known = covered.clone();
        known.union(&held);
        complete_sessions(timeframe, dates.into_iter(), (&covered, &known), (from, at(now)))
    }

    #[test]
    fn session_is_complete_if_none_of_its_bars_lacks() {
        let minute = |covered: &[Interval], held: &[Interval]| {
            complete(Timeframe::Minute1, covered, held, "2024-03-18T21:00:00Z")
        };
        let friday = range("2024-03-15T13:30:00Z", "2024-03-15T20:00:00Z");
        assert_eq!(minute(&[], &[friday]), [friday]);
        let (morning, rest) = (range("2024-03-15T13:30:00Z", "2024-03-15T15:00:00Z"), "2024-03-15T15:00:00Z");
        assert_eq!(minute(&[morning], &[range(rest, "2024-03-15T20:00:00Z")]), [friday]);
        assert_eq!(minute(&[], &[morning, range("2024-03-15T15:01:00Z", "2024-03-15T20:00:00Z")]), []);
        assert_eq!(minute(&[friday], &[friday]), [], "covered");
    }

    #[test]
    fn session_is_decided_at_four_of_the_next_day() {
        let held = [range("2024-03-15T04:00:00Z", "2024-03-16T04:00:00Z")];
        assert_eq!(complete(Timeframe::Day1, &[], &held, "2024-03-16T07:59:59Z"), []);
        // With the closed days before it, none here.
        assert_eq!(complete(Timeframe::Day1, &[], &held, "2024-03-16T08:00:00Z"), held);
    }

    #[test]
    fn day_bars_cover_the_closed_days_before_them() {
        let held = [range("2024-03-18T04:00:00Z", "2024-03-19T04:00:00Z")];
        let covered = [range("2024-03-15T04:00:00Z", "2024-03-16T04:00:00Z")];
        let monday = range("2024-03-16T04:00:00Z", "2024-03-19T04:00:00Z");
        assert_eq!(complete(Timeframe::Day1, &covered, &held, "2024-03-19T08:00:00Z"), [monday]);
    }
}

//! The coverage of a series by its held bars.

use backfill::rules::expected_bars::expects_bar;
use backfill::rules::session_slots::session_slots;
use domain::calendar::{Date, date_of, day_open, is_session, session_close};
use domain::{Interval, IntervalSet, Timeframe, Timestamp};

use super::held_bars::HeldBars;

/// Returns the coverage of a series of which these bars are held: what of `covered` is not in a session without any bar, and the sessions
/// before `today` of which each slot has a bar. A part of `covered` is kept only if a bar is expected in it.
#[must_use]
pub fn rebuilt(timeframe: Timeframe, covered: &IntervalSet, bars: &HeldBars, today: Date) -> IntervalSet {
    let mut kept = IntervalSet::new();
    for interval in covered.iter() {
        let sessions =
            dates(date_of(interval.start()), date_of(interval.last())).filter(|date| is_session(*date));
        let mut from = interval.start();
        for empty in sessions.filter(|date| bars.of_date(*date) == 0) {
            add_expected(&mut kept, timeframe, (from, day_open(empty).min(interval.end())));
            from = from.max(day_open(next(empty)));
        }
        add_expected(&mut kept, timeframe, (from, interval.end()));
    }
    for date in bars.dates().filter(|date| *date < today && is_session(*date)) {
        if session_slots(timeframe, date).all(|slot| bars.contains(slot)) {
            session(timeframe, bars, date).into_iter().for_each(|session| kept.insert(session));
        }
    }
    kept
}

fn add_expected(kept: &mut IntervalSet, timeframe: Timeframe, (start, end): (Timestamp, Timestamp)) {
    if let Some(part) = Interval::new(start, end).ok().filter(|part| expects_bar(timeframe, *part)) {
        kept.insert(part);
    }
}

/// Returns what a session with all bars covers: a day bar its date, and the dates without a session since a session with a bar, so that
/// neighbours are one interval. Shorter bars cover the session only: trading before and after it is not determined by them.
fn session(timeframe: Timeframe, bars: &HeldBars, date: Date) -> Option<Interval> {
    if timeframe.minutes().is_some() {
        return Interval::new(session_slots(timeframe, date).next()?, session_close(date)).ok();
    }
    let before = std::iter::successors(date.yesterday().ok(), |date| date.yesterday().ok());
    let previous = before.take(10).find(|date| is_session(*date)).filter(|date| bars.of_date(*date) > 0);
    let first = previous.map_or(date, next);
    Interval::new(day_open(first), day_open(next(date))).ok()
}

fn dates(first: Date, last: Date) -> impl Iterator<Item = Date> {
    std::iter::successors(Some(first), |date| date.tomorrow().ok()).take_while(move |date| *date <= last)
}

fn next(date: Date) -> Date {
    date.tomorrow().unwrap_or(date)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn date(text: &str) -> Date {
        text.parse().unwrap()
    }

    fn days(first: &str, last: &str) -> Interval {
        Interval::new(day_open(date(first)), day_open(next(date(last)))).unwrap()
    }

    fn rebuild(timeframe: Timeframe, covered: &[Interval], bars: &HeldBars) -> Vec<Interval> {
        let covered = covered.iter().copied().collect();
        rebuilt(timeframe, &covered, bars, date("2024-12-31")).iter().collect()
    }

    fn day_bars(dates: &[&str]) -> HeldBars {
        let mut bars = HeldBars::new(Timeframe::Day1);
        dates.iter().for_each(|at| bars.set(day_open(date(at)), true));
        bars
    }

    #[test]
    fn empty_sessions_are_no_longer_covered() {
        // Thursday to the Tuesday after the next; bars on Friday and Monday.
        let bars = day_bars(&["2024-03-15", "2024-03-18"]);
        let old = [days("2024-03-14", "2024-03-26")];
        assert_eq!(rebuild(Timeframe::Day1, &old, &bars), [days("2024-03-15", "2024-03-18")]);
        assert_eq!(rebuild(Timeframe::Day1, &old, &day_bars(&[])), [], "not even the weekend");
    }

    #[test]
    fn held_sessions_are_covered_across_the_weekend() {
        let bars = day_bars(&["2024-03-14", "2024-03-15", "2024-03-18", "2024-03-20"]);
        let expected = [days("2024-03-14", "2024-03-18"), days("2024-03-20", "2024-03-20")];
        assert_eq!(rebuild(Timeframe::Day1, &[], &bars), expected);
        assert_eq!(rebuild(Timeframe::Day1, &expected, &bars), expected, "nothing changes");
        assert_eq!(rebuild(Timeframe::Day1, &[], &day_bars(&["2024-12-31"])), [], "today has not ended");
        assert_eq!(rebuild(Timeframe::Day1, &[], &day_bars(&["2024-03-16"])), [], "a Saturday");
    }

    #[test]
    fn covered_session_of_a_thin_symbol_is_kept() {
        let mut bars = HeldBars::new(Timeframe::Minute1);
        bars.set(Timestamp::parse("2024-03-14T14:00:00Z").unwrap(), true);
        let old = [days("2024-03-14", "2024-03-15")];
        assert_eq!(rebuild(Timeframe::Minute1, &old, &bars), [days("2024-03-14", "2024-03-14")]);
        assert_eq!(rebuild(Timeframe::Minute1, &[], &bars), [], "not all bars of the session are held");
    }

    #[test]
    fn complete_session_of_short_bars_is_covered() {
        let mut bars = HeldBars::new(Timeframe::Hour1);
        session_slots(Timeframe::Hour1, date("2024-03-14")).for_each(|slot| bars.set(slot, true));
        let at = |text: &str| Timestamp::parse(text).unwrap();
        let session = Interval::new(at("2024-03-14T13:00:00Z"), at("2024-03-14T20:00:00Z")).unwrap();
        assert_eq!(rebuild(Timeframe::Hour1, &[], &bars), [session]);
    }
}

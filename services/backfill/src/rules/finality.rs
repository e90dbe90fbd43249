//! Finality: when the bars of any source count as final. News and corporate actions are final a fixed time after they appear.
//!
//! A bar that has not closed is not requested. One that has closed may be corrected shortly after: by late trades, or by a source that
//! writes it once the exchange has published it. Until it is final, it is neither written nor covered.

use std::time::Duration;

use domain::calendar::{Date, date_of, day_open, session_close};
use domain::{Timeframe, Timestamp};
use kit::SaturatingFrom;

/// From 04:00 to the end of the date. Clocks change at 02:00, so no date has another distance.
const FOUR_TO_MIDNIGHT_MICROS: i64 = 20 * 3_600_000_000;

/// Returns the instant before which a bar must open to have closed by `now`.
#[must_use]
pub fn closed_before(timeframe: Timeframe, now: Timestamp) -> Timestamp {
    if let Some(minutes) = timeframe.minutes() {
        return now.saturating_add_micros(1 - minutes * 60_000_000);
    }
    let today = date_of(now);
    let first_open = if session_close(today) <= now { today.tomorrow().unwrap_or(today) } else { today };
    day_open(first_open)
}

/// Returns the instant before which a bar must open to be final at `now`, the maximum of the horizon of every source: a day bar is final at
/// 04:00 in New York of the next day, any other `settle` after its close.
#[must_use]
pub fn final_before(timeframe: Timeframe, settle: Duration, now: Timestamp) -> Timestamp {
    if timeframe.minutes().is_some() {
        let settle = i64::saturating_from(settle.as_micros());
        return closed_before(timeframe, now.saturating_add_micros(settle.saturating_neg()));
    }
    let today = date_of(now);
    let yesterday = today.yesterday().unwrap_or(today);
    day_open(if day_final_at(yesterday) <= now { today } else { yesterday })
}

/// As [`final_before`]. Without a timeframe: the instant before which a record must be to be final at `now`.
#[must_use]
pub fn series_final_before(timeframe: Option<Timeframe>, settle: Duration, now: Timestamp) -> Timestamp {
    let final_end = || now.saturating_add_micros(i64::saturating_from(settle.as_micros()).saturating_neg());
    timeframe.map_or_else(final_end, |timeframe| final_before(timeframe, settle, now))
}

/// Returns the instant before which records are fetched: bars that have closed, other records that are final. A bar that has closed and is
/// not final is missing, and the end of its request reports that; no other record is expected at any time.
#[must_use]
pub fn fetched_before(timeframe: Option<Timeframe>, settle: Duration, now: Timestamp) -> Timestamp {
    match timeframe {
        Some(timeframe) => closed_before(timeframe, now),
        None => series_final_before(None, settle, now),
    }
}

/// Returns the time at which the day bar of the date is final: 04:00 in New York of the next day. Trading after the session has ended then.
#[must_use]
pub fn day_final_at(date: Date) -> Timestamp {
    let after_next = date.tomorrow().and_then(Date::tomorrow).unwrap_or(date);
    day_open(after_next).saturating_add_micros(-FOUR_TO_MIDNIGHT_MICROS)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use domain::{Timeframe, Timestamp};

    use super::{closed_before, final_before};

    const SETTLE: Duration = Duration::from_secs(900);

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    #[test]
    fn day_bar_is_final_at_four_of_the_next_day() {
        let final_at = |now: &str| final_before(Timeframe::Day1, SETTLE, at(now));
        // 2024-03-15 in New York is from 04:00Z to 04:00Z.
        let (fifteenth, sixteenth) = (at("2024-03-15T04:00:00Z"), at("2024-03-16T04:00:00Z"));
        assert_eq!(closed_before(Timeframe::Day1, at("2024-03-15T20:00:00Z")), sixteenth);
        assert_eq!(final_at("2024-03-15T20:00:00Z"), fifteenth);
        assert_eq!(final_at("2024-03-16T07:59:59.999999Z"), fifteenth);
        assert_eq!(final_at("2024-03-16T08:00:00Z"), sixteenth);
        // The clocks change on Sunday, 2024-03-10.
        assert_eq!(final_at("2024-03-10T07:59:59.999999Z"), at("2024-03-09T05:00:00Z"));
        assert_eq!(final_at("2024-03-10T08:00:00Z"), at("2024-03-10T05:00:00Z"));
    }

    #[test]
    fn shorter_bar_is_final_a_fixed_time_after_its_close() {
        let now = at("2024-03-15T20:00:00Z");
        let final_at = |timeframe, settle| final_before(timeframe, settle, now);
        assert_eq!(final_at(Timeframe::Minute1, SETTLE), at("2024-03-15T19:44:00.000001Z"));
        assert_eq!(final_at(Timeframe::Hour1, SETTLE), at("2024-03-15T18:45:00.000001Z"));
        assert_eq!(final_at(Timeframe::Minute5, Duration::ZERO), closed_before(Timeframe::Minute5, now));
    }
}

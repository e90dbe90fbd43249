//! Time of the newest bar's open in New York, and its distance to the regular session.

use domain::calendar::TradingHours;

use crate::rules::value::{Omission, Values};
use crate::rules::window::Window;

const CLOSED: i32 = 0;
const PRE_MARKET: i32 = 1;
const REGULAR: i32 = 2;
const AFTER_HOURS: i32 = 3;

pub(super) fn put(window: &Window<'_>, values: &mut Values) {
    let time = window.local_time();
    values.put("day_of_week", time.map(|time| f64::from(time.weekday().to_monday_zero_offset())));
    if !window.is_intraday() {
        return;
    }
    values.put("hour", time.map(|time| f64::from(time.hour())));
    values.put("minute", time.map(|time| f64::from(time.minute())));
    // Clocks do not change on a date with a session, so their differences are times.
    let minutes = time.map(|time| i32::from(time.hour()) * 60 + i32::from(time.minute()));
    let hours = time.map(|time| TradingHours::of(time.date()));
    let of_session = hours.and_then(|hours| hours.ok_or(Omission::Absent("no session on that date")));
    values.put("minutes_since_open", of_session.and_then(|hours| Ok(f64::from(minutes? - hours.open))));
    values.put("minutes_to_close", of_session.and_then(|hours| Ok(f64::from(hours.close - minutes?))));
    values.put("session", hours.and_then(|hours| Ok(f64::from(session(hours, minutes?)))));
}

fn session(hours: Option<TradingHours>, minutes: i32) -> i32 {
    match hours {
        Some(hours) if (hours.pre_market..hours.open).contains(&minutes) => PRE_MARKET,
        Some(hours) if (hours.open..hours.close).contains(&minutes) => REGULAR,
        Some(hours) if (hours.close..hours.end).contains(&minutes) => AFTER_HOURS,
        _ => CLOSED,
    }
}

//! Position of the newest bar's date in the calendar of the exchange: ends of periods, half days, expiries and the next holiday.
//!
//! Later dates follow the rules of the calendar, since an exceptional closure is not known in advance.

use std::iter::successors;

use domain::calendar::{Date, is_half_day, is_session, is_session_by_rule, is_weekday};
use jiff::civil::Weekday;

use crate::rules::stats::count;
use crate::rules::value::Values;
use crate::rules::window::Window;

pub(super) fn put(window: &Window<'_>, values: &mut Values) {
    let date = window.local_time().map(|time| time.date());
    let flag = |is: fn(Date) -> bool| date.map(|date| f64::from(u8::from(is(date))));
    values.put("is_month_end_session", flag(is_month_end));
    values.put("is_quarter_end_session", flag(|date| date.month() % 3 == 0 && is_month_end(date)));
    values.put("is_half_day", flag(is_half_day));
    values.put("is_monthly_expiry", flag(is_monthly_expiry));
    values.put("sessions_to_holiday", date.map(|date| count(weekdays_to_holiday(date))));
}

fn after(date: Date) -> impl Iterator<Item = Date> {
    successors(date.tomorrow().ok(), |date| date.tomorrow().ok())
}

/// `true` for a session that no other one of its month follows.
fn is_month_end(date: Date) -> bool {
    let mut rest = after(date).take_while(|later| later.month() == date.month());
    is_session(date) && !rest.any(is_session_by_rule)
}

/// `true` for the third Friday of a month, or for the session before it if the exchange is closed on that Friday.
fn is_monthly_expiry(date: Date) -> bool {
    let is_third_friday = |date: Date| date.weekday() == Weekday::Friday && (15..=21).contains(&date.day());
    if !is_session(date) {
        return false;
    }
    // The dates up to the next session that are closed by rule.
    let mut closed = after(date).take_while(|later| !is_session_by_rule(*later));
    is_third_friday(date) || closed.any(is_third_friday)
}

/// The number of weekdays between the date and the next weekday that is closed by rule.
fn weekdays_to_holiday(date: Date) -> usize {
    after(date).filter(|later| is_weekday(*later)).take_while(|later| is_session_by_rule(*later)).count()
}

//! Season of the newest bar's date in New York, and the mean return on its weekday.

use crate::rules::value::Values;
use crate::rules::window::Window;

pub(super) fn put(window: &Window<'_>, values: &mut Values) {
    let date = window.local_time().map(|time| time.date());
    values.put("month", date.map(|date| f64::from(date.month())));
    values.put("quarter", date.map(|date| f64::from((date.month() - 1) / 3 + 1)));
    values.put("week_of_year", date.map(|date| f64::from(date.iso_week_date().week())));
    values.put("day_of_month", date.map(|date| f64::from(date.day())));
    values.put("mean_return_same_weekday", window.weekday_return());
}

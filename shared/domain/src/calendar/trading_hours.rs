//! Hours of trading on a date.

use jiff::civil::Date;

use super::holidays::{is_half_day, is_session};

/// Minutes from midnight in New York at which the parts of a trading day begin. Clocks do not change on a date with a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TradingHours {
    pub pre_market: i32,
    /// The regular session.
    pub open: i32,
    /// The end of the regular session, after which trading continues.
    pub close: i32,
    /// The end of trading.
    pub end: i32,
}

impl TradingHours {
    /// Returns the hours of a date; `None` without a session.
    #[must_use]
    pub fn of(date: Date) -> Option<Self> {
        let (close, end) = if is_half_day(date) { (13, 17) } else { (16, 20) };
        is_session(date).then_some(Self {
            pre_market: 4 * 60,
            open: 9 * 60 + 30,
            close: close * 60,
            end: end * 60,
        })
    }
}

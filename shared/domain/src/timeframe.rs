//! Timeframes of bars.

use crate::names::named;

named! {
    /// Timeframe of a bar, shortest first.
    Timeframe {
        Minute1 = "1min",
        Minute5 = "5min",
        Hour1 = "1hour",
        /// One trading session.
        Day1 = "1day",
    }
}

impl Timeframe {
    /// Returns the length in minutes. `None` for a day bar, which ends with its session.
    #[must_use]
    pub const fn minutes(self) -> Option<i64> {
        match self {
            Self::Minute1 => Some(1),
            Self::Minute5 => Some(5),
            Self::Hour1 => Some(60),
            Self::Day1 => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Timeframe;

    #[test]
    fn value_is_found_by_its_name() {
        for timeframe in Timeframe::ALL {
            assert_eq!(Timeframe::from_name(timeframe.as_str()), Some(timeframe));
        }
        assert_eq!(Timeframe::from_name("2min"), None);
    }
}

//! Bars: prices and volume of an interval.

use crate::timestamp::Timestamp;

/// Prices and volume of one interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bar {
    /// Start of the interval. A day bar opens at 00:00 in New York on the date of its session.
    pub open_time: Timestamp,
    /// First price.
    pub open: f64,
    /// Highest price.
    pub high: f64,
    /// Lowest price.
    pub low: f64,
    /// Last price.
    pub close: f64,
    /// Number of shares traded.
    pub volume: f64,
}

/// Violation of a bar's rules.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum BarError {
    /// A number is NaN or infinite.
    #[error("{field} is {value}, not a finite number")]
    NotFinite {
        /// Name of the field.
        field: &'static str,
        /// Value of the field.
        value: f64,
    },
    /// The lowest price is 0 or negative. A share has no such price; sources write it for a missing one.
    #[error("low {0} is not above 0")]
    NotPositive(f64),
    /// A price is below `low`.
    #[error("{field} {value} is below low {low}")]
    BelowLow {
        /// Name of the field.
        field: &'static str,
        /// Value of the field.
        value: f64,
        /// Value of `low`.
        low: f64,
    },
    /// A price is above `high`.
    #[error("{field} {value} is above high {high}")]
    AboveHigh {
        /// Name of the field.
        field: &'static str,
        /// Value of the field.
        value: f64,
        /// Value of `high`.
        high: f64,
    },
    /// The volume is negative.
    #[error("volume {0} is negative")]
    NegativeVolume(f64),
}

impl Bar {
    /// Checks that all numbers are finite, `0 < low ≤ open, close ≤ high`, and the volume is not negative.
    ///
    /// # Errors
    /// The first violation, with field and value.
    pub fn validate(&self) -> Result<(), BarError> {
        let numbers = [
            ("open", self.open),
            ("high", self.high),
            ("low", self.low),
            ("close", self.close),
            ("volume", self.volume),
        ];
        if let Some(&(field, value)) = numbers.iter().find(|(_, value)| !value.is_finite()) {
            return Err(BarError::NotFinite { field, value });
        }
        if self.low <= 0.0 {
            return Err(BarError::NotPositive(self.low));
        }
        // `high` is included, so a `high` below `low` is reported as such.
        for (field, value) in [("high", self.high), ("open", self.open), ("close", self.close)] {
            if value < self.low {
                return Err(BarError::BelowLow { field, value, low: self.low });
            }
            if value > self.high {
                return Err(BarError::AboveHigh { field, value, high: self.high });
            }
        }
        if self.volume < 0.0 {
            return Err(BarError::NegativeVolume(self.volume));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Bar, BarError};
    use crate::timestamp::Timestamp;

    fn bar() -> Bar {
        let open_time = Timestamp::from_micros(0);
        Bar { open_time, open: 10.0, high: 12.0, low: 9.0, close: 11.0, volume: 1_000.0 }
    }

    #[test]
    fn bar_without_movement_is_valid() {
        assert_eq!(bar().validate(), Ok(()));
        assert_eq!(
            Bar { open: 9.0, high: 9.0, low: 9.0, close: 9.0, volume: 0.0, ..bar() }.validate(),
            Ok(())
        );
    }

    #[test]
    fn violated_rule_is_reported_with_its_value() {
        let cases = [
            (Bar { low: 0.0, ..bar() }, "low 0 is not above 0"),
            (Bar { open: -1.0, high: -1.0, low: -1.0, close: -1.0, ..bar() }, "low -1 is not above 0"),
            (Bar { high: 8.0, ..bar() }, "high 8 is below low 9"),
            (Bar { open: 8.5, ..bar() }, "open 8.5 is below low 9"),
            (Bar { close: 12.5, ..bar() }, "close 12.5 is above high 12"),
            (Bar { volume: -1.0, ..bar() }, "volume -1 is negative"),
            (Bar { close: f64::NAN, ..bar() }, "close is NaN, not a finite number"),
            (Bar { volume: f64::INFINITY, ..bar() }, "volume is inf, not a finite number"),
        ];
        for (invalid, text) in cases {
            assert_eq!(invalid.validate().map_err(|error: BarError| error.to_string()), Err(text.to_owned()));
        }
    }
}

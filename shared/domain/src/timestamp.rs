//! An instant, in UTC.

use std::fmt;
use std::str::FromStr;

/// Microseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Timestamp(i64);

/// A text that is no instant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("time {text:?} is not an ISO-8601 instant with Z or an offset")]
pub struct TimestampError {
    /// The text, cut after its first 40 characters.
    text: String,
}

impl Timestamp {
    /// From microseconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Microseconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// Reads an ISO-8601 instant, whose offset (or `Z`) is required; what is finer than a microsecond is cut off.
    ///
    /// # Errors
    /// When it is none, with the text.
    pub fn parse(text: &str) -> Result<Self, TimestampError> {
        // An annotation in brackets is an extension of the standard that nobody needs here.
        let parsed = if text.contains('[') { None } else { text.parse::<jiff::Timestamp>().ok() };
        let Some(instant) = parsed else {
            return Err(TimestampError { text: text.chars().take(40).collect() });
        };
        Ok(Self::from_jiff(instant))
    }

    /// `micros` later (or earlier, when negative), if that can be said in 64 bits.
    #[must_use]
    pub const fn checked_add_micros(self, micros: i64) -> Option<Self> {
        match self.0.checked_add(micros) {
            Some(sum) => Some(Self(sum)),
            None => None,
        }
    }

    /// `micros` later (or earlier, when negative), or the last instant that can be said.
    #[must_use]
    pub const fn saturating_add_micros(self, micros: i64) -> Self {
        Self(self.0.saturating_add(micros))
    }

    /// How many microseconds have passed since `earlier`; negative when it is later.
    #[must_use]
    pub const fn micros_since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    pub(crate) fn from_jiff(instant: jiff::Timestamp) -> Self {
        Self(instant.as_microsecond().saturating_sub(i64::from(instant.subsec_nanosecond() % 1_000 < 0)))
    }

    /// As the time library's instant; those before the year -9999 or after 9999 become its first or last.
    pub(crate) fn to_jiff(self) -> jiff::Timestamp {
        jiff::Timestamp::from_microsecond(self.0).unwrap_or(if self.0 < 0 {
            jiff::Timestamp::MIN
        } else {
            jiff::Timestamp::MAX
        })
    }
}

/// ISO-8601 with `Z`; six digits of the second's fraction, or none when they are zero.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Ok(instant) = jiff::Timestamp::from_microsecond(self.0) else {
            return write!(f, "{}us", self.0); // beyond what ISO-8601 can say in four digits of a year
        };
        if self.0 % 1_000_000 == 0 { write!(f, "{instant:.0}") } else { write!(f, "{instant:.6}") }
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Timestamp {
    type Err = TimestampError;

    fn from_str(text: &str) -> Result<Self, TimestampError> {
        Self::parse(text)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Timestamp;

    #[test]
    fn offset_is_converted_to_utc() {
        let utc = Timestamp::parse("2024-03-15T20:00:00Z").unwrap();
        assert_eq!(Timestamp::parse("2024-03-15T16:00:00-04:00"), Ok(utc));
        assert_eq!(utc.micros(), 1_710_532_800_000_000);
    }

    #[test]
    fn text_without_an_offset_is_rejected() {
        for text in ["2024-03-15T20:00:00", "2024-03-15", "", "now", "1710532800", "2024-13-01T00:00:00Z"] {
            assert!(Timestamp::parse(text).is_err(), "{text:?}");
        }
        assert_eq!(
            Timestamp::parse("2024-03-15T20:00:00").unwrap_err().to_string(),
            r#"time "2024-03-15T20:00:00" is not an ISO-8601 instant with Z or an offset"#
        );
        assert!(Timestamp::parse("2024-03-15T16:00:00-04:00[America/New_York]").is_err());
    }

    #[test]
    fn fractions_of_a_microsecond_are_truncated() {
        let micros = |text: &str| Timestamp::parse(text).unwrap().micros();
        assert_eq!(micros("1970-01-01T00:00:00.000001999Z"), 1);
        assert_eq!(micros("1969-12-31T23:59:59.999999001Z"), -1);
    }

    #[test]
    fn fraction_is_written_only_if_not_zero() {
        assert_eq!(Timestamp::from_micros(1_710_532_800_000_000).to_string(), "2024-03-15T20:00:00Z");
        assert_eq!(Timestamp::from_micros(1_710_532_800_000_500).to_string(), "2024-03-15T20:00:00.000500Z");
        assert_eq!(Timestamp::from_micros(-1).to_string(), "1969-12-31T23:59:59.999999Z");
    }

    #[test]
    fn sum_that_overflows_is_none_or_saturated() {
        let last = Timestamp::from_micros(i64::MAX);
        assert_eq!(last.checked_add_micros(1), None);
        assert_eq!(last.saturating_add_micros(1), last);
        assert_eq!(last.to_string(), "9223372036854775807us");
    }

    proptest! {
        #[test]
        fn written_timestamp_is_read_unchanged(micros in -60_000_000_000_000_000_i64..250_000_000_000_000_000) {
            let instant = Timestamp::from_micros(micros);
            prop_assert_eq!(Timestamp::parse(&instant.to_string()), Ok(instant));
        }
    }
}

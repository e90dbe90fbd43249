//! Instants in UTC.

use std::fmt;
use std::str::FromStr;

/// The calendar repeats after this number of years.
const CYCLE_YEARS: i64 = 400;
const CYCLE_MICROS: i64 = 146_097 * 86_400 * 1_000_000;

/// The last year of which the time library supports every instant whose days and times repeat.
const YEAR_MAX: i64 = 9_998;

/// An instant: microseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Timestamp(i64);

/// Error of a text that is not an instant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("time {text:?} is not an ISO-8601 instant with Z or an offset")]
pub struct TimestampError {
    /// First 40 characters of the text.
    text: String,
}

impl Timestamp {
    /// Returns the instant with these microseconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Returns the microseconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// Parses an ISO-8601 instant. The offset (or `Z`) is required. Fractions of a microsecond are truncated.
    ///
    /// # Errors
    /// If the text is not such an instant.
    pub fn parse(text: &str) -> Result<Self, TimestampError> {
        // A time zone annotation in brackets extends the standard and is not supported.
        let plain = Some(text).filter(|text| !text.contains('['));
        let parsed = plain.and_then(|text| {
            let parsed = text.parse::<jiff::Timestamp>().ok().map(Self::from_jiff);
            parsed.or_else(|| Self::parse_later(text))
        });
        parsed.ok_or_else(|| TimestampError { text: text.chars().take(40).collect() })
    }

    /// Parses an instant after the last one of the time library, 9999-12-30T22:00:00Z. Years above 9999 have a plus and six digits.
    fn parse_later(text: &str) -> Option<Self> {
        let (year, rest) = text.split_once('-')?;
        let digits = year.strip_prefix('+');
        let (digits, len) = digits.map_or((year, 4), |digits| (digits, 6));
        let is_year = digits.len() == len && digits.bytes().all(|byte| byte.is_ascii_digit());
        let year: i64 = digits.parse().ok().filter(|_| is_year)?;
        let cycles = (year - YEAR_MAX).div_euclid(CYCLE_YEARS) + 1;
        let earlier = format!("{:04}-{rest}", year - cycles * CYCLE_YEARS).parse::<jiff::Timestamp>().ok()?;
        Self::from_jiff(earlier).checked_add_micros(cycles.checked_mul(CYCLE_MICROS)?)
    }

    /// Returns the instant `micros` later. `None` on overflow.
    #[must_use]
    pub const fn checked_add_micros(self, micros: i64) -> Option<Self> {
        match self.0.checked_add(micros) {
            Some(sum) => Some(Self(sum)),
            None => None,
        }
    }

    /// Returns the instant `micros` later, clamped to the range of 64 bits.
    #[must_use]
    pub const fn saturating_add_micros(self, micros: i64) -> Self {
        Self(self.0.saturating_add(micros))
    }

    /// Returns the microseconds since `earlier`, negative if that is later. Clamped to the range of 64 bits.
    #[must_use]
    pub const fn micros_since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    pub(crate) fn from_jiff(instant: jiff::Timestamp) -> Self {
        Self(instant.as_microsecond().saturating_sub(i64::from(instant.subsec_nanosecond() % 1_000 < 0)))
    }

    /// Returns the instant of the time library. Instants outside the years -9999 to 9999 are clamped.
    pub(crate) fn to_jiff(self) -> jiff::Timestamp {
        jiff::Timestamp::from_microsecond(self.0).unwrap_or(if self.0 < 0 {
            jiff::Timestamp::MIN
        } else {
            jiff::Timestamp::MAX
        })
    }
}

/// ISO-8601 with `Z`. The fraction of the second has six digits and is omitted if it is zero. Years outside 0 to 9999 have a sign and six
/// digits.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let within = jiff::Timestamp::from_microsecond(self.0.rem_euclid(CYCLE_MICROS)).unwrap_or_default();
        let text = match self.0 % 1_000_000 {
            0 => format!("{within:.0}"),
            _ => format!("{within:.6}"),
        };
        let (year, rest) = text.split_once('-').unwrap_or_default();
        let year = year.parse().unwrap_or(0) + CYCLE_YEARS * self.0.div_euclid(CYCLE_MICROS);
        match year {
            0..=9_999 => write!(f, "{year:04}-{rest}"),
            _ => write!(f, "{year:+07}-{rest}"),
        }
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
            let error = Timestamp::parse(text).unwrap_err();
            assert_eq!(
                error.to_string(),
                format!("time {text:?} is not an ISO-8601 instant with Z or an offset")
            );
        }
        let annotated = Timestamp::parse("2024-03-15T16:00:00-04:00[America/New_York]").unwrap_err();
        assert!(
            annotated.to_string().starts_with("time \"2024-03-15T16:00:00-04:00[America/New_Yo\" is not")
        );
        let annotated = Timestamp::parse("9999-12-31T00:00:00Z[UTC]").map_err(|error| error.to_string());
        assert!(annotated.is_err_and(|error| error.contains("9999-12-31T00:00:00Z[UTC]")));
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
        assert_eq!(last.to_string(), "+294247-01-10T04:00:54.775807Z");
    }

    #[test]
    fn last_days_of_9999_are_parsed_and_written() {
        let last = Timestamp::parse("9999-12-31T23:59:59.999999Z").unwrap();
        assert_eq!(last.micros(), 253_402_300_799_999_999);
        for text in ["9999-12-31T23:59:59.999999Z", "9999-12-30T21:59:59Z", "9999-12-30T22:00:01Z"] {
            assert_eq!(Timestamp::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(Timestamp::from_micros(i64::MIN).to_string(), "-290308-12-21T19:59:05.224192Z");
        let next = last.saturating_add_micros(1);
        assert_eq!(next.to_string(), "+010000-01-01T00:00:00Z");
        assert_eq!(
            Timestamp::parse("9999-12-31T23:59:59-04:00").unwrap().micros(),
            next.micros() - 1_000_000 + 4 * 3_600_000_000
        );
        assert!(
            Timestamp::parse("9999-13-01T00:00:00Z")
                .is_err_and(|error| error.to_string().contains("9999-13"))
        );
    }

    #[test]
    fn years_outside_1_to_9999_are_written_and_parsed() {
        for (text, micros) in [
            ("0000-01-01T00:00:00Z", -62_167_219_200_000_000),
            ("0000-12-31T23:59:59.999999Z", -62_135_596_800_000_001),
            ("-000001-12-31T23:59:59Z", -62_167_219_201_000_000),
            ("+010000-02-29T12:00:00.500000Z", 253_407_441_600_500_000),
            ("+012345-06-07T08:09:10Z", 327_416_976_550_000_000),
        ] {
            assert_eq!(Timestamp::from_micros(micros).to_string(), text);
            assert_eq!(Timestamp::parse(text).unwrap().micros(), micros, "{text}");
        }
        for text in [
            "10000-01-01T00:00:00Z",
            "+10000-01-01T00:00:00Z",
            "+999999-01-01T00:00:00Z",
            "++10000-01-01T00:00:00Z",
        ] {
            assert!(Timestamp::parse(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn written_timestamp_is_read_unchanged(micros in -60_000_000_000_000_000_i64..250_000_000_000_000_000) {
            let instant = Timestamp::from_micros(micros);
            prop_assert_eq!(Timestamp::parse(&instant.to_string()), Ok(instant));
        }
    }
}

//! A time on the command line: an instant, a date, or an age.

use domain::Timestamp;

/// A point in time, with its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimeArgument {
    text: String,
    point: Point,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Point {
    AtMs(i64),
    AgoMs(i64),
}

/// The text is no time.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected an instant such as 2026-11-24T10:00:00Z, a date, or an age such as 90s, 30m, 2h, 7d")]
pub struct InvalidTime;

impl TimeArgument {
    /// Parses an ISO-8601 instant with an offset, a date (midnight in UTC), or a number of `s`, `m`, `h` or `d` ago.
    ///
    /// # Errors
    /// [`InvalidTime`] for any other text.
    pub fn parse(text: &str) -> Result<Self, InvalidTime> {
        let is_date = text.len() == "2026-11-24".len();
        let instant = if is_date { format!("{text}T00:00:00Z") } else { text.to_owned() };
        let at = || Timestamp::parse(&instant).ok().map(|at| Point::AtMs(at.micros().div_euclid(1_000)));
        let point = ago_ms(text).map(Point::AgoMs).or_else(at).ok_or(InvalidTime)?;
        Ok(Self { text: text.to_owned(), point })
    }

    /// Returns milliseconds since 1970. An age counts back from `now_ms`.
    #[must_use]
    pub fn resolve_ms(&self, now_ms: i64) -> i64 {
        match self.point {
            Point::AtMs(at) => at,
            Point::AgoMs(ago) => now_ms.saturating_sub(ago),
        }
    }

    /// Returns the text that was parsed.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }
}

fn ago_ms(text: &str) -> Option<i64> {
    let unit = text.chars().next_back()?;
    let unit_ms = match unit {
        's' => 1_000,
        'm' => 60_000,
        'h' => 3_600_000,
        'd' => 86_400_000,
        _ => return None,
    };
    let number = text.strip_suffix(unit)?;
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| number.parse::<i64>().ok()?.checked_mul(unit_ms)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_MS: i64 = 1_000_000_000;

    #[test]
    fn instants_dates_and_ages_are_parsed() {
        let at = |text: &str| TimeArgument::parse(text).unwrap().resolve_ms(NOW_MS);
        assert_eq!(at("1970-01-02T00:00:01Z"), 86_401_000);
        assert_eq!(at("1970-01-02T01:00:01+01:00"), 86_401_000);
        assert_eq!(at("1970-01-02"), 86_400_000);
        assert_eq!(
            [at("90s"), at("2m"), at("2h"), at("7d")],
            [NOW_MS - 90_000, NOW_MS - 120_000, NOW_MS - 7_200_000, NOW_MS - 604_800_000]
        );
    }

    #[test]
    fn other_text_is_rejected() {
        for invalid in
            ["", "h", "-2h", "2w", "1e3s", "yesterday", "1970-01-02T00:00:01", "99999999999999999999d"]
        {
            assert_eq!(TimeArgument::parse(invalid), Err(InvalidTime), "{invalid}");
        }
    }
}

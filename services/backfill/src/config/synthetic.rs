//! Configuration section `source.synthetic`.

use chassis::config::{ErrorCollector, Validate};
use kit::Millis;
use serde::{Deserialize, Serialize};

/// Records of the synthetic market in addition to day bars. Each part depends on the seed alone, and not on the other keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SyntheticSection {
    /// `true`: bars of one, five and sixty minutes are served, which add up to the day bars. By default `false`: 390 bars a session are
    /// more than a demonstration of day bars needs.
    pub intraday: bool,
    /// The expected number of splits of a symbol in ten years, 0 to 2,520. Day bars are then as traded, and splits are served as corporate
    /// actions. By default 0, so that the day bars of a seed do not change.
    pub splits_per_decade: u16,
    /// The expected number of sessions of a symbol in a year, 0 to 252, in which trading halts for 5 to 30 minutes. Its minutes have no
    /// bars. By default 0: a minute without a bar is then an error. Without effect on bars of a day.
    pub halts_per_year: u16,
    /// The expected number of news items of a symbol in a month, 0 to 1,000. By default 0: no news are served.
    pub news_per_month: u16,
    /// The expected number of sessions of a symbol in a year, 0 to 252, whose bars are restated: they first have a trade that is removed
    /// later. By default 0: no bar changes.
    pub restated_per_year: u16,
    /// The time in milliseconds from the close of a restated session until its bars are corrected. By default a day: longer than
    /// `source.settle_ms`, so that bars are written first and corrected by a later request.
    pub restated_after_ms: Millis,
}

impl Default for SyntheticSection {
    fn default() -> Self {
        Self {
            intraday: false,
            splits_per_decade: 0,
            halts_per_year: 0,
            news_per_month: 0,
            restated_per_year: 0,
            restated_after_ms: Millis::new(86_400_000),
        }
    }
}

impl Validate for SyntheticSection {
    fn validate(&self, errors: &mut ErrorCollector) {
        let numbers = [
            ("splits_per_decade", self.splits_per_decade, 2_520),
            ("halts_per_year", self.halts_per_year, 252),
            ("news_per_month", self.news_per_month, 1_000),
            ("restated_per_year", self.restated_per_year, 252),
        ];
        for (key, value, max) in numbers {
            errors.check(value <= max, key, value, &format!("at most {max}"), "10");
        }
    }
}

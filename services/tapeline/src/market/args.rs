//! Arguments of a market run.

use std::path::PathBuf;

use clap::Args;
use jiff::civil::Date;

/// Speed of the market.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Speed {
    /// At most this many dates a second.
    DatesPerSecond(f64),
    /// The next date starts when the alerts of the previous one are resolved.
    Max,
}

/// The text is not a speed.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a number of dates a second above 0, or `max`")]
struct InvalidSpeed;

/// The text is not a date. The error of the library quotes it.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a date such as 2012-01-31")]
struct InvalidDate;

/// The market, the findings to post, and the files to write.
#[derive(Debug, Clone, Args)]
pub struct MarketArgs {
    /// Replay day bars from DIR/<SYMBOL>.csv (date,open,high,low,close,volume).
    #[arg(long, value_name = "DIR")]
    pub bars: Option<PathBuf>,
    /// First date of the replay (YYYY-MM-DD); earlier bars are history.
    #[arg(long, value_name = "DATE", requires = "bars", value_parser = parse_date)]
    pub from: Option<Date>,
    /// Last date of the replay (YYYY-MM-DD).
    #[arg(long, value_name = "DATE", requires = "bars", value_parser = parse_date)]
    pub to: Option<Date>,
    /// Dates a second, or `max`.
    #[arg(long, value_name = "N|max", default_value = "5", value_parser = parse_speed)]
    pub speed: Speed,
    /// Post these findings (NDJSON): with --bars in addition to the scanner's, without it alone.
    #[arg(long, value_name = "FILE")]
    pub findings: Option<PathBuf>,
    /// Write every topic to DIR/<topic>.ndjson at the end.
    #[arg(long, value_name = "DIR")]
    pub topics: Option<PathBuf>,
    /// Write feature vectors to FILE as they arrive, one a line.
    #[arg(long, value_name = "FILE")]
    pub vectors: Option<PathBuf>,
    /// Write a report (JSON) to FILE at the end.
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// Seed of the synthetic market, which runs without --bars and --findings.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
}

fn parse_date(text: &str) -> Result<Date, InvalidDate> {
    text.parse().map_err(|_| InvalidDate)
}

fn parse_speed(text: &str) -> Result<Speed, InvalidSpeed> {
    if text == "max" {
        return Ok(Speed::Max);
    }
    match text.parse::<f64>() {
        Ok(n) if n > 0.0 && n.is_finite() => Ok(Speed::DatesPerSecond(n)),
        _ => Err(InvalidSpeed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speed_is_a_positive_number_or_max() {
        assert_eq!(parse_speed("max"), Ok(Speed::Max));
        assert_eq!(parse_speed("2.5"), Ok(Speed::DatesPerSecond(2.5)));
        for invalid in ["0", "-1", "fast", "inf", "NaN"] {
            assert_eq!(parse_speed(invalid), Err(InvalidSpeed), "{invalid}");
        }
    }
}

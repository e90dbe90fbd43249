//! The plan of a run: bars of a folder or of the synthetic market, and findings of a file.

use std::path::Path;

use backfill::sources::{SyntheticMarket, read_bars, synthetic_symbols};
use chassis::{Clock, SystemClock};
use devstack::replay::Replay;
use domain::{Bar, Symbol, Timeframe, Timestamp, calendar};

use super::args::{MarketArgs, Speed};
use super::findings_file::Findings;
use crate::exit::{Failure, error_chain};

/// The bars and findings that a run publishes.
#[derive(Debug)]
pub struct MarketPlan {
    /// Bars and findings of the scanner, date by date.
    pub replay: Replay,
    pub speed: Speed,
    /// Findings of a file, posted with the date of their event time.
    pub findings: Findings,
}

/// Reads the bars and findings that the arguments name.
///
/// # Errors
/// [`Failure::Usage`]: a folder without bars, or the errors of each bar file, with their lines.
pub fn plan(args: &MarketArgs) -> Result<MarketPlan, Failure> {
    if let (Some(from), Some(to)) = (args.from, args.to)
        && from > to
    {
        return Err(Failure::usage(format!("--from {from} is later than --to {to}")));
    }
    let findings = args.findings.as_deref().map_or_else(|| Ok(Findings::default()), Findings::read)?;
    let files = match (&args.bars, &args.findings) {
        (Some(folder), _) => folder_bars(folder)?,
        // Findings alone: no market.
        (None, Some(_)) => Vec::new(),
        (None, None) => synthetic_bars(args.seed),
    };
    Ok(MarketPlan { replay: Replay::plan(files, args.from, args.to), speed: args.speed, findings })
}

fn folder_bars(folder: &Path) -> Result<Vec<(Symbol, Vec<Bar>)>, Failure> {
    let unreadable = |error: std::io::Error| Failure::file("read", folder, error);
    let mut files = Vec::new();
    let mut errors = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.extension().is_none_or(|extension| extension != "csv") {
            continue;
        }
        let name = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        match (Symbol::parse(name), read_bars(&path)) {
            (Ok(symbol), Ok(bars)) => files.push((symbol, bars)),
            (Err(error), _) => errors.push(format!("{}: file name is not a symbol: {error}", path.display())),
            (_, Err(error)) => errors.push(error_chain(&error)),
        }
    }
    if !errors.is_empty() {
        errors.sort_unstable();
        return Err(Failure::usage(errors.join("\n")));
    }
    if files.is_empty() {
        return Err(Failure::usage(format!("no <SYMBOL>.csv in folder {}", folder.display())));
    }
    Ok(files)
}

/// Returns the bars of the synthetic market up to the last closed session, never ahead of the clock.
fn synthetic_bars(seed: u64) -> Vec<(Symbol, Vec<Bar>)> {
    let now = Timestamp::from_micros(SystemClock::new().wall_micros());
    let today = calendar::date_of(now);
    let market = SyntheticMarket::new(seed);
    let has_closed = |bar: &Bar| calendar::bar_close(Timeframe::Day1, bar.open_time) <= now;
    synthetic_symbols()
        .into_iter()
        .map(|symbol| (symbol, market.day_bars(symbol, today).into_iter().filter(has_closed).collect()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(folder: &Path) -> MarketArgs {
        MarketArgs {
            bars: Some(folder.to_path_buf()),
            from: None,
            to: None,
            speed: Speed::Max,
            findings: None,
            topics: None,
            vectors: None,
            report: None,
            seed: 1,
        }
    }

    #[test]
    fn every_invalid_bar_file_is_named_with_its_line() {
        let folder = tempfile::tempdir().unwrap();
        let header = "date,open,high,low,close,volume\n";
        for (name, text) in [
            ("AAPL.csv", format!("{header}2004-01-05,1,1,1,oops,1\n")),
            ("GOOG.csv", "date,open\n".to_owned()),
            ("lower.csv", header.to_owned()),
            ("README.md", "no bars".to_owned()),
        ] {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        let error = plan(&args(folder.path())).unwrap_err().to_string();
        assert_eq!(error.lines().count(), 3, "{error}");
        assert!(error.contains("AAPL.csv:2: close: `oops` is not a number"), "{error}");
        assert!(error.contains("GOOG.csv:1: column `high` is missing"), "{error}");
        assert!(error.contains("lower.csv: file name is not a symbol"), "{error}");
    }

    #[test]
    fn folder_without_bars_is_rejected() {
        let folder = tempfile::tempdir().unwrap();
        let error = plan(&args(folder.path())).unwrap_err().to_string();
        assert!(error.contains("no <SYMBOL>.csv"), "{error}");
    }
}

//! The bars of a run: of a folder, or of the synthetic market; and what of them is history.

use std::collections::HashMap;
use std::path::Path;

use backfill::sources::{Source, SourceError, SyntheticMarket, read_bars, synthetic_symbols};
use chassis::{Clock, SystemClock};
use devstack::replay::Replay;
use domain::{Bar, DataType, Interval, Symbol, Timeframe, Timestamp, calendar};

use super::findings;
use crate::cli::MarketArgs;
use crate::exit::Failure;
use crate::run::Plan;

/// Plans the run that the arguments ask for.
///
/// # Errors
/// A folder without bars, or the first fault of each bar file, with its place.
pub fn plan(args: &MarketArgs) -> Result<Plan, Failure> {
    if let (Some(from), Some(to)) = (args.from, args.to)
        && from > to
    {
        return Err(Failure::Usage(format!("--from {from} is later than --to {to}")));
    }
    let findings = findings(args)?;
    let files = match (&args.bars, &args.findings) {
        (Some(folder), _) => folder_bars(folder)?,
        // Findings alone: no market.
        (None, Some(_)) => Vec::new(),
        (None, None) => synthetic_bars(args.seed),
    };
    Ok(Plan { replay: Replay::plan(files, args.from, args.to), speed: args.speed, findings })
}

fn folder_bars(folder: &Path) -> Result<Vec<(Symbol, Vec<Bar>)>, Failure> {
    let unreadable = |e: std::io::Error| Failure::Usage(format!("{}: {e}", folder.display()));
    let mut files = Vec::new();
    let mut faults = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.extension().is_none_or(|extension| extension != "csv") {
            continue;
        }
        let name = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        match (Symbol::parse(name), read_bars(&path)) {
            (Ok(symbol), Ok(bars)) => files.push((symbol, bars)),
            (Err(fault), _) => {
                faults.push(format!("{}: the file's name is no symbol: {fault}", path.display()))
            }
            (_, Err(fault)) => faults.push(fault.to_string()),
        }
    }
    if !faults.is_empty() {
        faults.sort_unstable();
        return Err(Failure::Usage(faults.join("\n")));
    }
    if files.is_empty() {
        return Err(Failure::Usage(format!("{}: no <SYMBOL>.csv in this folder", folder.display())));
    }
    Ok(files)
}

/// The synthetic market up to the last session that has closed: never ahead of the clock.
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

/// What the backfill source of a run knows: the history of the replay's plan, and nothing after it.
#[derive(Debug)]
pub(super) struct History {
    bars: HashMap<Symbol, Vec<Bar>>,
}

impl History {
    pub(super) fn of(replay: &Replay) -> Self {
        let bars = replay.symbols.iter().map(|plan| (plan.symbol, plan.history().to_vec())).collect();
        Self { bars }
    }
}

impl Source for History {
    fn name(&self) -> &'static str {
        "history"
    }

    fn serves(&self, data_type: DataType, timeframe: Timeframe) -> bool {
        data_type == DataType::MarketData && timeframe == Timeframe::Day1
    }

    fn bars(&self, symbol: Symbol, timeframe: Timeframe, range: Interval) -> Result<Vec<Bar>, SourceError> {
        let held = self.bars.get(&symbol).filter(|_| timeframe == Timeframe::Day1);
        let inside = held.into_iter().flatten().filter(|bar| range.contains(bar.open_time));
        Ok(inside.copied().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(folder: &Path) -> MarketArgs {
        MarketArgs {
            bars: Some(folder.to_path_buf()),
            from: None,
            to: None,
            speed: crate::cli::Speed::Max,
            findings: None,
            topics: None,
            vectors: None,
            report: None,
            seed: 1,
        }
    }

    #[test]
    fn every_broken_bar_file_is_named_with_its_line() {
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
        let fault = plan(&args(folder.path())).unwrap_err().to_string();
        assert_eq!(fault.lines().count(), 3, "{fault}");
        assert!(fault.contains("AAPL.csv:2: close: `oops` is not a number"), "{fault}");
        assert!(fault.contains("GOOG.csv:1: column `high` is missing"), "{fault}");
        assert!(fault.contains("lower.csv: the file's name is no symbol"), "{fault}");
    }

    #[test]
    fn a_folder_without_bars_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let fault = plan(&args(folder.path())).unwrap_err().to_string();
        assert!(fault.contains("no <SYMBOL>.csv"), "{fault}");
    }
}

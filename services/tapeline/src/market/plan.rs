//! The plan of a run: bars of a folder or of the synthetic market, and findings of a file.

use backfill::sources::{SyntheticMarket, synthetic_symbols};
use chassis::{Clock, SystemClock};
use devstack::replay::Replay;
use domain::{Bar, Symbol, Timeframe, Timestamp, calendar};

use super::args::{MarketArgs, Speed};
use super::bar_files::{self, BarFiles};
use super::findings_file::Findings;
use super::replayed_dates::{self, SymbolBars};
use crate::exit::Failure;

/// The bars and findings that a run publishes.
#[derive(Debug)]
pub struct MarketPlan {
    /// Bars and findings of the scanner, date by date.
    pub replay: Replay,
    pub speed: Speed,
    /// Findings of a file, posted with the date of their event time.
    pub findings: Findings,
    /// Files and bars that are left out.
    pub warnings: Vec<String>,
    /// Lines for the summary: the symbols of which no bar is replayed.
    pub not_replayed: Vec<String>,
}

impl MarketPlan {
    /// Prints the warnings to standard error.
    pub fn warn(&self) {
        self.warnings.iter().for_each(|warning| chassis::output::note(&format!("warning: {warning}")));
    }
}

/// Reads the bars and findings that the arguments name.
///
/// # Errors
/// [`Failure::Usage`]: a folder without bars, or the errors of each bar file, with their lines. [`Failure::NotOk`]: nothing to publish.
pub fn plan(args: &MarketArgs) -> Result<MarketPlan, Failure> {
    if let (Some(from), Some(to)) = (args.from, args.to)
        && from > to
    {
        return Err(Failure::usage(format!("--from {from} is later than --to {to}")));
    }
    let findings = args.findings.as_deref().map_or_else(|| Ok(Findings::default()), Findings::read)?;
    let now = Timestamp::from_micros(SystemClock::new().wall_micros());
    let BarFiles { bars, warnings } = match (&args.bars, &args.findings) {
        (Some(folder), _) => bar_files::read(folder, now)?,
        // Findings alone: no market.
        (None, Some(_)) => BarFiles::default(),
        (None, None) => BarFiles { bars: synthetic_bars(args.seed, now), ..BarFiles::default() },
    };
    let symbols: Vec<SymbolBars> = bars.iter().map(|(symbol, bars)| SymbolBars::of(*symbol, bars)).collect();
    let replay = Replay::plan(bars, args.from, args.to);
    if replay.is_empty() && args.findings.is_none() {
        let nothing = replayed_dates::nothing_to_replay(&symbols, args.from, args.to);
        return Err(Failure::not_ok([&[nothing], &warnings[..]].concat().join("\n  ")));
    }
    let not_replayed = replayed_dates::not_replayed(&symbols, &replay);
    Ok(MarketPlan { replay, speed: args.speed, findings, warnings, not_replayed })
}

/// Returns the bars of the synthetic market up to the last closed session, never ahead of the clock.
fn synthetic_bars(seed: u64, now: Timestamp) -> Vec<(Symbol, Vec<Bar>)> {
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
    use chassis::Exit;

    #[test]
    fn empty_replay_fails_before_the_run() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["AAPL.csv", "MSFT.CSV"] {
            std::fs::write(
                folder.path().join(name),
                "date,open,high,low,close,volume\n2024-01-02,1,1,1,1,10\n",
            )
            .unwrap();
        }
        let mut args = MarketArgs {
            bars: Some(folder.path().to_path_buf()),
            from: None,
            to: None,
            speed: Speed::Max,
            findings: None,
            topics: None,
            vectors: None,
            report: None,
            seed: 1,
        };
        let failure = plan(&args).unwrap_err();
        assert_eq!(failure.exit(), Exit::Failed);
        let text = failure.to_string();
        assert!(text.starts_with("0 dates replayed") && text.contains("MSFT.CSV is not read"), "{text}");
        let findings = folder.path().join("findings.ndjson");
        std::fs::write(&findings, "{}\n").unwrap();
        args.findings = Some(findings);
        assert_eq!(
            plan(&args).unwrap().not_replayed,
            ["AAPL: 1 bars, backfilled, not replayed: more than 300 are needed"]
        );
    }
}

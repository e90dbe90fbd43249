//! The plan of a run: bars of a folder or of the synthetic market, and findings of a file.

use backfill::sources::{SyntheticMarket, synthetic_symbols};
use chassis::{Clock, Shutdown, SystemClock};
use devstack::replay::Replay;
use domain::{Bar, Symbol, Timeframe, Timestamp, calendar};

use super::args::{MarketArgs, Speed};
use super::bar_files::{self, BarFiles};
use super::findings_file::Findings;
use super::replayed_dates::{self, SymbolBars};
use crate::exit::Failure;
use crate::output::NdjsonFile;

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

/// Reads the plan and creates the file of `--vectors`, on a thread of its own, so that a file that never ends, such as a pipe, does not
/// keep a signal from ending the command. `None` if `interrupt` begins before.
///
/// # Errors
/// As [`plan`]; the error of the file system, with the path.
pub async fn open(
    args: &MarketArgs,
    interrupt: &Shutdown,
) -> Result<Option<(MarketPlan, Option<NdjsonFile>)>, Failure> {
    let args = args.clone();
    let opening = tokio::task::spawn_blocking(move || {
        let plan = plan(&args)?;
        let vectors = args.vectors.as_deref().map(NdjsonFile::create).transpose()?;
        Ok((plan, vectors))
    });
    tokio::select! {
        opened = opening => {
            let (plan, vectors) = opened.map_err(Failure::not_ok)??;
            plan.warnings.iter().for_each(|warning| chassis::output::note(&format!("warning: {warning}")));
            Ok(Some((plan, vectors)))
        }
        () = interrupt.begun() => Ok(None),
    }
}

/// Reads the bars and findings that the arguments name.
///
/// # Errors
/// [`Failure::Usage`]: a folder without bars, or the errors of each bar file, with their lines. [`Failure::NotOk`]: nothing to publish.
fn plan(args: &MarketArgs) -> Result<MarketPlan, Failure> {
    if let (Some(from), Some(to)) = (args.from, args.to)
        && from > to
    {
        return Err(Failure::usage(format!("--from {from} is later than --to {to}")));
    }
    let findings = args.findings.as_deref().map_or_else(|| Ok(Findings::default()), Findings::read)?;
    let now = Timestamp::from_micros(SystemClock::new().wall_micros());
    let BarFiles { bars, mut warnings } = match (&args.bars, &args.findings) {
        (Some(folder), _) => bar_files::read(folder, now)?,
        // Findings alone: no market.
        (None, Some(_)) => BarFiles::default(),
        (None, None) => BarFiles { bars: synthetic_bars(args.seed, now), ..BarFiles::default() },
    };
    let symbols: Vec<SymbolBars> = bars.iter().map(|(symbol, bars)| SymbolBars::of(*symbol, bars)).collect();
    let replay = Replay::plan(bars, args.from, args.to);
    if let Some(file) = args.findings.as_deref().filter(|_| findings.is_empty()) {
        warnings.push(format!("{} has no findings", file.display()));
    }
    if replay.is_empty() && findings.is_empty() {
        let nothing = match args.bars {
            None => "nothing to publish".to_owned(),
            Some(_) => replayed_dates::nothing_to_replay(&symbols, args.from, args.to),
        };
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
    use std::path::Path;

    use super::*;
    use chassis::Exit;

    fn args(bars: &Path) -> MarketArgs {
        MarketArgs {
            bars: Some(bars.to_path_buf()),
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
    fn empty_replay_fails_before_the_run() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["AAPL.csv", "MSFT.CSV"] {
            std::fs::write(
                folder.path().join(name),
                "date,open,high,low,close,volume\n2024-01-02,1,1,1,1,10\n",
            )
            .unwrap();
        }
        let mut args = args(folder.path());
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

    #[test]
    fn findings_file_without_findings_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let findings = folder.path().join("findings.ndjson");
        for text in ["", "\u{feff}\r\n\n"] {
            std::fs::write(&findings, text).unwrap();
            let alone = MarketArgs { bars: None, findings: Some(findings.clone()), ..args(folder.path()) };
            let failure = plan(&alone).unwrap_err();
            assert_eq!(failure.exit(), Exit::Failed);
            let expected = format!("nothing to publish\n  {} has no findings", findings.display());
            assert_eq!(failure.to_string(), expected);
        }
        let bars = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data/bars");
        let with_bars = MarketArgs { findings: Some(findings.clone()), ..args(&bars) };
        assert_eq!(plan(&with_bars).unwrap().warnings, [format!("{} has no findings", findings.display())]);
    }
}

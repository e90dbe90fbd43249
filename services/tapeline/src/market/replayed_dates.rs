//! The dates that a plan replays of each symbol, for the summary and for a replay that would be empty.

use devstack::replay::{HISTORY_BARS, Replay};
use domain::{Bar, Symbol, calendar};
use jiff::civil::Date;

/// Symbols that are named; the others are counted.
const NAMED_MAX: usize = 20;

/// The bars of a symbol before the plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SymbolBars {
    symbol: Symbol,
    bars: usize,
    /// The first and the last date, `None` without bars.
    dates: Option<(Date, Date)>,
}

impl SymbolBars {
    pub(super) fn of(symbol: Symbol, bars: &[Bar]) -> Self {
        let date = |bar: &Bar| calendar::date_of(bar.open_time);
        let dates = bars.first().zip(bars.last()).map(|(first, last)| (date(first), date(last)));
        Self { symbol, bars: bars.len(), dates }
    }
}

/// Returns a line for each symbol of which no bar is replayed.
pub(super) fn not_replayed(symbols: &[SymbolBars], replay: &Replay) -> Vec<String> {
    let line = |of: &SymbolBars| {
        let SymbolBars { symbol, bars, .. } = of;
        let plan = replay.symbols.iter().find(|plan| plan.symbol == *symbol);
        match plan {
            None => Some(format!("{symbol}: {bars} bars, not replayed")),
            Some(plan) if plan.first < plan.bars.len() => None,
            Some(_) if *bars <= HISTORY_BARS => Some(format!(
                "{symbol}: {bars} bars, backfilled, not replayed: more than {HISTORY_BARS} are needed"
            )),
            Some(_) => Some(format!("{symbol}: {bars} bars, backfilled, not replayed")),
        }
    };
    bounded(symbols.iter().filter_map(line))
}

/// Returns the text for a plan without any date: the dates that there are.
pub(super) fn nothing_to_replay(symbols: &[SymbolBars], from: Option<Date>, to: Option<Date>) -> String {
    let bounds = [("from", from), ("to", to)];
    let flags: String =
        bounds.iter().filter_map(|(name, date)| Some(format!(" --{name} {}", (*date)?))).collect();
    let at = if flags.is_empty() { String::new() } else { format!(" for{flags}") };
    let mut text = format!("0 dates replayed{at}: the first {HISTORY_BARS} bars of a symbol are its history");
    let line = |of: &SymbolBars| match of.dates {
        Some((first, last)) => format!("{}: {} bars from {first} to {last}", of.symbol, of.bars),
        None => format!("{}: no bars", of.symbol),
    };
    bounded(symbols.iter().map(line)).iter().for_each(|line| text.push_str(&format!("\n  {line}")));
    text
}

fn bounded(lines: impl Iterator<Item = String>) -> Vec<String> {
    let mut lines: Vec<String> = lines.collect();
    let more = lines.len().saturating_sub(NAMED_MAX);
    lines.truncate(NAMED_MAX);
    if more > 0 {
        lines.push(format!("… and {more} more symbols"));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::ToSpan;
    use jiff::civil::date;

    fn bars(n: i64) -> Vec<Bar> {
        let bar = |i: i64| {
            let open_time = calendar::day_open(date(2004, 1, 1).saturating_add(i.days()));
            Bar { open_time, open: 1.0, high: 1.0, low: 1.0, close: 1.0, volume: 1.0 }
        };
        (0..n).map(bar).collect()
    }

    fn plan(files: &[(&str, i64)], from: Option<Date>) -> (Vec<SymbolBars>, Replay) {
        let files: Vec<(Symbol, Vec<Bar>)> =
            files.iter().map(|(name, n)| (Symbol::parse(name).unwrap(), bars(*n))).collect();
        let symbols = files.iter().map(|(symbol, bars)| SymbolBars::of(*symbol, bars)).collect();
        (symbols, Replay::plan(files, from, None))
    }

    #[test]
    fn symbols_that_are_not_replayed_are_named() {
        let (symbols, replay) = plan(&[("AAPL", 400), ("FB", 197), ("IBM", 0)], None);
        assert_eq!(
            not_replayed(&symbols, &replay),
            ["FB: 197 bars, backfilled, not replayed: more than 300 are needed", "IBM: 0 bars, not replayed"]
        );
        let (symbols, replay) = plan(&[("AAPL", 400)], Some(date(2030, 1, 1)));
        assert_eq!(not_replayed(&symbols, &replay), ["AAPL: 400 bars, backfilled, not replayed"]);
    }

    #[test]
    fn empty_replay_names_the_dates_that_there_are() {
        let (symbols, _) = plan(&[("AAPL", 400), ("IBM", 0)], None);
        let text = nothing_to_replay(&symbols, Some(date(2030, 1, 1)), None);
        assert_eq!(
            text,
            "0 dates replayed for --from 2030-01-01: the first 300 bars of a symbol are its history\n  \
             AAPL: 400 bars from 2004-01-01 to 2005-02-03\n  IBM: no bars"
        );
    }

    #[test]
    fn many_symbols_are_counted() {
        let lines = bounded((0..500).map(|n| n.to_string()));
        assert_eq!((lines.len(), lines[20].as_str()), (21, "… and 480 more symbols"));
    }
}

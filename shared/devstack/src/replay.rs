//! Plan of a replay of day bars, date by date. It is complete before the first bar is sent.
//!
//! Pure: the command that uses the plan sends the bars, waits and reports.

use std::collections::BTreeMap;

use domain::{Bar, Symbol, Timestamp, calendar};
use jiff::civil::Date;

use crate::scanner::{self, Found};

/// The number of bars that a replay uses as history: a full feature window.
pub const HISTORY_BARS: usize = 300;

/// The time from 00:00 to 16:00. The findings of a date occur at 16:00, on half days too.
const FOUND_AFTER_MICROS: i64 = 16 * 3_600 * 1_000_000;

/// The bars of one symbol, split into history and replay.
#[derive(Debug, Clone)]
pub struct SymbolPlan {
    pub symbol: Symbol,
    /// All bars up to the end of the replay, oldest first.
    pub bars: Vec<Bar>,
    /// The index of the first replayed bar; `bars.len()` if none is replayed.
    pub first: usize,
}

impl SymbolPlan {
    /// Returns the bars before the replay, which the backfill source provides.
    #[must_use]
    pub fn history(&self) -> &[Bar] {
        &self.bars[..self.first]
    }

    /// Returns the time at which the symbol is proposed: the open time of its first replayed bar, or of its last bar if none is replayed.
    #[must_use]
    pub fn proposed_at(&self) -> Option<Timestamp> {
        self.bars.get(self.first).or(self.bars.last()).map(|bar| bar.open_time)
    }
}

/// The events of one date.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// The date of the session.
    pub date: Date,
    /// The bars that close on it, by symbol.
    pub bars: Vec<(Symbol, Bar)>,
    /// The findings of the scanner, in the order of symbol and rule.
    pub findings: Vec<(Symbol, Found)>,
}

impl Step {
    /// Returns the time at which the findings of this date occurred: 16:00 in New York.
    #[must_use]
    pub fn found_at(&self) -> Timestamp {
        // A day bar opens at 00:00. Daylight saving time changes on Sundays, so the sixteen hours are exact.
        calendar::day_open(self.date).saturating_add_micros(FOUND_AFTER_MICROS)
    }
}

/// A replay: the symbols, and the steps in the order of their dates.
#[derive(Debug, Clone)]
pub struct Replay {
    /// Sorted by symbol.
    pub symbols: Vec<SymbolPlan>,
    steps: BTreeMap<Date, Vec<(usize, usize)>>,
}

impl Replay {
    /// Plans the replay of these bars.
    ///
    /// All bars of a symbol with at most [`HISTORY_BARS`] bars are history. Of other symbols, the bars before `from` are history, or the
    /// first [`HISTORY_BARS`] without `from`; the bars after them up to `to` are replayed. Symbols without bars are omitted.
    #[must_use]
    pub fn plan(files: Vec<(Symbol, Vec<Bar>)>, from: Option<Date>, to: Option<Date>) -> Self {
        let mut symbols: Vec<SymbolPlan> = files
            .into_iter()
            .map(|(symbol, mut bars)| {
                let until = |last: Date, before: bool| {
                    let is_past = |date: Date| if before { date >= last } else { date > last };
                    bars.partition_point(|bar| !is_past(calendar::date_of(bar.open_time)))
                };
                let first = match from {
                    _ if bars.len() <= HISTORY_BARS => bars.len(),
                    Some(from) => until(from, true),
                    None => HISTORY_BARS,
                };
                let end = to.map_or(bars.len(), |to| until(to, false).max(first));
                bars.truncate(end);
                SymbolPlan { symbol, bars, first }
            })
            .collect();
        symbols.retain(|plan| !plan.bars.is_empty());
        symbols.sort_by_key(|plan| plan.symbol);
        let mut steps: BTreeMap<Date, Vec<(usize, usize)>> = BTreeMap::new();
        for (s, plan) in symbols.iter().enumerate() {
            for b in plan.first..plan.bars.len() {
                steps.entry(calendar::date_of(plan.bars[b].open_time)).or_default().push((s, b));
            }
        }
        Self { symbols, steps }
    }

    /// Returns the number of dates.
    #[must_use]
    pub fn len(&self) -> usize {
        self.steps.len()
    }

    /// Returns whether no bar is replayed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// Returns the steps, oldest date first. Each step is computed lazily.
    pub fn steps(&self) -> impl Iterator<Item = Step> + '_ {
        self.steps.iter().map(|(date, entries)| self.step(*date, entries))
    }

    fn step(&self, date: Date, entries: &[(usize, usize)]) -> Step {
        let mut step = Step { date, bars: Vec::new(), findings: Vec::new() };
        for &(s, b) in entries {
            let plan = &self.symbols[s];
            step.bars.push((plan.symbol, plan.bars[b]));
            step.findings
                .extend(scanner::scan(&plan.bars[..=b]).into_iter().map(|found| (plan.symbol, found)));
        }
        step
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::ToSpan;
    use jiff::civil::date;

    fn bars(n: i64) -> Vec<Bar> {
        (0..n)
            .map(|i| {
                let open_time = calendar::day_open(date(2004, 1, 1).saturating_add(i.days()));
                Bar { open_time, open: 1.0, high: 1.0, low: 1.0, close: 1.0, volume: 1.0 }
            })
            .collect()
    }

    fn symbol(name: &str) -> Symbol {
        Symbol::parse(name).unwrap()
    }

    #[test]
    fn short_file_is_history_and_proposed_at_its_last_bar() {
        let replay = Replay::plan(vec![(symbol("FB"), bars(300))], Some(date(2004, 1, 5)), None);
        let plan = &replay.symbols[0];
        assert_eq!((plan.history().len(), replay.len()), (300, 0));
        assert_eq!(plan.proposed_at(), Some(plan.bars[299].open_time));
    }

    #[test]
    fn long_file_replays_the_bars_after_its_first_300() {
        let replay = Replay::plan(vec![(symbol("AAPL"), bars(303))], None, None);
        let plan = &replay.symbols[0];
        assert_eq!((plan.history().len(), replay.len()), (300, 3));
        assert_eq!(plan.proposed_at(), Some(plan.bars[300].open_time));
        assert_eq!(replay.steps().next().unwrap().bars, [(plan.symbol, plan.bars[300])]);
    }

    #[test]
    fn replay_is_bounded_by_from_and_to_and_merges_dates() {
        let files = vec![(symbol("GOOG"), bars(400)), (symbol("AAPL"), bars(310))];
        let replay = Replay::plan(files, Some(date(2004, 10, 1)), Some(date(2004, 11, 30)));
        assert_eq!(replay.symbols[0].symbol, symbol("AAPL"));
        let steps: Vec<Step> = replay.steps().collect();
        assert_eq!(steps[0].date, date(2004, 10, 1));
        assert_eq!((steps[0].bars.len(), steps.last().unwrap().bars.len()), (2, 1));
        assert_eq!(steps.last().unwrap().date, date(2004, 11, 30));

        let early = Some(date(2003, 12, 31));
        let short = Replay::plan(vec![(symbol("FB"), bars(10)), (symbol("GOOG"), bars(310))], None, early);
        assert_eq!(short.symbols.iter().map(|plan| plan.history().len()).collect::<Vec<_>>(), [10, 300]);
        assert!(
            short.is_empty() && Replay::plan(vec![(symbol("FB"), vec![])], None, None).symbols.is_empty()
        );
    }
}

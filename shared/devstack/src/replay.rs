//! What a replay of day bars does, date by date: a plan made before anything is sent.
//!
//! Pure: bars in, plan out. Who sends it, waits and reports is the operator's command.

use std::collections::BTreeMap;

use domain::{Bar, Symbol, Timestamp, calendar};
use jiff::civil::Date;

use crate::scanner::{self, Found};

/// The bars that a replay holds back as history: what a feature window needs in full.
pub const HISTORY_BARS: usize = 300;

/// From 00:00 to 16:00, when a date's findings occur; on half days too.
const FOUND_AFTER_MICROS: i64 = 16 * 3_600 * 1_000_000;

/// One symbol's bars, split into history and replay.
#[derive(Debug, Clone)]
pub struct SymbolPlan {
    /// The symbol.
    pub symbol: Symbol,
    /// All its bars up to the end of the replay, oldest first.
    pub bars: Vec<Bar>,
    /// The index of the first replayed bar; `bars.len()` when none is.
    pub first: usize,
}

impl SymbolPlan {
    /// The bars that the backfill source may know: those before the replay begins.
    #[must_use]
    pub fn history(&self) -> &[Bar] {
        &self.bars[..self.first]
    }

    /// When the symbol is proposed: the open time of its first replayed bar, or of the last one where none is.
    #[must_use]
    pub fn proposed_at(&self) -> Option<Timestamp> {
        self.bars.get(self.first).or(self.bars.last()).map(|bar| bar.open_time)
    }
}

/// What happens on one date.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// The session's date.
    pub date: Date,
    /// The bars that close on it, by symbol.
    pub bars: Vec<(Symbol, Bar)>,
    /// What the scanner finds in them, in order of symbol and rule.
    pub findings: Vec<(Symbol, Found)>,
}

impl Step {
    /// When the findings of this date occurred: 16:00 in New York.
    #[must_use]
    pub fn found_at(&self) -> Timestamp {
        // A day bar opens at 00:00; the clocks change at night before Sundays, so the sixteen hours are whole.
        calendar::day_open(self.date).saturating_add_micros(FOUND_AFTER_MICROS)
    }
}

/// A replay: the symbols, and the steps in order of date.
#[derive(Debug, Clone)]
pub struct Replay {
    /// In order of symbol.
    pub symbols: Vec<SymbolPlan>,
    steps: BTreeMap<Date, Vec<(usize, usize)>>,
}

impl Replay {
    /// Plans the replay of these bars.
    ///
    /// A symbol with at most [`HISTORY_BARS`] bars is history as a whole. Of the others the first [`HISTORY_BARS`], or
    /// those before `from`, are history; of the rest, those up to `to` are replayed. A symbol without any bar isn't part of the replay.
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

    /// How many dates there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.steps.len()
    }

    /// Whether no bar is replayed at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// The steps, oldest date first; each is made when it is asked for.
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
    fn a_short_file_is_history_as_a_whole_and_proposed_at_its_last_bar() {
        let replay = Replay::plan(vec![(symbol("FB"), bars(300))], Some(date(2004, 1, 5)), None);
        let plan = &replay.symbols[0];
        assert_eq!((plan.history().len(), replay.len()), (300, 0));
        assert_eq!(plan.proposed_at(), Some(plan.bars[299].open_time));
    }

    #[test]
    fn a_long_file_replays_what_follows_its_first_300_bars() {
        let replay = Replay::plan(vec![(symbol("AAPL"), bars(303))], None, None);
        let plan = &replay.symbols[0];
        assert_eq!((plan.history().len(), replay.len()), (300, 3));
        assert_eq!(plan.proposed_at(), Some(plan.bars[300].open_time));
        assert_eq!(replay.steps().next().unwrap().bars, [(plan.symbol, plan.bars[300])]);
    }

    #[test]
    fn from_and_to_bound_the_replay_and_dates_are_shared() {
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

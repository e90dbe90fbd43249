//! The bars held of every symbol and timeframe.

use std::collections::HashMap;

use domain::{Bar, Symbol, Timeframe};
use foldhash::fast::RandomState;

/// The newest bars of each symbol and timeframe, one each open time.
///
/// What it shows depends on the bars that were put in, never on their order: of bars with one open time the last written wins,
/// and of the others the newest `kept` are shown.
#[derive(Debug)]
pub struct History {
    kept: usize,
    series: HashMap<(Symbol, Timeframe), Vec<Bar>, RandomState>,
}

impl History {
    /// Keeps the newest `history + slack` bars each: `history` for a window, `slack` for requests of the past.
    #[must_use]
    pub fn new(history: usize, slack: usize) -> Self {
        Self { kept: history + slack, series: HashMap::default() }
    }

    /// Puts a bar in its place; it replaces the one with its open time.
    pub fn insert(&mut self, symbol: Symbol, timeframe: Timeframe, bar: Bar) {
        // Cutting an eighth at a time keeps an insert's cost constant; what is beyond `kept` isn't shown.
        let limit = self.kept + self.kept / 8 + 1;
        let series = self.series.entry((symbol, timeframe)).or_default();
        if series.len() == series.capacity() {
            series.reserve_exact(series.len().max(8).min(limit - series.len()));
        }
        match series.binary_search_by_key(&bar.open_time, |held| held.open_time) {
            Ok(place) => series[place] = bar,
            Err(0) if series.len() >= self.kept => {} // older than all that is kept
            Err(place) => series.insert(place, bar),
        }
        if series.len() == limit {
            series.drain(..series.len() - self.kept);
        }
    }

    /// The newest bars held of the symbol, oldest first.
    #[must_use]
    pub fn bars(&self, symbol: Symbol, timeframe: Timeframe) -> &[Bar] {
        let series = self.series.get(&(symbol, timeframe)).map_or(&[][..], Vec::as_slice);
        &series[series.len().saturating_sub(self.kept)..]
    }

    /// How many bars are held in memory, over all symbols.
    #[must_use]
    pub fn len(&self) -> usize {
        self.series.values().map(Vec::len).sum()
    }

    /// Whether no bar is held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.series.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use domain::Timestamp;

    use super::*;

    fn bar(second: i64, close: f64) -> Bar {
        let open_time = Timestamp::from_micros(second * 1_000_000);
        Bar { open_time, open: close, high: close, low: close, close, volume: 1.0 }
    }

    fn closes(history: &History, symbol: &str) -> Vec<f64> {
        history.bars(Symbol::parse(symbol).unwrap(), Timeframe::Day1).iter().map(|bar| bar.close).collect()
    }

    #[test]
    fn the_last_written_bar_of_an_open_time_wins() {
        let mut history = History::new(3, 0);
        let symbol = Symbol::parse("AAPL").unwrap();
        for held in [bar(2, 2.0), bar(1, 1.0), bar(2, 2.5), bar(3, 3.0)] {
            history.insert(symbol, Timeframe::Day1, held);
        }
        assert_eq!(closes(&history, "AAPL"), [1.0, 2.5, 3.0]);
        assert!(closes(&history, "GOOG").is_empty());
        assert!(history.bars(symbol, Timeframe::Hour1).is_empty());
    }

    #[test]
    fn only_the_newest_are_kept_in_any_order() {
        let symbol = Symbol::parse("AAPL").unwrap();
        for reversed in [false, true] {
            let mut history = History::new(16, 4);
            for step in 0..100_u8 {
                let second = if reversed { 100 - step } else { step + 1 };
                history.insert(symbol, Timeframe::Day1, bar(second.into(), second.into()));
                assert!(history.len() <= 22);
            }
            assert_eq!(closes(&history, "AAPL"), (81..=100).map(f64::from).collect::<Vec<_>>());
        }
    }
}

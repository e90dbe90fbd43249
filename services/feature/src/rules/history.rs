//! Bars of every symbol and timeframe of a table partition.

use std::collections::HashMap;

use domain::{Bar, Symbol, Timeframe, Timestamp};
use foldhash::fast::RandomState;

/// The newest bars of each symbol and timeframe, one per open time.
///
/// The content depends on the inserted bars, not on their order, except that of bars with the same open time the last one counts. The
/// newest `kept` bars are visible.
#[derive(Debug)]
pub struct History {
    kept: usize,
    series: HashMap<Series, Vec<Bar>, RandomState>,
    /// Bars for which the series have space.
    capacity: usize,
}

type Series = (Symbol, Timeframe);

/// Bytes of an entry of the map, with its byte of control.
const ENTRY_BYTES: usize = size_of::<(Series, Vec<Bar>)>() + 1;

impl History {
    /// An empty history that keeps the newest `history + slack` bars per series: `history` for a window, `slack` for requests of the
    /// past.
    #[must_use]
    pub fn new(history: usize, slack: usize) -> Self {
        Self { kept: history + slack, series: HashMap::default(), capacity: 0 }
    }

    /// Returns the bars for which a series has space at most.
    const fn series_capacity(kept: usize) -> usize {
        // Removing an eighth at a time makes the time per insert constant; bars in excess of `kept` are not visible.
        kept + kept / 8 + 1
    }

    /// Returns the upper bound of the memory of a series that keeps this number of bars, in bytes. While the map grows, the entries are in
    /// memory twice, and half of the larger ones are empty: 24 for 7.
    #[must_use]
    pub const fn series_bytes_max(kept: usize) -> usize {
        allocated(Self::series_capacity(kept) * size_of::<Bar>()) + ENTRY_BYTES * 24 / 7
    }

    /// Returns the memory of all series, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.capacity * size_of::<Bar>() + self.series.capacity() * ENTRY_BYTES * 8 / 7
    }

    /// Returns the number of series.
    #[must_use]
    pub fn series(&self) -> usize {
        self.series.len()
    }

    /// Inserts a bar. It replaces the bar of the same open time.
    pub fn insert(&mut self, symbol: Symbol, timeframe: Timeframe, bar: Bar) {
        let limit = Self::series_capacity(self.kept);
        let series = self.series.entry((symbol, timeframe)).or_default();
        if series.len() == series.capacity() {
            let before = series.capacity();
            series.reserve_exact(series.len().max(8).min(limit - series.len()));
            self.capacity += series.capacity() - before;
        }
        match series.binary_search_by_key(&bar.open_time, |held| held.open_time) {
            Ok(index) => series[index] = bar,
            Err(0) if series.len() >= self.kept => {} // older than all kept bars
            Err(index) => series.insert(index, bar),
        }
        if series.len() == limit {
            series.drain(..series.len() - self.kept);
        }
    }

    /// Removes a bar. Bars that were evicted before do not return until the history is built again.
    pub fn remove(&mut self, symbol: Symbol, timeframe: Timeframe, open_time: Timestamp) {
        let Some(series) = self.series.get_mut(&(symbol, timeframe)) else { return };
        if let Ok(index) = series.binary_search_by_key(&open_time, |held| held.open_time) {
            series.remove(index);
        }
        if series.is_empty() {
            self.capacity -= series.capacity();
            self.series.remove(&(symbol, timeframe));
        }
    }

    /// Returns the newest bars of a series, oldest first.
    #[must_use]
    pub fn bars(&self, symbol: Symbol, timeframe: Timeframe) -> &[Bar] {
        let series = self.series.get(&(symbol, timeframe)).map_or(&[][..], Vec::as_slice);
        &series[series.len().saturating_sub(self.kept)..]
    }

    /// The number of bars in memory, over all series.
    #[must_use]
    pub fn len(&self) -> usize {
        self.series.values().map(Vec::len).sum()
    }

    /// `true` if no bar is held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.series.is_empty()
    }
}

/// Returns the memory of an allocation of this many bytes with jemalloc: it has four sizes between two powers of two, and begins at any
/// cache line of a page.
const fn allocated(bytes: usize) -> usize {
    const PAGE_BYTES: usize = 4_096;
    bytes.next_multiple_of(1 << bytes.ilog2().saturating_sub(2)) + PAGE_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bar(second: i64, close: f64) -> Bar {
        let open_time = Timestamp::from_micros(second * 1_000_000);
        Bar { open_time, open: close, high: close, low: close, close, volume: 1.0 }
    }

    fn closes(history: &History, symbol: &str) -> Vec<f64> {
        history.bars(Symbol::parse(symbol).unwrap(), Timeframe::Day1).iter().map(|bar| bar.close).collect()
    }

    #[test]
    fn last_bar_of_an_open_time_counts() {
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
    fn removed_bar_is_as_if_it_was_never_inserted() {
        let symbol = Symbol::parse("AAPL").unwrap();
        let mut history = History::new(3, 0);
        for second in [1, 2, 3] {
            history.insert(symbol, Timeframe::Day1, bar(second.into(), second.into()));
        }
        let mut remove = |second| {
            history.remove(symbol, Timeframe::Day1, bar(second, 0.0).open_time);
            closes(&history, "AAPL")
        };
        assert_eq!((remove(2), remove(2), remove(9)), (vec![1.0, 3.0], vec![1.0, 3.0], vec![1.0, 3.0]));
        assert_eq!((remove(1), remove(3)), (vec![3.0], vec![]));
        assert!(history.is_empty());
        assert_eq!((history.series(), history.capacity), (0, 0));
    }

    #[test]
    fn newest_bars_are_kept_in_any_order() {
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

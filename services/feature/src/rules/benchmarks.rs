//! Benchmarks: symbols that other symbols are compared with, and their bars.

use domain::{Bar, Symbol, Timestamp};

use super::splits::{Mismatch, Mismatches, Split, Splits, mismatches};

/// The market as a whole.
pub(super) const MARKET: Symbol = Symbol::constant("SPY");

/// Long government bonds, gold, and the dollar.
pub(super) const INTERMARKET: [Symbol; 3] =
    [Symbol::constant("TLT"), Symbol::constant("GLD"), Symbol::constant("UUP")];

/// The default benchmarks: large, technology and small companies.
pub const COMPARED: [Symbol; 3] = [MARKET, Symbol::constant("QQQ"), Symbol::constant("IWM")];

/// Returns the symbols whose bars the comparing sets use: the configured benchmarks, and those that the sets name themselves.
#[must_use]
pub fn followed(compared: &[Symbol]) -> Vec<Symbol> {
    let named = [MARKET].into_iter().chain(INTERMARKET);
    let mut followed: Vec<Symbol> = Vec::new();
    for symbol in compared.iter().copied().chain(named) {
        if !followed.contains(&symbol) {
            followed.push(symbol);
        }
    }
    followed
}

/// Bars of the benchmarks at one timeframe.
#[derive(Debug, Clone, PartialEq)]
pub struct Benchmarks {
    history: usize,
    compared: Vec<Symbol>,
    series: Vec<BenchmarkSeries>,
}

/// The bars of a benchmark as they were received, its splits, and the prices that contradict them.
#[derive(Debug, Clone, PartialEq)]
struct BenchmarkSeries {
    symbol: Symbol,
    bars: Vec<Bar>,
    splits: Vec<Split>,
    mismatches: Vec<Mismatch>,
}

impl Benchmarks {
    /// Benchmarks for windows of `history` bars of each symbol. A series has one bar per open time, oldest first; it may continue after
    /// the newest bar of a window.
    #[must_use]
    pub fn new(history: usize, compared: Vec<Symbol>, series: Vec<(Symbol, Vec<Bar>)>) -> Self {
        Self::with_splits(history, compared, series, &Splits::new(0))
    }

    /// Benchmarks whose bars are adjusted by these splits, for each window as of its newest bar.
    #[must_use]
    pub fn with_splits(
        history: usize,
        compared: Vec<Symbol>,
        series: Vec<(Symbol, Vec<Bar>)>,
        splits: &Splits,
    ) -> Self {
        let with_splits = |(symbol, bars): (Symbol, Vec<Bar>)| {
            let splits = splits.of(symbol).to_vec();
            let mismatches = mismatches(&bars, &splits).collect();
            BenchmarkSeries { symbol, bars, splits, mismatches }
        };
        Self { history, compared, series: series.into_iter().map(with_splits).collect() }
    }

    /// The maximum number of bars that count.
    pub(super) const fn history(&self) -> usize {
        self.history
    }

    /// The configured benchmarks, in the order of the configuration.
    pub(super) fn compared(&self) -> &[Symbol] {
        &self.compared
    }

    fn series(&self, symbol: Symbol) -> Option<&BenchmarkSeries> {
        self.series.iter().find(|series| series.symbol == symbol)
    }

    /// The bars of a symbol as they were received; empty if there are none.
    pub(super) fn bars(&self, symbol: Symbol) -> &[Bar] {
        self.series(symbol).map_or(&[], |series| &series.bars)
    }

    /// The splits of a symbol, oldest first.
    pub(super) fn splits(&self, symbol: Symbol) -> &[Split] {
        self.series(symbol).map_or(&[], |series| &series.splits)
    }

    /// The mismatches of the bars of a symbol that opened after `from`, up to `as_of`.
    pub(super) fn mismatches(&self, symbol: Symbol, from: Timestamp, as_of: Timestamp) -> Mismatches {
        let all = self.series(symbol).map_or(&[][..], |series| &series.mismatches);
        all.iter().filter(|mismatch| from < mismatch.at && mismatch.at <= as_of).copied().collect()
    }
}

/// Returns a symbol as a part of the name of a value.
#[must_use]
pub fn in_name(symbol: Symbol) -> String {
    symbol.as_str().to_ascii_lowercase().replace(['.', '-'], "_")
}

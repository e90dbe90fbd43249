//! Benchmarks: symbols that other symbols are compared with, and their bars.

use domain::{Bar, Symbol};

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
    series: Vec<(Symbol, Vec<Bar>)>,
}

impl Benchmarks {
    /// Benchmarks for windows of `history` bars of each symbol. A series has one bar per open time, oldest first; it may continue after
    /// the newest bar of a window.
    #[must_use]
    pub fn new(history: usize, compared: Vec<Symbol>, series: Vec<(Symbol, Vec<Bar>)>) -> Self {
        Self { history, compared, series }
    }

    /// The maximum number of bars that count.
    pub(super) const fn history(&self) -> usize {
        self.history
    }

    /// The configured benchmarks, in the order of the configuration.
    pub(super) fn compared(&self) -> &[Symbol] {
        &self.compared
    }

    /// The bars of a symbol; empty if there are none.
    pub(super) fn bars(&self, symbol: Symbol) -> &[Bar] {
        self.series.iter().find(|(of, _)| *of == symbol).map_or(&[], |(_, bars)| bars)
    }
}

/// Returns a symbol as a part of the name of a value.
#[must_use]
pub fn in_name(symbol: Symbol) -> String {
    symbol.as_str().to_ascii_lowercase().replace(['.', '-'], "_")
}

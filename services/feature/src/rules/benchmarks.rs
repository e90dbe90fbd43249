//! What a symbol is compared with: other symbols' bars, up to the same bar.

use std::sync::LazyLock;

use domain::calendar::date_of;
use domain::{Bar, Symbol};

use super::stats::{newest, sample_covariance, sample_variance};
use super::value::{Gap, Shortfall, Value, divide};
use super::window::Window;

/// The market as a whole.
pub(super) const MARKET: Symbol = Symbol::constant("SPY");

/// Long government bonds, gold, and the dollar.
pub(super) const INTERMARKET: [Symbol; 3] =
    [Symbol::constant("TLT"), Symbol::constant("GLD"), Symbol::constant("UUP")];

/// What each symbol is compared with, unless the configuration says otherwise: large, technology, small companies.
pub const COMPARED: [Symbol; 3] = [MARKET, Symbol::constant("QQQ"), Symbol::constant("IWM")];

/// Of a window that was given none.
pub(super) static NONE: LazyLock<Benchmarks> =
    LazyLock::new(|| Benchmarks::new(0, COMPARED.to_vec(), Vec::new()));

/// The symbols whose bars the comparing sets take: those that each symbol is `compared` with, and those that the sets name.
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

/// Bars of the benchmarks at one timeframe, for windows of `history` bars of each.
#[derive(Debug, Clone, PartialEq)]
pub struct Benchmarks {
    history: usize,
    compared: Vec<Symbol>,
    series: Vec<(Symbol, Vec<Bar>)>,
}

impl Benchmarks {
    /// Of each symbol its bars, one each open time, oldest first; later ones than a window's may be among them.
    #[must_use]
    pub fn new(history: usize, compared: Vec<Symbol>, series: Vec<(Symbol, Vec<Bar>)>) -> Self {
        Self { history, compared, series }
    }

    /// What each symbol is compared with, in the order of the configuration.
    pub(super) fn compared(&self) -> &[Symbol] {
        &self.compared
    }

    fn bars(&self, symbol: Symbol) -> &[Bar] {
        self.series.iter().find(|(of, _)| *of == symbol).map_or(&[], |(_, bars)| bars)
    }
}

/// The benchmark's newest bars up to that of the window, which must be among them. No more than a window has: how many older ones
/// are held depends on when it is asked.
fn up_to<'a>(window: &Window<'a>, symbol: Symbol) -> Result<&'a [Bar], Gap> {
    let as_of = window.newest()?.open_time;
    let benchmarks = window.benchmarks();
    let bars = benchmarks.bars(symbol);
    let end = bars.partition_point(|bar| bar.open_time <= as_of);
    let bars = &bars[end.saturating_sub(benchmarks.history)..end];
    match bars.last() {
        Some(last) if last.open_time == as_of => Ok(bars),
        Some(last) => Err(Gap::Benchmark(symbol, Shortfall::Stale(date_of(last.open_time)))),
        None => Err(Gap::Benchmark(symbol, Shortfall::NoBars)),
    }
}

/// A benchmark's own closes, up to the window's newest bar.
pub(super) struct Own {
    symbol: Symbol,
    closes: Vec<f64>,
}

impl Own {
    pub(super) fn of(window: &Window<'_>, symbol: Symbol) -> Result<Self, Gap> {
        Ok(Self { symbol, closes: up_to(window, symbol)?.iter().map(|bar| bar.close).collect() })
    }

    /// The newest `n` closes.
    pub(super) fn closes(&self, n: usize) -> Result<&[f64], Gap> {
        let held = self.closes.len();
        let lacks = Gap::Benchmark(self.symbol, Shortfall::Bars { needed: n, held });
        newest(&self.closes, n).map_err(|_| lacks)
    }

    /// The newest `n` of r, the log returns from close to close.
    pub(super) fn log_returns(&self, n: usize) -> Result<Vec<f64>, Gap> {
        Ok(log_returns(self.closes(n + 1)?))
    }
}

/// The closes of a symbol and of a benchmark at the open times that both have.
pub(super) struct Common {
    symbol: Symbol,
    closes: Vec<f64>,
    benchmark: Vec<f64>,
}

impl Common {
    pub(super) fn of(window: &Window<'_>, symbol: Symbol) -> Result<Self, Gap> {
        let mut bars = up_to(window, symbol)?;
        let (mut closes, mut benchmark) = (Vec::with_capacity(bars.len()), Vec::with_capacity(bars.len()));
        for own in window.all() {
            bars = &bars[bars.partition_point(|bar| bar.open_time < own.open_time)..];
            if let Some(other) = bars.first().filter(|bar| bar.open_time == own.open_time) {
                closes.push(own.close);
                benchmark.push(other.close);
            }
        }
        Ok(Self { symbol, closes, benchmark })
    }

    /// The newest `n` closes of both, the symbol's first.
    pub(super) fn closes(&self, n: usize) -> Result<(&[f64], &[f64]), Gap> {
        let held = self.closes.len();
        let lacks = Gap::Benchmark(self.symbol, Shortfall::Common { needed: n, held });
        let pair = newest(&self.closes, n).and_then(|own| Ok((own, newest(&self.benchmark, n)?)));
        pair.map_err(|_| lacks)
    }

    /// The newest `n` of r of both, each from one common close to the next.
    fn log_returns(&self, n: usize) -> Result<(Vec<f64>, Vec<f64>), Gap> {
        let (own, benchmark) = self.closes(n + 1)?;
        Ok((log_returns(own), log_returns(benchmark)))
    }

    /// Pearson's correlation of the newest `n` of r.
    pub(super) fn correlation(&self, n: usize) -> Value {
        let (own, benchmark) = self.log_returns(n)?;
        let spread = (sample_variance(&own) * sample_variance(&benchmark)).sqrt();
        // Rounding alone takes it beyond.
        Ok(divide(sample_covariance(&own, &benchmark), spread)?.clamp(-1.0, 1.0))
    }

    /// How far the symbol goes with the benchmark: cov/var over the newest `n` of r.
    pub(super) fn beta(&self, n: usize) -> Value {
        let (own, benchmark) = self.log_returns(n)?;
        divide(sample_covariance(&own, &benchmark), sample_variance(&benchmark))
    }
}

fn log_returns(closes: &[f64]) -> Vec<f64> {
    closes.windows(2).map(|pair| (pair[1] / pair[0]).ln()).collect()
}

/// A symbol as a part of a value's name.
#[must_use]
pub fn in_name(symbol: Symbol) -> String {
    symbol.as_str().to_ascii_lowercase().replace(['.', '-'], "_")
}

//! Comparison of a window with benchmarks, up to the newest bar of the window.

use std::borrow::Cow;

use domain::calendar::date_of;
use domain::{Bar, Symbol};

use super::benchmarks::{Benchmarks, COMPARED};
use super::math::ln;
use super::splits::{Mismatches, adjusted};
use super::stats::{newest, sample_covariance, sample_variance};
use super::value::{BenchmarkShortfall, Omission, Value, divide};
use super::window::Window;

const DEFAULT_COMPARED: &[Symbol] = &COMPARED;

/// Returns the symbols that the window's symbol is compared with. A window without benchmarks has the default ones, without bars.
pub(super) fn compared<'a>(window: &Window<'a>) -> &'a [Symbol] {
    window.benchmarks().map_or(DEFAULT_COMPARED, Benchmarks::compared)
}

/// Returns the newest bars of the benchmark up to the newest bar of the window, whose open time must be among them. There are at most
/// as many as a window has: the number of older bars that are kept depends on the time of the request. They are as they were received.
fn up_to_newest<'a>(window: &Window<'a>, symbol: Symbol) -> Result<&'a [Bar], Omission> {
    let as_of = window.newest()?.open_time;
    let (bars, history) = window
        .benchmarks()
        .map_or((&[][..], 0), |benchmarks| (benchmarks.bars(symbol), benchmarks.history()));
    let end = bars.partition_point(|bar| bar.open_time <= as_of);
    let bars = &bars[end.saturating_sub(history)..end];
    match bars.last() {
        Some(last) if last.open_time == as_of => Ok(bars),
        Some(last) => Err(Omission::Benchmark(symbol, BenchmarkShortfall::Stale(date_of(last.open_time)))),
        None => Err(Omission::Benchmark(symbol, BenchmarkShortfall::NoBars)),
    }
}

/// Returns the bars of [`up_to_newest`], adjusted by the splits of the benchmark as of the newest bar of the window.
fn adjusted_to_newest<'a>(window: &Window<'a>, symbol: Symbol) -> Result<Cow<'a, [Bar]>, Omission> {
    let (bars, as_of) = (up_to_newest(window, symbol)?, window.newest()?.open_time);
    let splits = window.benchmarks().map_or(&[][..], |benchmarks| benchmarks.splits(symbol));
    Ok(adjusted(bars, splits, as_of))
}

/// Returns the prices of the benchmark that contradict its splits, among those that are compared with the window.
pub(super) fn mismatches_of(window: &Window<'_>, symbol: Symbol) -> Mismatches {
    let of = |benchmarks: &Benchmarks| {
        let bars = up_to_newest(window, symbol).ok()?;
        Some(benchmarks.mismatches(symbol, bars.first()?.open_time, bars.last()?.open_time))
    };
    window.benchmarks().and_then(of).unwrap_or_default()
}

/// The closes of a benchmark up to the newest bar of the window.
pub(super) struct BenchmarkCloses {
    symbol: Symbol,
    closes: Vec<f64>,
}

impl BenchmarkCloses {
    pub(super) fn of(window: &Window<'_>, symbol: Symbol) -> Result<Self, Omission> {
        Ok(Self { symbol, closes: adjusted_to_newest(window, symbol)?.iter().map(|bar| bar.close).collect() })
    }

    /// Returns the newest `n` closes.
    pub(super) fn closes(&self, n: usize) -> Result<&[f64], Omission> {
        let held = self.closes.len();
        let omission = Omission::Benchmark(self.symbol, BenchmarkShortfall::Bars { needed: n, held });
        newest(&self.closes, n).map_err(|_| omission)
    }

    /// Returns the newest `n` values of r, the log returns from close to close.
    pub(super) fn log_returns(&self, n: usize) -> Result<Vec<f64>, Omission> {
        Ok(log_returns(self.closes(n + 1)?))
    }
}

/// The closes of the window and of a benchmark at the open times that both have.
pub(super) struct CommonCloses {
    symbol: Symbol,
    closes: Vec<f64>,
    benchmark: Vec<f64>,
}

impl CommonCloses {
    pub(super) fn of(window: &Window<'_>, symbol: Symbol) -> Result<Self, Omission> {
        let adjusted = adjusted_to_newest(window, symbol)?;
        let mut bars = &adjusted[..];
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

    /// Returns the newest `n` closes of both, those of the window first.
    pub(super) fn closes(&self, n: usize) -> Result<(&[f64], &[f64]), Omission> {
        let held = self.closes.len();
        let omission = Omission::Benchmark(self.symbol, BenchmarkShortfall::Common { needed: n, held });
        let pair = newest(&self.closes, n).and_then(|own| Ok((own, newest(&self.benchmark, n)?)));
        pair.map_err(|_| omission)
    }

    /// Returns the newest `n` values of r of both, each from one common close to the next.
    fn log_returns(&self, n: usize) -> Result<(Vec<f64>, Vec<f64>), Omission> {
        let (own, benchmark) = self.closes(n + 1)?;
        Ok((log_returns(own), log_returns(benchmark)))
    }

    /// Pearson's correlation of the newest `n` values of r.
    pub(super) fn correlation(&self, n: usize) -> Value {
        let (own, benchmark) = self.log_returns(n)?;
        let spread = (sample_variance(&own) * sample_variance(&benchmark)).sqrt();
        // Rounding can exceed the bounds.
        Ok(divide(sample_covariance(&own, &benchmark), spread)?.clamp(-1.0, 1.0))
    }

    /// Beta to the benchmark: cov/var over the newest `n` values of r.
    pub(super) fn beta(&self, n: usize) -> Value {
        let (own, benchmark) = self.log_returns(n)?;
        divide(sample_covariance(&own, &benchmark), sample_variance(&benchmark))
    }
}

fn log_returns(closes: &[f64]) -> Vec<f64> {
    closes.windows(2).map(|pair| ln(pair[1] / pair[0])).collect()
}

//! Synthetic market: deterministic day bars for demos and tests.
//!
//! A bar depends on the seed, the symbol and all earlier days, and not on the requested range. Two processes with the same seed have the
//! same bars.

use domain::{Bar, DataType, Interval, Symbol, Timeframe, calendar};
use jiff::civil::{Date, date};
use kit::SaturatingFrom;
use rand_core::{RngCore, SeedableRng};
use rand_pcg::Pcg64Mcg;

use super::source::{Source, SourceBars, SourceError, bars_within};

/// The first date of the synthetic market.
pub const FIRST_DATE: Date = date(2010, 1, 4);

/// Annual volatilities. The hash of its name selects the one of a symbol.
const YEARLY_VOLATILITY: [f64; 5] = [0.15, 0.22, 0.30, 0.45, 0.65];

/// Returns the symbols of the synthetic market: the benchmarks of the feature service and a few others.
#[must_use]
pub fn synthetic_symbols() -> Vec<Symbol> {
    ["SPY", "QQQ", "IWM", "ALFA", "BRAVO", "CHAR", "DELTA", "ECHO", "FOXT", "GOLF", "HOTEL", "INDIA"]
        .iter()
        .filter_map(|name| Symbol::parse(name).ok())
        .collect()
}

/// The market of one seed.
#[derive(Debug, Clone)]
pub struct SyntheticMarket {
    seed: u64,
}

impl SyntheticMarket {
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { seed }
    }

    /// Returns the day bars of a symbol from [`FIRST_DATE`] to `last`, inclusive: one for each XNYS session.
    #[must_use]
    pub fn day_bars(&self, symbol: Symbol, last: Date) -> Vec<Bar> {
        let name_hash = fnv1a(symbol.as_str().as_bytes());
        let mut rng = Pcg64Mcg::seed_from_u64(self.seed ^ name_hash);
        let index = usize::saturating_from(name_hash % 5);
        let daily = YEARLY_VOLATILITY[index] / 252_f64.sqrt();
        let mut close = 20.0 + 180.0 * unit(&mut rng);
        let mut volume_level = 1e6 * (1.0 + 9.0 * unit(&mut rng));
        let mut bars = Vec::new();
        let mut day = FIRST_DATE;
        while day <= last {
            if calendar::is_session(day) {
                let bar = next_bar(&mut rng, day, close, daily, volume_level);
                close = bar.close;
                volume_level = 0.98 * volume_level + 0.02 * 3e6;
                bars.push(bar);
            }
            let Ok(tomorrow) = day.tomorrow() else { break };
            day = tomorrow;
        }
        bars
    }
}

/// Returns the bar of one day: an overnight gap, the move of the session, and a range around both. One day in fifty is a shock with three
/// times the volatility and the volume.
fn next_bar(rng: &mut Pcg64Mcg, day: Date, previous_close: f64, daily: f64, volume_level: f64) -> Bar {
    let shock = if unit(rng) < 0.02 { 3.0 } else { 1.0 };
    let open = previous_close * (0.3 * daily * normal(rng)).exp();
    let close = (open * (daily * shock * normal(rng) + 0.0002).exp()).max(0.5);
    let stretch = |rng: &mut Pcg64Mcg| (0.5 * daily * normal(rng).abs()).exp();
    let high = open.max(close) * stretch(rng);
    let low = open.min(close) / stretch(rng);
    let volume = (volume_level * shock * (0.35 * normal(rng)).exp()).round();
    let cents = |price: f64| (price * 100.0).round() / 100.0;
    let (open, close) = (cents(open), cents(close));
    Bar {
        open_time: calendar::day_open(day),
        open,
        high: cents(high).max(open).max(close),
        low: cents(low).min(open).min(close),
        close,
        volume,
    }
}

/// Returns a uniform number in [0, 1) from the top 53 bits, the precision of an `f64`.
fn unit(rng: &mut Pcg64Mcg) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "53 bits fit an f64 exactly")]
    let bits = (rng.next_u64() >> 11) as f64;
    bits / 9_007_199_254_740_992.0
}

/// Returns a standard normal number (Box and Muller, 1958).
fn normal(rng: &mut Pcg64Mcg) -> f64 {
    let radius = (-2.0 * (1.0 - unit(rng)).ln()).sqrt();
    radius * (std::f64::consts::TAU * unit(rng)).cos()
}

/// Returns the 64-bit FNV-1a hash, which is stable across builds.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, b| (hash ^ u64::from(*b)).wrapping_mul(0x0100_0000_01b3))
}

impl Source for SyntheticMarket {
    fn name(&self) -> &'static str {
        "synthetic"
    }

    fn serves(&self, data_type: DataType, timeframe: Option<Timeframe>) -> bool {
        data_type == DataType::MarketData && timeframe == Some(Timeframe::Day1)
    }

    /// The market exists at all times, so each range is complete.
    fn bars(&self, symbol: Symbol, timeframe: Timeframe, range: Interval) -> Result<SourceBars, SourceError> {
        if timeframe != Timeframe::Day1 {
            return Err(SourceError::permanent(self.name(), format!("no bars of {timeframe}")));
        }
        let last = calendar::date_of(range.last());
        Ok(SourceBars::complete(bars_within(self.day_bars(symbol, last), range), range))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_valid_and_independent_of_the_last_date() {
        let market = SyntheticMarket::new(7);
        for symbol in synthetic_symbols() {
            let short = market.day_bars(symbol, date(2012, 6, 29));
            let long = market.day_bars(symbol, date(2014, 6, 30));
            assert_eq!(short, long[..short.len()]);
            for bar in &long {
                bar.validate().unwrap();
            }
        }
    }

    #[test]
    fn markets_differ_by_seed_and_symbol() {
        let (spy, qqq) = (Symbol::parse("SPY").unwrap(), Symbol::parse("QQQ").unwrap());
        let last = date(2010, 2, 1);
        let of = |seed, symbol| SyntheticMarket::new(seed).day_bars(symbol, last);
        assert_ne!(of(1, spy), of(2, spy));
        assert_ne!(of(1, spy), of(1, qqq));
        assert_eq!(of(1, spy)[0].open_time, calendar::day_open(FIRST_DATE));
    }
}

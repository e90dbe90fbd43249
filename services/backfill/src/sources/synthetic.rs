//! Synthetic market: deterministic bars, splits and news for demos and tests.
//!
//! | module | content |
//! |---|---|
//! | `random` | numbers by seed, symbol, date and purpose |
//! | `splits` | splits, and bars as traded |
//! | `intraday` | minutes with halts, and longer bars |
//! | `restatement` | bars that are corrected later |
//! | `articles` | news |
//!
//! A record depends on the seed, the settings, the symbol and all earlier days, and not on the requested range; a restated bar also on the
//! time of the read. Two processes with the same seed have the same records.

mod articles;
mod intraday;
mod random;
mod restatement;
mod splits;

use std::sync::Arc;

use chassis::{Clock, SystemClock};
use domain::{Bar, DataType, Interval, Symbol, Timeframe, Timestamp, calendar};
use jiff::civil::{Date, date};
use kit::SaturatingFrom;
use rand_core::SeedableRng;
use rand_pcg::Pcg64Mcg;

use self::intraday::{Session, aggregated};
use self::random::{SESSIONS_A_YEAR, fnv1a, normal, unit};
use self::restatement::Restatement;
use self::splits::{Split, split_bars};
use super::records::{Action, ActionKind, News, within};
use super::source::{Part, Source, SourceBars, SourceError, bars_within};
use crate::config::SyntheticSection;

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
    settings: SyntheticSection,
    clock: Arc<dyn Clock>,
}

impl SyntheticMarket {
    /// Returns a market of day bars.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self::with(seed, SyntheticSection::default(), Arc::new(SystemClock::new()))
    }

    /// Returns a market with these settings. Restated bars are corrected by the clock.
    #[must_use]
    pub fn with(seed: u64, settings: SyntheticSection, clock: Arc<dyn Clock>) -> Self {
        Self { seed, settings, clock }
    }

    /// Returns the day bars of a symbol from [`FIRST_DATE`] to `last`, inclusive: one for each XNYS session. As traded, and without the
    /// trades that are removed later.
    #[must_use]
    pub fn day_bars(&self, symbol: Symbol, last: Date) -> Vec<Bar> {
        self.days(symbol, last).0
    }

    /// Returns the day bars up to `last`, and the splits.
    fn days(&self, symbol: Symbol, last: Date) -> (Vec<Bar>, Vec<Split>) {
        let name_hash = fnv1a(symbol.as_str().as_bytes());
        let mut rng = Pcg64Mcg::seed_from_u64(self.seed ^ name_hash);
        let index = usize::saturating_from(name_hash % 5);
        let daily = YEARLY_VOLATILITY[index] / SESSIONS_A_YEAR.sqrt();
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
        let splits = split_bars(&mut bars, (self.seed, symbol), self.settings.splits_per_decade);
        (bars, splits)
    }

    /// Returns the bars of a session that the market publishes now, in this timeframe.
    fn session_bars(&self, symbol: Symbol, timeframe: Timeframe, day: Bar, now: Timestamp) -> Vec<Bar> {
        let SyntheticSection { halts_per_year, restated_per_year: per_year, restated_after_ms, .. } =
            self.settings;
        let seed = self.seed;
        let restatement = Restatement { seed, symbol, per_year, after: restated_after_ms.into(), now };
        if timeframe == Timeframe::Day1 {
            return vec![restatement.day(day)];
        }
        let minutes = Session { seed, symbol, day, halts_per_year }.minutes();
        let minutes = restatement.minutes(day, minutes);
        if timeframe == Timeframe::Minute1 { minutes } else { aggregated(&minutes, timeframe) }
    }
}

/// Returns the bar of one day: an overnight gap, the move of the session, and a range around both. One day in fifty is a shock with three
/// times the volatility and the volume.
fn next_bar(rng: &mut Pcg64Mcg, day: Date, previous_close: f64, daily: f64, volume_level: f64) -> Bar {
    let shock = if unit(rng) < 0.02 { 3.0 } else { 1.0 };
    let open = previous_close * libm::exp(0.3 * daily * normal(rng));
    let close = (open * libm::exp(daily * shock * normal(rng) + 0.0002)).max(0.5);
    let stretch = |rng: &mut Pcg64Mcg| libm::exp(0.5 * daily * normal(rng).abs());
    let high = open.max(close) * stretch(rng);
    let low = open.min(close) / stretch(rng);
    let volume = (volume_level * shock * libm::exp(0.35 * normal(rng))).round();
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

impl Source for SyntheticMarket {
    fn name(&self) -> &'static str {
        "synthetic"
    }

    fn serves(&self, data_type: DataType, timeframe: Option<Timeframe>) -> bool {
        match (data_type, timeframe) {
            (DataType::MarketData, Some(timeframe)) => timeframe == Timeframe::Day1 || self.settings.intraday,
            (DataType::News, None) => self.settings.news_per_month > 0,
            (DataType::CorporateActions, None) => self.settings.splits_per_decade > 0,
            _ => false,
        }
    }

    /// The market exists at all times, so each range is complete. A restated bar changes although its range is: as at a vendor that
    /// corrects bars.
    fn bars(&self, symbol: Symbol, timeframe: Timeframe, range: Interval) -> Result<SourceBars, SourceError> {
        if !self.serves(DataType::MarketData, Some(timeframe)) {
            return Err(SourceError::permanent(self.name(), format!("no bars of {timeframe}")));
        }
        let now = Timestamp::from_micros(self.clock.wall_micros());
        let (first, last) = (calendar::date_of(range.start()), calendar::date_of(range.last()));
        let days = self.day_bars(symbol, last);
        let days = days.into_iter().filter(|day| calendar::date_of(day.open_time) >= first);
        let bars = days.flat_map(|day| self.session_bars(symbol, timeframe, day, now)).collect();
        Ok(SourceBars::complete(bars_within(bars, range), range))
    }

    fn news(&self, symbol: Symbol, range: Interval) -> Result<Part<Vec<News>>, SourceError> {
        let exists = Interval::new(calendar::day_open(FIRST_DATE), range.end());
        let news = exists.ok().and_then(|exists| exists.intersection(range)).map_or_else(Vec::new, |range| {
            articles::news(self.seed, symbol, self.settings.news_per_month, range)
        });
        Ok(Part::complete(news, range))
    }

    fn actions(&self, symbol: Symbol, range: Interval) -> Result<Part<Vec<Action>>, SourceError> {
        let (_, splits) = self.days(symbol, calendar::date_of(range.last()));
        let action = |split: Split| Action {
            id: format!("{symbol}|{}", split.ex_date),
            kind: ActionKind::Split,
            ex_date: split.ex_date,
            announced: None,
            ratio: Some(split.ratio),
            amount: None,
        };
        let actions: Vec<Action> = splits.into_iter().map(action).collect();
        Ok(Part::complete(within(&actions, Action::time, range).to_vec(), range))
    }
}

#[cfg(test)]
mod tests;

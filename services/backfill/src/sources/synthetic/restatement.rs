//! Restated sessions: the market first publishes a trade that it removes later.

use domain::calendar::{date_of, session_close};
use domain::{Bar, Symbol, Timestamp};
use kit::SaturatingFrom;

use super::random::{SESSIONS_A_YEAR, below, dated, unit};

/// The price of the removed trade relative to the high of the session.
const PRICE_RATIO: f64 = 1.05;

/// The shares of the removed trade.
const SHARES: f64 = 100.0;

/// When and how often sessions are restated.
#[derive(Debug, Clone, Copy)]
pub(super) struct Restatement {
    pub(super) seed: u64,
    pub(super) symbol: Symbol,
    pub(super) per_year: u16,
    pub(super) after: std::time::Duration,
    /// The time (wall clock) of the read.
    pub(super) now: Timestamp,
}

impl Restatement {
    /// Returns the day bar that the market publishes now.
    pub(super) fn day(&self, bar: Bar) -> Bar {
        if self.is_corrected(bar) { bar } else { with_trade(bar, bar.high) }
    }

    /// Returns the minutes that the market publishes now; `day` is the day bar without the removed trade.
    pub(super) fn minutes(&self, day: Bar, mut minutes: Vec<Bar>) -> Vec<Bar> {
        if !self.is_corrected(day) {
            let index = below(&mut self.rng(day, "trade"), minutes.len());
            if let Some(minute) = minutes.get_mut(index) {
                *minute = with_trade(*minute, day.high);
            }
        }
        minutes
    }

    /// Returns `true` if the session has no removed trade, or it has been removed.
    fn is_corrected(&self, day: Bar) -> bool {
        let after = i64::saturating_from(self.after.as_micros());
        let corrected_at = session_close(date_of(day.open_time)).saturating_add_micros(after);
        self.now >= corrected_at
            || unit(&mut self.rng(day, "restated")) >= f64::from(self.per_year) / SESSIONS_A_YEAR
    }

    fn rng(&self, day: Bar, purpose: &str) -> rand_pcg::Pcg64Mcg {
        dated(self.seed, self.symbol, date_of(day.open_time), purpose)
    }
}

fn with_trade(bar: Bar, day_high: f64) -> Bar {
    let price = (day_high * PRICE_RATIO * 100.0).round() / 100.0;
    Bar { high: price.max(bar.high), volume: bar.volume + SHARES, ..bar }
}

//! `market.bar.closed`: a bar whose interval is over.

use std::borrow::Cow;

use domain::{Bar, BarError, Timestamp};
use serde::{Deserialize, Serialize};

use crate::event::{Event, described};
use crate::rules;
use crate::violation::{Place, Violation};
use crate::wire::instant;

/// A bar whose interval is over; symbol, timeframe and `open_time` name it, and the same name twice is one bar.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClosedBar {
    /// UUID.
    pub event_id: String,
    /// When it happened; microseconds since 1970-01-01T00:00:00Z, as every time here.
    #[serde(with = "instant")]
    pub occurred_at: i64,
    /// The market data source of the bar.
    pub source: String,
    /// Passed on from cause to effect.
    #[serde(default)]
    pub correlation_id: Option<String>,
    /// Ticker.
    pub symbol: String,
    /// `1min`, `5min`, `1hour` or `1day`.
    pub timeframe: String,
    /// When it opened; a day bar opens at 00:00 in New York.
    #[serde(with = "instant")]
    pub open_time: i64,
    /// The first price.
    pub open: f64,
    /// The highest price.
    pub high: f64,
    /// The lowest price.
    pub low: f64,
    /// The last price.
    pub close: f64,
    /// Shares traded.
    pub volume: f64,
    /// Volume-weighted average price.
    #[serde(default)]
    pub vwap: Option<f64>,
    /// How many trades.
    #[serde(default)]
    pub trades: Option<i64>,
    /// Fetched as history rather than seen live.
    pub backfilled: bool,
}

impl ClosedBar {
    /// Its prices and volume.
    #[must_use]
    pub fn bar(&self) -> Bar {
        Bar {
            open_time: Timestamp::from_micros(self.open_time),
            open: self.open,
            high: self.high,
            low: self.low,
            close: self.close,
            volume: self.volume,
        }
    }
}

impl Event for ClosedBar {
    described!(BarClosed, "market.bar.closed");

    fn symbol(&self) -> &str {
        &self.symbol
    }

    fn key(&self) -> Cow<'_, str> {
        Cow::Owned(format!("{}|{}|{}", self.symbol, self.timeframe, self.open_time))
    }

    fn check(&self, at: Place) -> Result<(), Violation> {
        at.field("symbol", rules::symbol(&self.symbol))?;
        at.field("timeframe", rules::timeframe(&self.timeframe))?;
        at.field("open_time", rules::instant(self.open_time))?;
        if let Err(fault) = self.bar().validate() {
            let field = match fault {
                BarError::NotFinite { field, .. }
                | BarError::BelowLow { field, .. }
                | BarError::AboveHigh { field, .. } => field,
                BarError::NegativeVolume(_) => "volume",
            };
            at.field(field, Err(fault))?;
        }
        if let Some(vwap) = self.vwap {
            at.field("vwap", rules::finite(vwap))?;
        }
        at.field("trades", rules::at_least(self.trades.unwrap_or(0), 0))
    }
}

//! `market.bar.closed`: completed bars.

use std::borrow::Cow;

use domain::{Bar, BarError, Timestamp};

use crate::event::{Event, topic_schema_envelope};
use crate::record::event;
use crate::rules;
use crate::violation::{EventPath, Violation};
use crate::wire::instant;

event! {
    /// A bar whose interval has ended. The topic is the bar store: it is compacted by symbol, timeframe and `open_time`, so the
    /// newest record of a bar replaces earlier ones.
    ///
    /// Prices are finite, and 0 < `low` ≤ `open`, `close` ≤ `high`.
    pub struct ClosedBar {
        /// Ticker symbol, such as `AAPL` or `BRK.B`. The partition of the record is the partition of the symbol.
        pub symbol: String,
        /// Timeframe of the bar: `1min`, `5min`, `1hour` or `1day`.
        pub timeframe: String,
        /// Start of the bar's interval. A day bar opens at 00:00 in New York on the date of its session.
        #[serde(with = "instant")]
        pub open_time: i64,
        /// First price of the interval.
        pub open: f64,
        /// Highest price of the interval.
        pub high: f64,
        /// Lowest price of the interval, above 0.
        pub low: f64,
        /// Last price of the interval.
        pub close: f64,
        /// Number of shares traded, not negative.
        pub volume: f64,
        /// Volume-weighted average price, finite. Absent if the source does not provide it.
        #[serde(default)]
        pub vwap: Option<f64>,
        /// Number of trades, not negative. Absent if the source does not provide it.
        #[serde(default)]
        pub trades: Option<i64>,
        /// `true` if the bar was fetched as history, `false` if it was recorded live.
        pub backfilled: bool,
    }
}

impl ClosedBar {
    /// Returns open time, prices and volume.
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
    topic_schema_envelope!(BarClosed, "market.bar.closed/v1");

    fn symbol(&self) -> &str {
        &self.symbol
    }

    fn key(&self) -> Cow<'_, str> {
        Cow::Owned(format!("{}|{}|{}", self.symbol, self.timeframe, self.open_time))
    }

    fn check(&self, at: EventPath) -> Result<(), Violation> {
        at.field("symbol", rules::symbol(&self.symbol))?;
        at.field("timeframe", rules::timeframe(&self.timeframe))?;
        at.field("open_time", rules::instant(self.open_time))?;
        if let Err(error) = self.bar().validate() {
            let field = match error {
                BarError::NotFinite { field, .. }
                | BarError::BelowLow { field, .. }
                | BarError::AboveHigh { field, .. } => field,
                BarError::NotPositive(_) => "low",
                BarError::NegativeVolume(_) => "volume",
            };
            at.field(field, Err(error))?;
        }
        if let Some(vwap) = self.vwap {
            at.field("vwap", rules::finite(vwap))?;
        }
        at.field("trades", rules::at_least(self.trades.unwrap_or(0), 0))
    }
}

//! A scripted source of day bars.

use std::collections::VecDeque;
use std::sync::Mutex;

use backfill::sources::{Source, SourceBars, SourceError};
use domain::calendar::day_open;
use domain::{Bar, DataType, Interval, Symbol, Timeframe, Timestamp};

/// A source with one bar per calendar day, after these errors.
#[derive(Default)]
pub(crate) struct Script {
    pub(crate) errors: Mutex<VecDeque<SourceError>>,
    /// Returned once instead of the bars.
    pub(crate) replacement: Mutex<Option<Vec<Bar>>>,
    /// The open time of the last bar. `None` if the source has all history.
    pub(crate) last_open: Mutex<Option<Timestamp>>,
    pub(crate) timeframes: Mutex<Vec<Timeframe>>,
}

pub(crate) fn transient() -> SourceError {
    SourceError::transient("script", "timed out")
}

pub(crate) fn permanent() -> SourceError {
    SourceError::permanent("script", "malformed response")
}

pub(crate) fn unknown_symbol() -> SourceError {
    SourceError::unknown_symbol("script", Symbol::constant("AAPL"), "not listed")
}

impl Source for Script {
    fn name(&self) -> &'static str {
        "script"
    }

    fn serves(&self, data_type: DataType, timeframe: Option<Timeframe>) -> bool {
        let timeframes = self.timeframes.lock().expect("an intact lock");
        data_type == DataType::MarketData && timeframe.is_some_and(|name| timeframes.contains(&name))
    }

    fn bars(&self, _: Symbol, _: Timeframe, range: Interval) -> Result<SourceBars, SourceError> {
        if let Some(error) = self.errors.lock().expect("an intact lock").pop_front() {
            return Err(error);
        }
        if let Some(bars) = self.replacement.lock().expect("an intact lock").take() {
            return Ok(SourceBars::complete(bars, range));
        }
        let last_open = *self.last_open.lock().expect("an intact lock");
        let mut bars = Vec::new();
        let mut date = domain::calendar::date_of(range.start());
        while day_open(date) < range.end() {
            let open_time = day_open(date);
            if range.contains(open_time) && last_open.is_none_or(|last| open_time <= last) {
                let price = 100.0;
                bars.push(Bar { open_time, open: price, high: price, low: price, close: price, volume: 1.0 });
            }
            date = date.tomorrow().expect("years before 9999");
        }
        let horizon = last_open.map_or(range.end(), |last| last.saturating_add_micros(1));
        Ok(SourceBars::up_to(horizon, bars))
    }
}

//! Alpaca Market Data v2: bars of all timeframes, news and corporate actions over HTTP.
//!
//! | module | content |
//! |---|---|
//! | `client` | requests: credentials, quota, timeouts, bounded bodies |
//! | `query` | addresses of requests |
//! | `pages` | pages of a response, and the checks that all have in common |
//! | `bars`, `news`, `actions` | the form and the checks of each |
//! | `quota` | the distance of requests |
//! | `joining` | calls of several workers as one |
//! | `fetching` | all pages of a call, and the check of a symbol without records |
//! | `error` | errors of a call, and their class |
//!
//! What the vendor documents, and what is assumed: `docs/sources/alpaca.md`.

mod actions;
mod bars;
mod client;
mod error;
mod fetching;
mod joining;
mod news;
mod pages;
mod query;
mod quota;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use chassis::Clock;
use domain::calendar::{date_of, day_open};
use domain::{Bar, DataType, Interval, Symbol, Timeframe, Timestamp};
use tokio::runtime::Handle;

use self::actions::{ActionDates, Actions, UnknownTypes};
use self::bars::Bars;
use self::client::Client;
use self::error::{AlpacaError, FailedCall, NAME};
use self::joining::Joiner;
use self::news::{Articles, NEWS_SYMBOLS_MAX, NewsRange};
use self::pages::BySymbol;
use self::query::Query;
use super::records::{Action, News, within};
use super::source::{Part, Source, SourceBars, SourceError};
use crate::config::SourceSection;
use crate::rules::expected_bars::expects_bar;
use crate::rules::finality::{final_before, series_final_before};

pub(super) use self::error::RESPONSE_BYTES_MAX;
pub(super) use self::pages::RECORD_BYTES_MAX;

/// The time after the close of a bar in which the vendor may still change it, and after the creation of an article until it is served.
const SETTLE: Duration = Duration::from_secs(15 * 60);

/// By how much the horizon is lowered if the plan of the key has no recent data, in this order.
const LAGS: [Duration; 3] = [Duration::ZERO, Duration::from_secs(3_600), Duration::from_secs(86_400)];

/// A joiner of calls whose requests have the same range `K`.
type CallJoiner<K, R> = Joiner<K, Result<Arc<BySymbol<R>>, Arc<AlpacaError>>>;

/// Alpaca as a source.
pub struct Alpaca {
    client: Client,
    /// Runs the requests. Workers wait for them.
    runtime: Handle,
    /// The maximum time of a call.
    call_max: Duration,
    /// By timeframe, first and last bar.
    bars: CallJoiner<(Timeframe, Timestamp, Timestamp), Bar>,
    news: CallJoiner<NewsRange, News>,
    actions: CallJoiner<ActionDates, Action>,
    unknown_types: UnknownTypes,
    /// Symbols of which the vendor has a bar.
    listed: Mutex<BTreeSet<Symbol>>,
    /// A horizon was lowered, and that was logged.
    is_lowered: AtomicBool,
}

/// A call of a worker.
#[derive(Debug, Clone, Copy)]
struct Call {
    symbol: Symbol,
    deadline: Instant,
}

impl Alpaca {
    /// Creates a source whose calls end within `call_max`. `None` if the section is invalid.
    ///
    /// # Errors
    /// If the TLS library can't be initialised.
    pub fn new(
        section: &SourceSection,
        runtime: Handle,
        clock: Arc<dyn Clock>,
        call_max: Duration,
    ) -> Result<Option<Self>, reqwest::Error> {
        let client = Client::new(section, clock)?;
        let (symbols_max, join_max) = (usize::from(section.symbols_a_call), section.join_ms.into());
        Ok(client.map(|client| Self {
            client,
            runtime,
            call_max,
            bars: Joiner::new(symbols_max, join_max),
            news: Joiner::new(symbols_max.min(NEWS_SYMBOLS_MAX), join_max),
            actions: Joiner::new(symbols_max, join_max),
            unknown_types: UnknownTypes::default(),
            listed: Mutex::default(),
            is_lowered: AtomicBool::default(),
        }))
    }

    /// Returns the bars of the range up to the horizon.
    fn bars_of(&self, call: Call, timeframe: Timeframe, range: Interval) -> Result<SourceBars, FailedCall> {
        let now = self.client.now();
        let mut last = None;
        for lag in LAGS {
            let horizon = horizon_of(timeframe, now, lag);
            let part = Interval::new(range.start(), range.end().min(horizon)).ok();
            let grid = part.and_then(|part| grid_range(timeframe, part));
            let (Some(part), Some(grid)) = (part, grid) else {
                return Ok(SourceBars::up_to(horizon, Vec::new()));
            };
            // Another lag may have the same last bar.
            if last.replace(grid) == Some(grid) {
                continue;
            }
            let key = (timeframe, grid.start(), grid.end());
            let result = self.fetch(
                &self.bars,
                &key,
                call,
                |symbols| Query::Bars { symbols, timeframe, range: grid, limit: None },
                |symbols| Bars::new(symbols, timeframe, grid),
            );
            match result {
                Err(failed) if failed.error.is_recent_data_rejected() => {
                    if !self.is_lowered.swap(true, Ordering::Relaxed) {
                        tracing::info!(symbol = %call.symbol, %horizon, "the plan has no recent data: horizons lowered");
                    }
                }
                Err(failed) => return Err(failed),
                Ok(bars) => {
                    if bars.is_empty() && expects_bar(timeframe, part) {
                        self.check_listed(call)?;
                    }
                    return Ok(SourceBars::up_to(horizon, bars));
                }
            }
        }
        Ok(SourceBars::up_to(range.start(), Vec::new()))
    }

    /// Returns the news that were created within the range, up to the horizon.
    fn news_of(&self, call: Call, range: Interval) -> Result<Part<Vec<News>>, FailedCall> {
        let now = self.client.now();
        let horizon = series_final_before(None, SETTLE, now);
        let Ok(part) = Interval::new(range.start(), range.end().min(horizon)) else {
            return Ok(Part::up_to(horizon, Vec::new()));
        };
        let requested = NewsRange::of(part, now);
        let news = self.fetch(
            &self.news,
            &requested,
            call,
            |symbols| Query::News { symbols, range: requested },
            |symbols| Articles::new(symbols, requested),
        )?;
        let news = within(&news, |item| item.time, part).to_vec();
        self.check_expected(call, news.is_empty(), part)?;
        Ok(Part::up_to(horizon, news))
    }

    /// Returns the actions whose ex-dates start within the range, up to the horizon.
    fn actions_of(&self, call: Call, range: Interval) -> Result<Part<Vec<Action>>, FailedCall> {
        let horizon = series_final_before(None, SETTLE, self.client.now());
        let Ok(part) = Interval::new(range.start(), range.end().min(horizon)) else {
            return Ok(Part::up_to(horizon, Vec::new()));
        };
        let dates = ActionDates::of(part);
        let actions = self.fetch(
            &self.actions,
            &dates,
            call,
            |symbols| Query::Actions { symbols, dates },
            |symbols| Actions::new(symbols, dates, &self.unknown_types),
        )?;
        let actions = within(&actions, Action::time, part).to_vec();
        self.check_expected(call, actions.is_empty(), part)?;
        Ok(Part::up_to(horizon, actions))
    }

    /// Checks the symbol of a call without records of a range with sessions: no calendar expects them.
    fn check_expected(&self, call: Call, is_empty: bool, part: Interval) -> Result<(), AlpacaError> {
        if is_empty && expects_bar(Timeframe::Day1, part) { self.check_listed(call) } else { Ok(()) }
    }

    fn call(&self, symbol: Symbol) -> Call {
        Call { symbol, deadline: Instant::now() + self.call_max }
    }
}

impl Source for Alpaca {
    fn name(&self) -> &'static str {
        NAME
    }

    fn serves(&self, data_type: DataType, timeframe: Option<Timeframe>) -> bool {
        match data_type {
            DataType::MarketData => timeframe.is_some(),
            DataType::News | DataType::CorporateActions => timeframe.is_none(),
            DataType::Fundamentals | DataType::Options => false,
        }
    }

    fn bars(&self, symbol: Symbol, timeframe: Timeframe, range: Interval) -> Result<SourceBars, SourceError> {
        let part = self.bars_of(self.call(symbol), timeframe, range);
        part.map_err(|failed| failed.into_source_error(symbol))
    }

    fn news(&self, symbol: Symbol, range: Interval) -> Result<Part<Vec<News>>, SourceError> {
        self.news_of(self.call(symbol), range).map_err(|failed| failed.into_source_error(symbol))
    }

    fn actions(&self, symbol: Symbol, range: Interval) -> Result<Part<Vec<Action>>, SourceError> {
        self.actions_of(self.call(symbol), range).map_err(|failed| failed.into_source_error(symbol))
    }
}

/// Returns the range from the first to the last instant at which a bar may open. `None` if there is none.
fn grid_range(timeframe: Timeframe, range: Interval) -> Option<Interval> {
    let (first, last) = if let Some(minutes) = timeframe.minutes() {
        let step = minutes * 60_000_000;
        let floor = |micros: i64| Timestamp::from_micros(micros.div_euclid(step) * step);
        (floor(range.start().micros().saturating_add(step - 1)), floor(range.last().micros()))
    } else {
        let date = date_of(range.start());
        let open = day_open(date);
        let first = if open < range.start() { day_open(date.tomorrow().ok()?) } else { open };
        (first, day_open(date_of(range.last())))
    };
    Interval::from_inclusive(first, last).ok()
}

/// Returns the instant before which a bar must open to be final at `now`, of a vendor that is late by `lag`.
fn horizon_of(timeframe: Timeframe, now: Timestamp, lag: Duration) -> Timestamp {
    let lag = i64::try_from(lag.as_micros()).unwrap_or(i64::MAX);
    final_before(timeframe, SETTLE, now.saturating_add_micros(-lag))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    fn horizon(timeframe: Timeframe, now: &str, lag_hours: u64) -> String {
        horizon_of(timeframe, at(now), Duration::from_secs(lag_hours * 3_600)).to_string()
    }

    #[test]
    fn lag_lowers_the_horizon() {
        assert_eq!(horizon(Timeframe::Minute1, "2024-06-28T15:00:00Z", 1), "2024-06-28T13:44:00.000001Z");
        assert_eq!(horizon(Timeframe::Day1, "2024-06-28T15:00:00Z", 24), "2024-06-27T04:00:00Z");
    }

    #[test]
    fn range_is_reduced_to_its_first_and_last_bar() {
        let of = |timeframe, start, end| {
            let range = Interval::new(at(start), at(end)).unwrap();
            grid_range(timeframe, range).map(|grid| (grid.start().to_string(), grid.last().to_string()))
        };
        let pair = |first: &str, last: &str| Some((first.to_owned(), last.to_owned()));
        let (start, end) = ("2024-06-03T14:31:07Z", "2024-06-05T09:15:00Z");
        assert_eq!(of(Timeframe::Day1, start, end), pair("2024-06-04T04:00:00Z", "2024-06-05T04:00:00Z"));
        assert_eq!(of(Timeframe::Minute5, start, end), pair("2024-06-03T14:35:00Z", "2024-06-05T09:10:00Z"));
        assert_eq!(of(Timeframe::Hour1, "2024-06-03T14:00:00Z", end).unwrap().0, "2024-06-03T14:00:00Z");
        assert_eq!(of(Timeframe::Day1, start, "2024-06-03T20:00:00Z"), None);
    }
}

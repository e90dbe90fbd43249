//! Alpaca Market Data v2: bars of all timeframes over HTTP.
//!
//! | module | content |
//! |---|---|
//! | `client` | requests: credentials, quota, timeouts, bounded bodies |
//! | `page` | pages of bars, and the checks of each bar |
//! | `quota` | the distance of requests |
//! | `joining` | calls of several workers as one |
//! | `error` | errors of a call, and their class |
//!
//! What the vendor documents, and what is assumed: `docs/sources/alpaca.md`.

mod client;
mod error;
mod joining;
mod page;
mod quota;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use chassis::Clock;
use domain::calendar::{Date, date_of, day_open};
use domain::{Bar, DataType, Interval, Symbol, Timeframe, Timestamp};
use tokio::runtime::Handle;

use self::client::{Client, Query};
use self::error::{AlpacaError, FailedCall, NAME, PAGES_MAX};
use self::joining::Joiner;
use self::page::Pages;
use super::source::{Source, SourceBars, SourceError};
use crate::config::SourceSection;
use crate::rules::expected_bars::expects_bar;
use crate::rules::finality::final_before;

pub(super) use self::error::RESPONSE_BYTES_MAX;

/// The time after the close of a bar in which the vendor may still change it.
const SETTLE: Duration = Duration::from_secs(15 * 60);

/// By how much the horizon is lowered if the plan of the key has no recent data, in this order.
const LAGS: [Duration; 3] = [Duration::ZERO, Duration::from_secs(3_600), Duration::from_secs(86_400)];

/// Before the first bar of the vendor, whose history begins in 2016.
const HISTORY_START: Date = Date::constant(2015, 1, 1);

/// The maximum number of symbols that are kept as listed; more are requested again.
const LISTED_MAX: usize = 20_000;

type BarsBySymbol = BTreeMap<Symbol, Vec<Bar>>;

/// Calls of the same timeframe with the same first and last bar are joined.
type Key = (Timeframe, Timestamp, Timestamp);

/// Alpaca as a source of bars.
pub struct Alpaca {
    client: Client,
    /// Runs the requests. Workers wait for them.
    runtime: Handle,
    /// The maximum time of a call.
    call_max: Duration,
    joiner: Joiner<Key, Result<Arc<BarsBySymbol>, Arc<AlpacaError>>>,
    /// Symbols of which the vendor has a bar.
    listed: Mutex<BTreeSet<Symbol>>,
    /// A horizon was lowered, and that was logged.
    is_lowered: AtomicBool,
}

/// A call of a worker.
#[derive(Debug, Clone, Copy)]
struct Call {
    symbol: Symbol,
    timeframe: Timeframe,
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
        let joiner = Joiner::new(section.symbols_a_call.into(), section.join_ms.into());
        Ok(client.map(|client| Self {
            client,
            runtime,
            call_max,
            joiner,
            listed: Mutex::default(),
            is_lowered: AtomicBool::default(),
        }))
    }

    /// Returns the bars of the range up to the horizon.
    fn history(&self, call: Call, range: Interval) -> Result<SourceBars, FailedCall> {
        let now = self.client.now();
        let mut last = None;
        for lag in LAGS {
            let horizon = horizon_of(call.timeframe, now, lag);
            let part = Interval::new(range.start(), range.end().min(horizon)).ok();
            let grid = part.and_then(|part| grid_range(call.timeframe, part));
            let (Some(part), Some(grid)) = (part, grid) else {
                return Ok(SourceBars::up_to(horizon, Vec::new()));
            };
            // Another lag may have the same last bar.
            if last.replace(grid) == Some(grid) {
                continue;
            }
            match self.fetch(call, grid) {
                Err(failed) if failed.error.is_recent_data_rejected() => {
                    if !self.is_lowered.swap(true, Ordering::Relaxed) {
                        tracing::info!(symbol = %call.symbol, %horizon, "the plan has no recent data: horizons lowered");
                    }
                }
                Err(failed) => return Err(failed),
                Ok(bars) => {
                    if bars.is_empty() && expects_bar(call.timeframe, part) {
                        self.check_listed(call, now)?;
                    }
                    return Ok(SourceBars::up_to(horizon, bars));
                }
            }
        }
        Ok(SourceBars::up_to(range.start(), Vec::new()))
    }

    /// Fetches the bars of a range, in a joined call if other workers need the same range.
    fn fetch(&self, call: Call, range: Interval) -> Result<Vec<Bar>, FailedCall> {
        let key = (call.timeframe, range.start(), range.end());
        let pages = |symbols: &[Symbol]| {
            let pages = self.pages(symbols, call, range);
            self.run(call, pages).map(Arc::new).map_err(Arc::new)
        };
        let joined = self.joiner.call(&key, call.symbol, call.deadline, pages);
        let Some(joined) = joined else { return Err(AlpacaError::Deadline(self.call_max).into()) };
        let mut error = match joined.result {
            Ok(bars) => return Ok(bars.get(&call.symbol).cloned().unwrap_or_default()),
            Err(error) => FailedCall { error, is_shared: !joined.is_caller },
        };
        if joined.symbols > 1 && error.error.may_be_of_one_symbol() {
            match pages(&[call.symbol]) {
                Ok(bars) => return Ok(bars.get(&call.symbol).cloned().unwrap_or_default()),
                Err(own) => error = FailedCall { error: own, is_shared: false },
            }
        }
        Err(error)
    }

    /// Fetches all pages of a range.
    async fn pages(
        &self,
        symbols: &[Symbol],
        Call { timeframe, deadline, .. }: Call,
        range: Interval,
    ) -> Result<BarsBySymbol, AlpacaError> {
        let query = Query { symbols, timeframe, range, limit: None };
        let mut pages = Pages::new(symbols, timeframe, range);
        let mut token = None;
        for page in 1..=PAGES_MAX {
            let body = self.client.page(query, token.as_deref(), deadline).await?;
            token = pages.add(&body).map_err(|cause| AlpacaError::Page { page, cause })?;
            if token.is_none() {
                return Ok(pages.into_bars());
            }
        }
        Err(AlpacaError::TooManyPages)
    }

    /// Distinguishes a symbol without bars in a range from one that the vendor does not have.
    fn check_listed(&self, call: Call, now: Timestamp) -> Result<(), AlpacaError> {
        if self.listed().contains(&call.symbol) {
            return Ok(());
        }
        let (symbols, timeframe) = ([call.symbol], Timeframe::Day1);
        // Only days that every plan has.
        let end = horizon_of(timeframe, now, Duration::from_secs(86_400));
        let Ok(range) = Interval::new(day_open(HISTORY_START), end) else { return Ok(()) };
        let query = Query { symbols: &symbols, timeframe, range, limit: Some(1) };
        let body = self.run(call, self.client.page(query, None, call.deadline))?;
        let mut pages = Pages::new(&symbols, timeframe, range);
        pages.add(&body).map_err(|cause| AlpacaError::Page { page: 1, cause })?;
        if pages.into_bars().values().all(Vec::is_empty) {
            return Err(AlpacaError::Unlisted);
        }
        let mut listed = self.listed();
        if listed.len() >= LISTED_MAX {
            listed.clear();
        }
        listed.insert(call.symbol);
        Ok(())
    }

    /// Waits for requests, until the deadline at most.
    fn run<T>(
        &self,
        call: Call,
        requests: impl Future<Output = Result<T, AlpacaError>>,
    ) -> Result<T, AlpacaError> {
        let within = async { tokio::time::timeout_at(call.deadline.into(), requests).await };
        self.runtime.block_on(within).unwrap_or(Err(AlpacaError::Deadline(self.call_max)))
    }

    fn listed(&self) -> MutexGuard<'_, BTreeSet<Symbol>> {
        self.listed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Source for Alpaca {
    fn name(&self) -> &'static str {
        NAME
    }

    fn serves(&self, data_type: DataType, _: Option<Timeframe>) -> bool {
        data_type == DataType::MarketData
    }

    fn bars(&self, symbol: Symbol, timeframe: Timeframe, range: Interval) -> Result<SourceBars, SourceError> {
        let call = Call { symbol, timeframe, deadline: Instant::now() + self.call_max };
        self.history(call, range).map_err(|failed| failed.into_source_error(symbol))
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

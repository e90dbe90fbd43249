//! Alpaca as a source, against a simulation of its API: pages, horizon, unknown symbols, failures, and the vendor's own client.

mod actions;
mod corruption;
mod failures;
mod history;
mod joined;
mod news;
mod public_client;
mod responses;
mod server;
mod serving_actions;
mod serving_bars;
mod serving_news;

use std::sync::Arc;
use std::time::Duration;

use backfill::config::{SourceKind, SourceSection};
use backfill::sources::{Action, Alpaca, News, Part, Source, SourceBars, SourceError};
use chassis::{Clock, SystemClock};
use domain::calendar::{Date, day_open, is_session};
use domain::{Interval, Symbol, Timeframe, Timestamp};
use kit::Secret;
use tokio::runtime::Runtime;

use self::server::{KEY_ID, SECRET, SimulatedServer};

/// A Wednesday at 11:00 in New York.
pub(crate) const NOW: &str = "2024-07-10T15:00:00Z";

/// The wall clock does not move: the horizon depends on it.
#[derive(Debug)]
struct FixedWall(SystemClock);

impl Clock for FixedWall {
    fn monotonic(&self) -> Duration {
        self.0.monotonic()
    }

    fn wall_micros(&self) -> i64 {
        at(NOW).micros()
    }
}

/// A simulated server, and a source that uses it.
pub(crate) struct Bench {
    pub(crate) server: SimulatedServer,
    pub(crate) source: Alpaca,
    _runtime: Runtime,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self::with(|_| {})
    }

    /// A bench whose section is changed by `change`.
    pub(crate) fn with(change: impl FnOnce(&mut SourceSection)) -> Self {
        let server = SimulatedServer::start();
        let mut section = SourceSection {
            kind: SourceKind::Alpaca,
            url: server.url(),
            key_id: Secret::new(KEY_ID),
            secret: Secret::new(SECRET),
            requests_per_minute: 10_000,
            timeout_ms: 60_000.into(),
            symbols_a_call: 1,
            ..SourceSection::default()
        };
        change(&mut section);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let clock = Arc::new(FixedWall(SystemClock::new()));
        let source = Alpaca::new(&section, runtime.handle().clone(), clock, Duration::from_secs(300));
        Self { server, source: source.expect("a TLS library").expect("a valid section"), _runtime: runtime }
    }

    /// The news of AAPL.
    pub(crate) fn news(&self, range: Interval) -> Result<Part<Vec<News>>, SourceError> {
        self.source.news(aapl(), range)
    }

    /// The corporate actions of AAPL.
    pub(crate) fn actions(&self, range: Interval) -> Result<Part<Vec<Action>>, SourceError> {
        self.source.actions(aapl(), range)
    }

    /// The day bars of AAPL.
    pub(crate) fn day_bars(&self, range: Interval) -> Result<SourceBars, SourceError> {
        self.source.bars(aapl(), Timeframe::Day1, range)
    }
}

pub(crate) fn aapl() -> Symbol {
    Symbol::constant("AAPL")
}

pub(crate) fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).expect("a time")
}

pub(crate) fn range(start: &str, end: &str) -> Interval {
    Interval::new(at(start), at(end)).expect("a range")
}

/// The open times of the sessions from `first` to `last`.
pub(crate) fn sessions(first: &str, last: &str) -> Vec<Timestamp> {
    let (mut date, last): (Date, Date) = (first.parse().expect("a date"), last.parse().expect("a date"));
    let mut times = Vec::new();
    while date <= last {
        if is_session(date) {
            times.push(day_open(date));
        }
        date = date.tomorrow().expect("years before 9999");
    }
    times
}

/// The range of the days from `first` to `last`.
pub(crate) fn days(first: &str, last: &str) -> Interval {
    let open = |text: &str| day_open(text.parse::<Date>().expect("a date"));
    Interval::from_inclusive(open(first), open(last)).expect("a range")
}

pub(crate) fn open_times(part: &SourceBars) -> Vec<Timestamp> {
    part.records.iter().map(|bar| bar.open_time).collect()
}

//! Files in a bucket, against a server that checks each signature: what is read, what is unknown, failures, and another vendor's client.

mod failures;
mod page;
mod public_client;
mod server;
mod signature;

use std::sync::Arc;
use std::time::Duration;

use backfill::config::{SourceKind, SourceSection};
use backfill::sources::{Files, Source, SourceBars, SourceError};
use chassis::{Clock, ManualClock};
use domain::calendar::{Date, day_open};
use domain::{Interval, Symbol, Timeframe, Timestamp};
use kit::{ErrorChain, Secret};
use tokio::runtime::Runtime;

use self::server::{BUCKET, Failure, KEY_ID, S3Server, SECRET};

/// A Wednesday at 11:00 in New York.
pub(crate) const NOW: &str = "2024-07-10T15:00:00Z";

pub(crate) const HEADER: &str = "time,open,high,low,close,volume\n";

/// A server with a bucket, and a source that uses it.
pub(crate) struct Bench {
    pub(crate) server: S3Server,
    pub(crate) source: Files,
    _runtime: Runtime,
}

impl Bench {
    pub(crate) fn new(path_pattern: &str) -> Self {
        Self::with(|section| path_pattern.clone_into(&mut section.path_pattern))
    }

    /// A bench whose section is changed by `change`.
    pub(crate) fn with(change: impl FnOnce(&mut SourceSection)) -> Self {
        let server = S3Server::start();
        let mut section = SourceSection {
            kind: SourceKind::Files,
            bucket: BUCKET.to_owned(),
            folder: "exports/v 1 é~%".into(),
            endpoint: format!("http://{}", server.address),
            key_id: Secret::new(KEY_ID),
            secret: Secret::new(SECRET),
            path_pattern: "{timeframe}/{symbol}.csv".to_owned(),
            timeout_ms: 60_000.into(),
            ..SourceSection::default()
        };
        change(&mut section);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let clock = Arc::new(ManualClock::at(at(NOW).micros()));
        let call_max = Duration::from_secs(300);
        let source = Files::of_bucket(&section, runtime.handle().clone(), clock as Arc<dyn Clock>, call_max);
        Self { server, source: source.expect("a valid section"), _runtime: runtime }
    }

    /// Adds an object that was changed long ago.
    pub(crate) fn put(&self, below: &str, content: impl Into<Vec<u8>>) {
        self.put_at(below, content, "2024-07-01T00:00:00Z");
    }

    pub(crate) fn put_at(&self, below: &str, content: impl Into<Vec<u8>>, changed: &str) {
        self.server.put(&format!("exports/v 1 é~%/{below}"), content, at(changed));
    }

    pub(crate) fn minutes(&self, first: &str, last: &str) -> Result<SourceBars, SourceError> {
        self.source.bars(aapl(), Timeframe::Minute1, days(first, last))
    }
}

pub(crate) fn aapl() -> Symbol {
    Symbol::constant("AAPL")
}

pub(crate) fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).expect("a time")
}

/// The range of the days from `first` to `last`.
pub(crate) fn days(first: &str, last: &str) -> Interval {
    let date = |text: &str| text.parse::<Date>().expect("a date");
    let end = day_open(date(last).tomorrow().expect("years before 9999"));
    Interval::new(day_open(date(first)), end).expect("a range")
}

/// A file with a bar at this time.
pub(crate) fn bar_at(time: &str) -> String {
    format!("{HEADER}{time},1,2,1,2,10\n")
}

pub(crate) fn text(error: &SourceError) -> String {
    ErrorChain(error).to_string()
}

#[test]
fn objects_of_all_formats_are_read_as_files() {
    let csv = format!("{}2024-06-28T13:31:00Z,1,2,1,n/a,10\n", bar_at("2024-06-28T13:30:00Z"));
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    std::io::Write::write_all(&mut encoder, csv.as_bytes()).unwrap();
    let compressed = encoder.finish().unwrap();
    for (end, content) in [("csv", csv.into_bytes()), ("csv.gz", compressed)] {
        let bench = Bench::new(&format!("{{timeframe}}/{{symbol}}.{end}"));
        bench.put(&format!("1min/AAPL.{end}"), content);
        let part = bench.minutes("2024-06-28", "2024-06-28").unwrap();
        assert_eq!((part.records.len(), part.horizon), (1, at("2024-06-28T13:30:00.000001Z")));
        let row = part.defects.rows[0].to_string();
        assert_eq!(
            row,
            format!("s3://history/exports/v 1 é~%/1min/AAPL.{end}:3: close: `n/a` is not a number")
        );
        let expected = [format!("GET /history/exports/v%201%20%C3%A9~%25/1min/AAPL.{end}")];
        assert_eq!(bench.server.take_requests(), expected, "one request reads a file");
    }
    let bench = Bench::new("{timeframe}/{symbol}.parquet");
    bench.put("5min/AAPL.parquet", include_bytes!("../parquet/zstd.parquet"));
    let error = bench.source.bars(aapl(), Timeframe::Minute5, days("2024-06-28", "2024-06-28")).unwrap_err();
    assert!(text(&error).contains("has no offset, and source.time_zone is not set"), "{}", text(&error));
    bench.put("5min/AAPL.parquet", include_bytes!("../parquet/snappy.parquet"));
    let part = bench.source.bars(aapl(), Timeframe::Minute5, days("2024-06-28", "2024-06-28")).unwrap();
    assert_eq!(part.records.len(), 3);
}

#[test]
fn object_that_changes_is_read_again() {
    let bench = Bench::new("{timeframe}/{symbol}.csv");
    bench.put("1min/AAPL.csv", bar_at("2024-06-27T13:30:00Z"));
    assert_eq!(bench.minutes("2024-06-27", "2024-06-28").unwrap().records.len(), 1);
    bench.put("1min/AAPL.csv", bar_at("2024-06-27T13:30:00Z") + "2024-06-28T13:30:00Z,1,2,1,2,10\n");
    let part = bench.minutes("2024-06-27", "2024-06-28").unwrap();
    assert_eq!((part.records.len(), part.horizon), (2, at("2024-06-28T13:30:00.000001Z")));
}

#[test]
fn object_of_the_last_ten_seconds_may_be_incomplete() {
    let bench = Bench::new("{timeframe}/{symbol}.csv");
    let content = bar_at("2024-06-28T13:30:00Z") + "2024-06-28T13:31:00Z,1,2";
    bench.put_at("1min/AAPL.csv", content.clone(), "2024-07-10T14:59:51Z");
    let error = bench.minutes("2024-06-28", "2024-06-28").unwrap_err();
    let SourceError::BeingWritten { until, .. } = &error else { panic!("{error:?}") };
    assert_eq!(*until, at("2024-07-10T15:00:01Z"));
    bench.put_at("1min/AAPL.csv", content, "2024-07-10T14:59:50Z");
    let part = bench.minutes("2024-06-28", "2024-06-28").unwrap();
    assert_eq!((part.records.len(), part.defects.rejected), (1, 1));
}

#[test]
fn absent_object_is_an_unknown_symbol_while_others_are_there() {
    let bench = Bench::new("{timeframe}/{symbol}.csv");
    let error = bench.minutes("2024-06-28", "2024-06-28").unwrap_err();
    assert!(matches!(error, SourceError::Transient { .. }), "an empty prefix may be a mistake: {error:?}");
    bench.put("1day/MSFT.csv", "");
    let error = bench.minutes("2024-06-28", "2024-06-28").unwrap_err();
    let expected =
        "source files does not have symbol AAPL: no file s3://history/exports/v 1 é~%/1min/AAPL.csv";
    assert_eq!(text(&error), expected);
    bench.server.remove_bucket();
    let error = bench.minutes("2024-06-28", "2024-06-28").unwrap_err();
    assert!(matches!(error, SourceError::Permanent { .. }), "{error:?}");
    let expected = "s3://history/exports/v 1 é~%/1min/AAPL.csv: failed to read: status 404 NoSuchBucket: \"Simulated NoSuchBucket.\"";
    assert!(text(&error).ends_with(expected), "{}", text(&error));
}

#[test]
fn dates_are_found_in_lists_of_several_pages() {
    for pattern in ["{timeframe}/{symbol}-{date}.csv", "{timeframe}/{date}/{symbol}.csv"] {
        let bench = Bench::new(pattern);
        let put = |symbol: &str, date: &str| {
            let below = pattern.replace("{timeframe}", "1min").replace("{symbol}", symbol);
            bench.put(&below.replace("{date}", date), bar_at(&format!("{date}T13:30:00Z")));
        };
        // Monday 2024-06-24 to Friday 2024-06-28 without Wednesday; another symbol has more dates.
        for date in ["2024-06-24", "2024-06-25", "2024-06-27", "2024-06-28"] {
            put("AAPL", date);
        }
        for date in ["2024-06-20", "2024-06-21", "2024-06-26", "2024-07-01"] {
            put("MSFT", date);
        }
        let part = bench.minutes("2024-06-20", "2024-07-02").unwrap();
        assert_eq!((part.records.len(), part.horizon), (4, at("2024-06-28T13:30:00.000001Z")), "{pattern}");
        assert_eq!(part.defects.files, 1, "Wednesday is absent: {:?}", part.defects);
        let part = bench.minutes("2024-06-25", "2024-06-25").unwrap();
        let end = days("2024-06-25", "2024-06-25").end();
        assert_eq!((part.records.len(), part.horizon), (1, end), "the newest file is later");
        let part = bench.minutes("2024-06-21", "2024-06-21").unwrap();
        assert_eq!((part.records.len(), part.defects.files), (0, 0), "before the first file");
        bench.server.remove_bucket();
        let error = bench.minutes("2024-06-21", "2024-06-21").unwrap_err();
        assert!(text(&error).contains("NoSuchBucket"), "{}", text(&error));
    }
}

#[test]
fn listed_object_that_is_gone_is_a_temporary_error() {
    let bench = Bench::new("{timeframe}/{symbol}-{date}.csv");
    bench.put("1min/AAPL-2024-06-28.csv", bar_at("2024-06-28T13:30:00Z"));
    bench.server.inject([None, Some(Failure::Error(404, "NoSuchKey", Vec::new()))]);
    let error = bench.minutes("2024-06-28", "2024-06-28").unwrap_err();
    assert!(matches!(error, SourceError::Transient { .. }), "{error:?}");
    assert!(
        text(&error).contains("1min/AAPL-2024-06-28.csv: failed to read: status 404"),
        "{}",
        text(&error)
    );
}

#[test]
fn objects_of_a_symbol_without_any_are_looked_up_once() {
    let bench = Bench::new("{timeframe}/{date}/{symbol}.csv");
    for day in 10..30 {
        bench.put(&format!("1min/2024-06-{day}/MSFT.csv"), bar_at(&format!("2024-06-{day}T13:30:00Z")));
    }
    let error = bench.minutes("2024-07-02", "2024-07-03").unwrap_err();
    assert!(matches!(error, SourceError::UnknownSymbol { .. }), "{error:?}");
    let requests = bench.server.take_requests();
    assert_eq!(requests.iter().filter(|request| request.starts_with("HEAD ")).count(), 20, "{requests:?}");
}

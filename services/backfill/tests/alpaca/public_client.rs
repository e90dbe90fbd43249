//! The vendor's public Python client reads the simulated server: both clients agree about its API.

use std::path::PathBuf;
use std::process::Command;

use backfill::sources::Source;
use domain::{Symbol, Timeframe, Timestamp};
use integration::python;
use serde_json::Value;

use crate::server::{KEY_ID, SECRET};
use crate::serving_actions::{dividend, spin_off, split};
use crate::serving_news::article;
use crate::{Bench, at, days, range, sessions};

/// Runs the public client.
fn public(python: &PathBuf, bench: &Bench, arguments: [&str; 5]) -> Value {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/alpaca/public_client.py");
    let output = Command::new(python)
        .args([script, &bench.server.url(), KEY_ID, SECRET])
        .args(arguments)
        .env("NO_PROXY", "127.0.0.1")
        .output()
        .expect("an executable python");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

#[test]
fn public_client_reads_the_same_bars() {
    let Some(python) = python() else { return };
    let bench = Bench::new();
    let minutes: Vec<Timestamp> =
        (0..90).map(|index| at("2024-06-03T13:30:00Z").saturating_add_micros(index * 60_000_000)).collect();
    for symbol in ["AAPL", "BRK.B"] {
        bench.server.add(symbol, "1Day", &sessions("2024-01-02", "2024-06-28"));
        bench.server.add(symbol, "1Min", &minutes);
    }
    // Several pages, one of which has bars of both symbols.
    bench.server.limit_pages(80);
    let day_range = days("2024-01-02", "2024-06-28");
    let minute_range = range("2024-06-03T13:30:00Z", "2024-06-03T15:00:00Z");
    let cases = [
        (Timeframe::Day1, "1Day", day_range, ["2024-01-02T05:00:00+00:00", "2024-06-28T04:00:00+00:00"], 124),
        (
            Timeframe::Minute1,
            "1Min",
            minute_range,
            ["2024-06-03T13:30:00+00:00", "2024-06-03T14:59:00+00:00"],
            90,
        ),
    ];
    for (timeframe, name, range, [first, last], count) in cases {
        let public = public(&python, &bench, ["bars", "AAPL,BRK.B", first, last, name]);
        let requests = bench.server.take_requests();
        assert!(requests.len() > 2 && requests[1].contains_key("page_token"), "{requests:?}");
        for symbol in ["AAPL", "BRK.B"] {
            let part = bench.source.bars(Symbol::parse(symbol).unwrap(), timeframe, range).unwrap();
            let rows = part.records.iter().map(|bar| {
                serde_json::json!([
                    bar.open_time.micros(),
                    bar.open,
                    bar.high,
                    bar.low,
                    bar.close,
                    bar.volume
                ])
            });
            let rows: Vec<Value> = rows.collect();
            assert_eq!((rows.len(), &Value::from(rows)), (count, &public[symbol]), "{symbol} {name}");
        }
        bench.server.take_requests();
    }
}

#[test]
fn public_client_reads_the_same_news() {
    let Some(python) = python() else { return };
    let bench = Bench::new();
    let first = at("2024-06-03T13:30:00Z");
    bench.server.add_news((0..120).map(|index| {
        let created = first.saturating_add_micros(index * 60_000_000);
        let symbols: &[&str] = if index % 3 == 0 { &["AAPL", "BRK.B"] } else { &["BRK.B"] };
        article(u64::try_from(index).expect("a few"), created, created, symbols)
    }));
    let times = ["2024-06-03T13:30:00+00:00", "2024-06-04T00:00:00+00:00"];
    for (symbol, count) in [("AAPL", 40), ("BRK.B", 120)] {
        let public = public(&python, &bench, ["news", symbol, times[0], times[1], ""]);
        let requests = bench.server.take_requests();
        assert_eq!(requests.len(), usize::div_ceil(count, 50), "{requests:?}");
        let range = range("2024-06-03T13:30:00Z", "2024-06-04T00:00:00Z");
        let part = bench.source.news(Symbol::parse(symbol).unwrap(), range).unwrap();
        let rows = part
            .records
            .iter()
            .map(|item| serde_json::json!([item.id, item.time.micros(), item.headline, item.url]));
        let rows: Vec<Value> = rows.collect();
        assert_eq!((rows.len(), Value::from(rows)), (count, public), "{symbol}");
        bench.server.take_requests();
    }
}

#[test]
fn public_client_reads_the_same_actions() {
    let Some(python) = python() else { return };
    let bench = Bench::new();
    bench.server.add_actions([
        dividend(1, "AAPL", "2023-02-07"),
        split(2, "AAPL", "2023-03-01", (4, 1)),
        split(3, "BRK.B", "2023-03-02", (1, 8)),
        spin_off(4, "BRK.B", "PEAR", "2023-03-03"),
        dividend(5, "AAPL", "2023-05-07"),
    ]);
    bench.server.limit_pages(2);
    let year = range("2023-01-01T05:00:00Z", "2024-01-01T05:00:00Z");
    let mut rows = Vec::new();
    for symbol in ["AAPL", "BRK.B"] {
        let part = bench.source.actions(Symbol::parse(symbol).unwrap(), year).unwrap();
        rows.extend(part.records.into_iter().map(|action| {
            let date = action.ex_date.to_string();
            serde_json::json!([action.id, symbol, action.kind.as_str(), date, action.ratio, action.amount])
        }));
    }
    rows.sort_by_key(ToString::to_string);
    bench.server.take_requests();
    let times = ["2023-01-01T00:00:00+00:00", "2023-12-31T00:00:00+00:00"];
    let public = public(&python, &bench, ["actions", "AAPL,BRK.B", times[0], times[1], ""]);
    assert_eq!(bench.server.take_requests().len(), 3);
    assert_eq!((rows.len(), Value::from(rows)), (5, public));
}

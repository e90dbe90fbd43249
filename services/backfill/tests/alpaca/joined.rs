//! Joined calls: concurrent calls for the same range are one request.

use backfill::sources::{Source, SourceBars, SourceError};
use domain::calendar::{Date, day_open};
use domain::{Interval, Symbol, Timeframe};

use crate::failures::Failure;
use crate::{Bench, days, open_times, sessions};

/// Joins this number of symbols. No group is closed before it is full.
fn bench(symbols_a_call: u16) -> Bench {
    Bench::with(|section| {
        section.symbols_a_call = symbols_a_call;
        section.join_ms = 600_000.into();
    })
}

/// Runs `call` for each of the symbols, on a thread each.
fn on_threads<T: Send>(symbols: &[Symbol], call: impl Fn(Symbol) -> T + Sync) -> Vec<T> {
    let call = &call;
    std::thread::scope(|scope| {
        let threads: Vec<_> = symbols.iter().map(|symbol| scope.spawn(move || call(*symbol))).collect();
        threads.into_iter().map(|thread| thread.join().expect("a call without a panic")).collect()
    })
}

fn symbols(names: &[&str]) -> Vec<Symbol> {
    names.iter().map(|name| Symbol::parse(name).expect("a symbol")).collect()
}

/// Fetches January 2024 for each of the symbols.
fn fetch(bench: &Bench, symbols: &[Symbol]) -> Vec<Result<SourceBars, SourceError>> {
    let range = days("2024-01-02", "2024-01-31");
    on_threads(symbols, |symbol| bench.source.bars(symbol, Timeframe::Day1, range))
}

#[test]
fn five_years_of_many_symbols_cost_few_requests() {
    const SYMBOLS: usize = 64;
    let bench = bench(32);
    let letters = || 'A'..='H';
    let names = letters().flat_map(|first| letters().map(move |second| format!("{first}{second}")));
    let symbols: Vec<Symbol> = names.map(|name| Symbol::parse(&name).unwrap()).collect();
    let times = sessions("2019-01-02", "2023-12-29");
    for symbol in &symbols {
        bench.server.add(symbol.as_str(), "1Day", &times);
    }
    let years = 2019..=2023_i16;
    let fetched = on_threads(&symbols, |symbol| {
        // A chunk after the other, as the executor; each request has a start of its own within the first day.
        years
            .clone()
            .flat_map(|year| {
                let open = |year| day_open(Date::constant(year, 1, 1));
                let own = i64::from(symbol.as_str().as_bytes()[1]);
                let range = Interval::new(open(year).saturating_add_micros(own), open(year + 1)).unwrap();
                open_times(&bench.source.bars(symbol, Timeframe::Day1, range).unwrap())
            })
            .collect::<Vec<_>>()
    });
    assert!(fetched.len() == SYMBOLS && fetched.iter().all(|own| *own == times));
    let (requests, minimum) = (bench.server.take_requests().len(), (SYMBOLS * times.len()).div_ceil(10_000));
    println!("{requests} requests for {SYMBOLS} symbols, minimum {minimum}");
    assert!(requests * 10 <= minimum * 12, "{requests} requests, minimum {minimum}");
}

#[test]
fn symbol_that_the_server_rejects_costs_no_other_symbol() {
    let bench = bench(3);
    for symbol in ["AAPL", "MSFT"] {
        bench.server.add(symbol, "1Day", &sessions("2024-01-02", "2024-01-31"));
    }
    let results = fetch(&bench, &symbols(&["AAPL", "BRK-B", "MSFT"]));
    for index in [0, 2] {
        assert_eq!(open_times(results[index].as_ref().unwrap()), sessions("2024-01-02", "2024-01-31"));
    }
    assert!(matches!(results[1], Err(SourceError::UnknownSymbol { .. })), "{:?}", results[1]);
    assert_eq!(bench.server.take_requests().len(), 4);
}

#[test]
fn symbol_without_bars_is_unknown_in_a_joined_call() {
    let bench = bench(2);
    bench.server.add("AAPL", "1Day", &sessions("2024-01-02", "2024-01-31"));
    let results = fetch(&bench, &symbols(&["AAPL", "NONE"]));
    assert_eq!(results[0].as_ref().unwrap().records.len(), 21);
    assert!(matches!(results[1], Err(SourceError::UnknownSymbol { .. })), "{:?}", results[1]);
}

#[test]
fn failed_request_is_the_evidence_of_one_call() {
    let bench = bench(3);
    bench.server.inject([Some(Failure::InternalError)]);
    let results = fetch(&bench, &symbols(&["AAPL", "IBM", "MSFT"]));
    let is_shared = |result: &Result<SourceBars, SourceError>| match result {
        Err(SourceError::Transient { is_shared, .. }) => *is_shared,
        other => panic!("{other:?}"),
    };
    assert_eq!(results.iter().filter(|result| is_shared(result)).count(), 2);
    assert_eq!(bench.server.take_requests().len(), 1);
}

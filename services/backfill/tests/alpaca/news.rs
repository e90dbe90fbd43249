//! News: parameters, pages, horizon, articles of several symbols, and failures.

use backfill::sources::{News, SourceError};
use domain::{Symbol, Timestamp};
use kit::ErrorChain;

use crate::failures::Failure::{self, *};
use crate::responses::{BODIES, STATUSES, class};
use crate::serving_news::article;
use crate::{Bench, aapl, at, range, sessions};

const START: &str = "2024-06-03T14:31:07Z";
const END: &str = "2024-06-20T09:15:00Z";

fn hours_after(first: &str, hours: i64) -> Timestamp {
    at(first).saturating_add_micros(hours * 3_600_000_000)
}

/// Eighty articles an hour apart from the start on; each is updated a second later.
fn bench() -> Bench {
    let bench = Bench::new();
    bench.server.add("AAPL", "1Day", &sessions("2024-01-02", "2024-06-28"));
    bench.server.add_news((0..80).map(|index| {
        let created = hours_after(START, i64::try_from(index).expect("a few"));
        article(1_000 + index, created, created.saturating_add_micros(1_000_000), &["AAPL", "MSFT"])
    }));
    bench
}

fn ids(news: &[News]) -> Vec<u64> {
    news.iter().map(|item| item.id.parse().expect("a number")).collect()
}

#[test]
fn pages_of_news_are_followed_to_their_end() {
    let bench = bench();
    let part = bench.news(range(START, END)).unwrap();
    assert_eq!(ids(&part.records), (1_000..1_080).collect::<Vec<_>>());
    assert_eq!(part.served(range(START, END)), Some(range(START, END)));
    let first = &part.records[0];
    assert_eq!((first.time, first.headline.as_str()), (at(START), "Article 1000: \"quoted\", é"));
    assert_eq!((first.url.as_deref(), first.sentiment), (Some("https://example.com/1000"), None));
    let requests = bench.server.take_requests();
    let parameters: Vec<String> = requests[0].iter().map(|(name, value)| format!("{name}={value}")).collect();
    let expected = [
        "end=2024-06-27T10:00:00Z",
        "include_content=false",
        "limit=50",
        "sort=asc",
        "start=2024-06-03T14:00:00Z",
        "symbols=AAPL",
    ];
    assert_eq!(parameters, expected);
    assert_eq!((requests.len(), requests[1].contains_key("page_token")), (2, true));
}

#[test]
fn article_has_its_place_by_its_creation() {
    let bench = Bench::new();
    let week = range("2024-06-03T00:00:00Z", "2024-06-10T00:00:00Z");
    let times = [
        (1, "2024-06-02T23:59:59Z", "2024-06-03T00:10:00Z"),
        (2, "2024-06-03T00:00:00Z", "2024-06-16T23:00:00Z"),
        (3, "2024-06-09T23:59:59Z", "2024-06-10T00:10:00Z"),
        (4, "2024-06-10T00:00:00Z", "2024-06-10T00:00:00Z"),
    ];
    bench
        .server
        .add_news(times.map(|(id, created, updated)| article(id, at(created), at(updated), &["AAPL"])));
    assert_eq!(ids(&bench.news(week).unwrap().records), [2, 3]);
}

#[test]
fn article_belongs_to_each_of_its_symbols() {
    let bench = bench();
    bench.server.add_news([article(7, at(START), at(START), &["MSFT", "$BTC", "btc"])]);
    let msft = Symbol::parse("MSFT").unwrap();
    let part = backfill::sources::Source::news(&bench.source, msft, range(START, END)).unwrap();
    assert_eq!((part.records.len(), part.records[0].id.as_str()), (81, "1000"));
    let aapl = bench.news(range(START, END)).unwrap();
    assert_eq!(aapl.records.len(), 80);
}

#[test]
fn news_end_at_the_horizon() {
    let bench = Bench::new();
    // 15 minutes before now, and an update that is later.
    let times = [(1, "2024-07-10T14:44:59Z"), (2, "2024-07-10T14:45:00Z")];
    bench
        .server
        .add_news(times.map(|(id, created)| article(id, at(created), at("2024-07-10T14:59:59Z"), &["AAPL"])));
    let today = range("2024-07-10T04:00:00Z", "2024-07-11T04:00:00Z");
    let part = bench.news(today).unwrap();
    assert_eq!((ids(&part.records), part.horizon), (vec![1], at("2024-07-10T14:45:00Z")));
    assert!(!bench.server.take_requests()[0].contains_key("end"), "up to the newest update");
    let later = range("2024-07-10T14:45:00Z", "2024-07-11T04:00:00Z");
    assert_eq!(bench.news(later).unwrap().served(later), None);
    assert_eq!(bench.server.take_requests().len(), 0);
}

#[test]
fn symbol_without_news_is_checked_by_its_bars() {
    let bench = Bench::new();
    let error = bench.news(range(START, END)).unwrap_err();
    assert!(matches!(error, SourceError::UnknownSymbol { symbol, .. } if symbol == aapl()), "{error}");
    bench.server.add("AAPL", "1Day", &sessions("2024-03-01", "2024-03-05"));
    let part = bench.news(range(START, END)).unwrap();
    assert_eq!((part.records.len(), part.served(range(START, END))), (0, Some(range(START, END))));
}

const NEWS: [(Failure, &str); 10] = [
    (OutOfOrder, "invalid range"),
    (Duplicate, "invalid range"),
    (OtherSymbol, "invalid range"),
    (OutOfRange, "invalid range"),
    (InvalidTime, "invalid range"),
    (UpdatedBeforeCreated, "invalid range"),
    (TextAsId, "invalid range"),
    (EmptyHeadline, "invalid range"),
    (LongHeadline, "invalid range"),
    (MissingField, "invalid range"),
];

#[test]
fn failure_of_a_page_of_news_has_its_class() {
    for (failure, expected) in STATUSES.into_iter().chain(BODIES).chain(NEWS) {
        let bench = bench();
        bench.server.limit_pages(30);
        bench.server.inject([None, Some(failure)]);
        let error = bench.news(range(START, END)).expect_err(&format!("{failure:?}"));
        let text = ErrorChain(&error).to_string();
        assert_eq!(
            (class(&error).as_str(), bench.server.failures_left()),
            (expected, 0),
            "{failure:?}: {text}"
        );
        if NEWS.contains(&(failure, expected)) {
            let item = if failure == Duplicate { 31 } else { 30 };
            assert!(text.contains(&format!("page 2: item {item} of news: ")), "{failure:?}: {text}");
            assert_eq!(bench.news(range(START, END)).unwrap().records.len(), 80, "after {failure:?}");
        }
    }
}

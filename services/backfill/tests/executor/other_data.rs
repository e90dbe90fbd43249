//! News and corporate actions: records, coverage and ends of requests, over a source with an end.

use backfill::sources::{Action, ActionKind, News, Part, Source, SourceBars, SourceError};
use contracts::{BackfillErrorClass, DataKind, RangeRequest, Topic, ids};
use domain::calendar::{Date, day_open};
use domain::{DataType, Interval, Symbol, Timeframe, Timestamp};
use testkit::stage_bench::START_MICROS;

use crate::bench::{Bench, day, now, request};

/// A source of news and actions of these dates, and of no bars. It ends with the last of them.
struct Announcements(Vec<Date>);

impl Announcements {
    fn of(dates: &[&str]) -> Self {
        Self(dates.iter().map(|date| date.parse().expect("a date")).collect())
    }

    fn within<R>(&self, range: Interval, record: impl Fn(Date) -> R) -> Part<Vec<R>> {
        let dates = self.0.iter().filter(|date| range.contains(day_open(**date)));
        let last = self.0.last().map_or(range.start(), |date| day_open(*date));
        Part::up_to(last.saturating_add_micros(1), dates.map(|date| record(*date)).collect())
    }
}

impl Source for Announcements {
    fn name(&self) -> &'static str {
        "announcements"
    }

    fn serves(&self, data_type: DataType, _: Option<Timeframe>) -> bool {
        matches!(data_type, DataType::News | DataType::CorporateActions)
    }

    fn bars(&self, symbol: Symbol, _: Timeframe, _: Interval) -> Result<SourceBars, SourceError> {
        Err(SourceError::unknown_symbol(self.name(), symbol, "no bars"))
    }

    fn news(&self, _: Symbol, range: Interval) -> Result<Part<Vec<News>>, SourceError> {
        Ok(self.within(range, |date| News {
            id: format!("article {date}"),
            time: day_open(date),
            headline: format!("news of {date}"),
            url: None,
            sentiment: Some(0.5),
        }))
    }

    fn actions(&self, _: Symbol, range: Interval) -> Result<Part<Vec<Action>>, SourceError> {
        Ok(self.within(range, |date| Action {
            id: format!("action {date}"),
            kind: ActionKind::Split,
            ex_date: date,
            announced: None,
            ratio: Some(4.0),
            amount: None,
        }))
    }
}

fn of_types(number: u128, data_types: &[DataKind], from: &str, to: &str) -> RangeRequest {
    RangeRequest { data_types: data_types.to_vec(), ..request(number, from, to) }
}

const BOTH: [DataKind; 2] = [DataKind::CorporateActions, DataKind::News];

#[test]
fn news_and_actions_leave_with_progress_and_coverage() {
    let mut bench = Bench::over(Announcements::of(&["2024-01-03", "2024-01-09", "2024-02-01"]));
    bench.hold(&of_types(1, &BOTH, "2024-01-01", "2024-01-25"), now(0));
    bench.work_all(now(2));
    let emission = |topic| vec![topic, topic, Topic::RangeProgressed, Topic::CoverageChanged];
    let mut emissions = bench.outputs.emissions.clone();
    emissions.sort_unstable();
    let mut expected = vec![
        emission(Topic::NewsPublished),
        emission(Topic::CorporateActionAnnounced),
        vec![Topic::RangeCompleted],
    ];
    expected.sort_unstable();
    assert_eq!(emissions, expected);

    let (item, action) = (&bench.outputs.news[1], &bench.outputs.actions[1]);
    assert_eq!(
        (item.headline.as_str(), item.time, item.occurred_at),
        ("news of 2024-01-09", day("2024-01-09"), item.time)
    );
    let aapl = Symbol::constant("AAPL");
    assert_eq!(item.event_id, ids::news_id("announcements", aapl, "article 2024-01-09"));
    assert_eq!(action.event_id, ids::action_id("announcements", "action 2024-01-09"));
    // 2024-01-09 is 19,731 days after 1970-01-01.
    assert_eq!((action.kind.as_str(), action.ratio, action.ex_date), ("split", Some(4.0), 19_731));
    assert_eq!((action.time, action.source.as_str()), (day("2024-01-09"), "announcements"));

    let end = &bench.outputs.completed[0];
    assert_eq!((end.success, end.error_count, end.quality["rejected_rows"]), (true, 0, 0));
    assert_eq!((end.records["news"], end.records["corporate_actions"]), (2, 2));
    let fetched: Vec<_> =
        end.fetched.iter().map(|range| (range.data_type, range.timeframe.as_str())).collect();
    assert_eq!(fetched, [(DataKind::CorporateActions, ""), (DataKind::News, "")]);
    for change in &bench.outputs.coverage {
        assert_eq!((change.timeframe.as_str(), change.intervals.len()), ("", 1));
        assert_eq!(
            (change.intervals[0].start, change.intervals[0].end),
            (day("2024-01-01"), day("2024-01-25"))
        );
    }

    bench.hold(&of_types(2, &BOTH, "2024-01-08", "2024-01-20"), now(10));
    bench.work_all(now(12));
    let end = &bench.outputs.completed[1];
    assert_eq!(
        (end.success, end.skipped.len(), end.fetched.len(), bench.outputs.news.len()),
        (true, 2, 0, 2)
    );
}

#[test]
fn news_after_the_end_of_the_source_are_not_yet_served() {
    let mut bench = Bench::over(Announcements::of(&["2024-01-03", "2024-01-09"]));
    bench.hold(&of_types(1, &[DataKind::News], "2024-01-01", "2024-01-25"), now(0));
    bench.work_all(now(2));
    let end = &bench.outputs.completed[0];
    assert_eq!((end.partial, end.records["news"], end.fetched[0].end), (true, 2, day("2024-01-09")));
    let error = "not_yet: news from 2024-01-09T05:00:00.000001Z to 2024-01-25T05:00:00Z: source announcements has no \
                 records from 2024-01-09T05:00:00.000001Z on yet";
    assert_eq!(end.errors, [error]);
}

#[test]
fn data_types_without_a_source_are_named_with_the_others() {
    let mut bench = Bench::over(Announcements::of(&["2024-01-03", "2024-02-01"]));
    let types = [DataKind::MarketData, DataKind::News, DataKind::Options];
    bench.hold(&of_types(1, &types, "2024-01-01", "2024-01-25"), now(0));
    bench.work_all(now(2));
    let end = &bench.outputs.completed[0];
    assert_eq!((end.partial, end.records["news"], end.error_count), (true, 1, 2));
    let mut errors = end.errors.clone();
    errors.sort_unstable();
    let texts =
        ["no_source: market_data 1day: no source serves it", "no_source: options: no source serves it"];
    assert_eq!(errors, texts);
    assert!(bench.outputs.failed.is_empty(), "{:?}", BackfillErrorClass::NoSource);
}

#[test]
fn records_that_are_not_final_are_fetched_later() {
    let today = domain::calendar::date_of(Timestamp::from_micros(START_MICROS));
    let opened = day_open(today);
    let mut bench = Bench::over(Announcements(vec![today, today.tomorrow().unwrap()]));
    // A quarter of an hour before the bench starts, the end of what is final.
    let final_end = START_MICROS - 900_000_000;
    let request = RangeRequest {
        start: opened.micros(),
        end: START_MICROS,
        ..of_types(1, &[DataKind::News], "2024-01-01", "2024-01-02")
    };
    bench.hold(&request, now(0));
    bench.work_all(now(2));
    let end = &bench.outputs.completed[0];
    assert_eq!((end.success, end.records["news"]), (true, 1), "{:?}", end.errors);
    assert_eq!(end.fetched[0].end, final_end + 2_000_000 - 1);
    assert_eq!(bench.outputs.coverage[0].intervals[0].end, final_end + 2_000_000 - 1);
}

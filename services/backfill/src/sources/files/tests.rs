//! Files of all timeframes, news and corporate actions.

use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use chassis::ManualClock;
use domain::calendar::{Date, day_open};
use kit::ErrorChain;

use super::*;
use crate::config::SourceKind;
use crate::sources::records::ActionKind;

mod day_bars;
mod every_date;
#[cfg(feature = "parquet")]
mod parquet;

/// 2024-07-10T20:00:00Z.
const NOW_SECONDS: u64 = 1_720_641_600;

fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::at(i64::try_from(NOW_SECONDS).unwrap() * 1_000_000))
}

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

fn aapl() -> Symbol {
    Symbol::constant("AAPL")
}

/// A folder of these files, and the source of them with these settings.
fn files(files: &[(&str, &str)], section: SourceSection) -> (tempfile::TempDir, Files) {
    let folder = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let section = SourceSection { kind: SourceKind::Files, folder: folder.path().into(), ..section };
    let source = Files::new(&section, clock()).unwrap();
    (folder, source)
}

fn of_pattern(path_pattern: &str) -> SourceSection {
    SourceSection { path_pattern: path_pattern.to_owned(), ..SourceSection::default() }
}

fn whole_day(date: &str) -> Interval {
    let date: Date = date.parse().unwrap();
    Interval::new(day_open(date), day_open(date.tomorrow().unwrap())).unwrap()
}

/// The causes of the rejected rows, with their lines.
fn rejected<R>(part: &Part<R>) -> Vec<(Option<u64>, &str)> {
    part.defects.rows.iter().map(|row| (row.line, row.cause.as_str())).collect()
}

#[test]
fn minute_bars_have_offsets_or_a_time_zone_and_aliases() {
    let text = "Timestamp,o,High,Low,Close,Volume\n2024-06-28T13:30:00Z,1,2,1,2,10\n\
                2024-06-28 09:35,2,2,1,2,10\n2024-06-28T15:40:00+02:00,3,3,1,2,10\n";
    let section = SourceSection {
        time_zone: "America/New_York".to_owned(),
        columns: vec!["time=timestamp".to_owned(), "open = O".to_owned()],
        ..of_pattern("{timeframe}/{symbol}.csv")
    };
    let (_folder, source) = files(&[("5min/AAPL.csv", text)], section);
    let part = source.bars(aapl(), Timeframe::Minute5, whole_day("2024-06-28")).unwrap();
    let bars: Vec<_> = part.records.iter().map(|bar| (bar.open_time.to_string(), bar.open)).collect();
    let times = ["2024-06-28T13:30:00Z", "2024-06-28T13:35:00Z", "2024-06-28T13:40:00Z"];
    assert_eq!(bars, times.iter().map(|time| (*time).to_owned()).zip([1.0, 2.0, 3.0]).collect::<Vec<_>>());
    assert_eq!(part.horizon, at("2024-06-28T13:40:00.000001Z"));
    assert!(source.serves(DataType::MarketData, Some(Timeframe::Hour1)));
    assert!(!source.serves(DataType::News, None));
}

#[test]
fn time_that_is_no_instant_of_a_bar_is_named() {
    let row = |time: &str| format!("{time},1,1,1,1,1\n");
    let text = ["2024-06-28T13:30:00Z", "2024-06-28 09:31", "2024-06-28T13:32:30Z", "noon", "2024-06-28"]
        .map(row)
        .concat();
    let text = format!("time,open,high,low,close,volume\n{text}{}", row("2024-06-28T13:35:00Z"));
    let (_folder, source) = files(&[("1min/AAPL.csv", &text)], of_pattern("{timeframe}/{symbol}.csv"));
    let part = source.bars(aapl(), Timeframe::Minute1, whole_day("2024-06-28")).unwrap();
    let expected = [
        (Some(3), "time: `2024-06-28 09:31` has no offset, and source.time_zone is not set"),
        (Some(4), "time: no 1min bar opens at 2024-06-28T13:32:30Z"),
        (Some(5), "time: `noon` is not a time, such as 2024-06-28T09:30:00-04:00"),
        (Some(6), "time: `2024-06-28` is not a time, such as 2024-06-28T09:30:00-04:00"),
    ];
    assert_eq!(rejected(&part), expected);
    let unknown: Vec<_> = part.defects.unknown.iter().collect();
    let between = Interval::new(at("2024-06-28T13:30:00.000001Z"), at("2024-06-28T13:35:00Z")).unwrap();
    assert_eq!((part.records.len(), unknown), (2, vec![between]));
}

#[test]
fn local_time_of_a_clock_change_is_rejected() {
    let text = "time,headline\n2023-11-05 00:30,a\n2023-11-05 01:30,b\n2023-11-05 02:30,c\n";
    let section =
        SourceSection { time_zone: "America/New_York".to_owned(), ..of_pattern("{data_type}/{symbol}.csv") };
    let (_folder, source) = files(&[("news/AAPL.csv", text)], section);
    let part = source.news(aapl(), whole_day("2023-11-05")).unwrap();
    let cause = "time: `2023-11-05 01:30` is not one time in source.time_zone: clocks change";
    assert_eq!((part.records.len(), rejected(&part)), (2, vec![(Some(3), cause)]));
}

#[test]
fn news_of_a_file_keep_the_last_row_of_an_id() {
    let text = "id,time,headline,url,sentiment\n7,2024-06-28T14:00:00Z,\"first, draft\",,\n\
                8,2024-06-28T14:00:00Z,other,https://example.com/8,-0.5\n7,2024-06-28T14:00:00Z,final,,1\n\
                9,2024-06-28T15:00:00Z,bad,,2\n";
    let (_folder, source) = files(&[("news/AAPL.csv", text)], of_pattern("{data_type}/{symbol}.csv"));
    let part = source.news(aapl(), whole_day("2024-06-28")).unwrap();
    let items: Vec<_> = part.records.iter().map(|item| (item.id.as_str(), item.headline.as_str())).collect();
    assert_eq!(items, [("8", "other"), ("7", "final")]);
    assert_eq!(part.records[0].sentiment, Some(-0.5));
    assert_eq!(rejected(&part), [(Some(5), "sentiment: 2 is not -1 to 1")]);
}

#[test]
fn actions_of_all_symbols_are_selected_by_their_column() {
    let text = "symbol,kind,ex_date,ratio,amount\nNVDA,split,2024-06-10,10,\nAAPL,cash dividend,2024-05-10,,0.25\n\
                AAPL,Stock Split,2024-06-10,0,\nAAPL,spin-off,2024-06-20,,\nMSFT,dividend,2024-06-25,,0.75\n\
                aapl?,dividend,2024-06-26,,1\nNVDA,oops,?,,\n";
    let (_folder, source) = files(&[("corporate_actions.csv", text)], of_pattern("{data_type}.csv"));
    let year = Interval::new(at("2024-01-01T05:00:00Z"), at("2024-06-25T04:00:00Z")).unwrap();
    let part = source.actions(aapl(), year).unwrap();
    let actions: Vec<_> = part.records.iter().map(|it| (it.id.as_str(), it.kind, it.amount)).collect();
    let expected = [
        ("AAPL|dividend|2024-05-10|0.25", ActionKind::Dividend, Some(0.25)),
        ("AAPL|other|2024-06-20", ActionKind::Other, None),
    ];
    assert_eq!(actions, expected);
    assert_eq!(rejected(&part), [(Some(4), "ratio: 0 is not above 0, to 10000")]);
    assert_eq!(part.horizon, at("2024-06-25T04:00:00.000001Z"), "the last row of any symbol");
    let june = Interval::new(at("2024-06-26T04:00:00Z"), at("2024-07-01T04:00:00Z")).unwrap();
    let part = source.actions(aapl(), june).unwrap();
    assert_eq!(rejected(&part), [(Some(7), "symbol: `aapl?` is not a symbol")]);
    assert_eq!(source.actions(Symbol::constant("IBM"), year).unwrap().records, []);
}

#[test]
fn absent_file_of_all_symbols_is_a_temporary_error() {
    let (_folder, source) = files(&[], of_pattern("{data_type}.csv"));
    let error = source.news(aapl(), whole_day("2024-06-28")).unwrap_err();
    assert!(matches!(error, SourceError::Transient { .. }), "{error:?}");
}

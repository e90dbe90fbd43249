//! Series with a file per date.

use super::*;

const PATTERN: &str = "{data_type}/{date}/{symbol}.csv";

fn bars_of(date: &str, minutes: &[u8]) -> String {
    let row = |minute: &u8| format!("{date}T14:{minute:02}:00Z,1,1,1,1,1\n");
    format!("time,open,high,low,close,volume\n{}", minutes.iter().map(row).collect::<String>())
}

fn range(start: &str, end: &str) -> Interval {
    Interval::new(whole_day(start).start(), whole_day(end).end()).unwrap()
}

/// Bars of Monday 2024-06-24 to Friday 2024-06-28, of minutes, with these changes to the files.
fn week(change: impl Fn(&mut Vec<(String, String)>)) -> (tempfile::TempDir, Files) {
    let dates = ["2024-06-24", "2024-06-25", "2024-06-26", "2024-06-27", "2024-06-28"];
    let of_date = |date: &str| (format!("1min/{date}/AAPL.csv"), bars_of(date, &[0, 1]));
    let mut all: Vec<_> = dates.into_iter().map(of_date).collect();
    change(&mut all);
    let all: Vec<_> = all.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    files(&all, of_pattern("{timeframe}/{date}/{symbol}.csv"))
}

#[test]
fn dates_of_a_range_are_one_series_up_to_the_newest_row() {
    let (_folder, source) = week(|_| {});
    let part = source.bars(aapl(), Timeframe::Minute1, range("2024-06-20", "2024-07-01")).unwrap();
    assert_eq!(
        (part.records.len(), part.defects.clone()),
        (10, Default::default()),
        "earlier dates have no bars"
    );
    assert_eq!(part.horizon, at("2024-06-28T14:01:00.000001Z"));
    let part = source.bars(aapl(), Timeframe::Minute1, range("2024-06-25", "2024-06-26")).unwrap();
    assert_eq!((part.records.len(), part.horizon), (4, whole_day("2024-06-26").end()));
    let later = range("2024-07-01", "2024-07-02");
    let part = source.bars(aapl(), Timeframe::Minute1, later).unwrap();
    assert_eq!((part.records.len(), part.served(later)), (0, None));
}

#[test]
fn bad_or_absent_file_costs_its_date() {
    let (_folder, source) = week(|all| {
        all[1].1 = "<!DOCTYPE html>".to_owned();
        all[3].1 = bars_of("2024-06-26", &[59]);
        all.remove(2);
    });
    let part = source.bars(aapl(), Timeframe::Minute1, range("2024-06-24", "2024-06-28")).unwrap();
    assert_eq!((part.records.len(), part.defects.files), (4, 3));
    let expected = [
        (None, "1: column `time` is missing; the header must name time, open, high, low, close, volume"),
        (None, "no file of this date, which is between the first and the newest file"),
        (None, "2: time: 2024-06-26T14:59:00Z is not within 2024-06-27, the date of the file in New York"),
    ];
    assert_eq!(rejected(&part), expected);
    assert_eq!(part.defects.unknown.iter().collect::<Vec<_>>(), [range("2024-06-25", "2024-06-27")]);
}

#[test]
fn newest_file_that_is_bad_ends_the_series() {
    let (_folder, source) = week(|all| all[4].1 = "date\n".to_owned());
    let part = source.bars(aapl(), Timeframe::Minute1, range("2024-06-24", "2024-06-28")).unwrap();
    assert_eq!((part.records.len(), part.defects.files), (8, 1));
    assert_eq!(part.horizon, whole_day("2024-06-28").start());
}

#[test]
fn news_need_no_file_of_each_date() {
    let item = |date: &str| (format!("news/{date}/AAPL.csv"), format!("time,headline\n{date}T14:00:00Z,n\n"));
    let all = [item("2024-06-24"), item("2024-06-27")];
    let all: Vec<_> = all.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    let (folder, source) = files(&all, of_pattern(PATTERN));
    let part = source.news(aapl(), range("2024-06-24", "2024-06-28")).unwrap();
    assert_eq!((part.records.len(), part.defects.count()), (2, 0));
    assert_eq!(part.horizon, at("2024-06-27T14:00:00.000001Z"));
    let error = source.news(Symbol::constant("MSFT"), whole_day("2024-06-24")).unwrap_err();
    assert!(matches!(error, SourceError::UnknownSymbol { .. }), "{error:?}");
    std::fs::remove_dir_all(folder.path()).unwrap();
    let error = source.news(aapl(), whole_day("2024-06-24")).unwrap_err();
    assert!(matches!(error, SourceError::Transient { .. }), "{error:?}");
}

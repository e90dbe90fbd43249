//! The text at several widths.

use domain::calendar::day_open;
use domain::{DataType, Interval, Symbol, Timeframe};

use super::super::report::CoverageReport;
use super::super::svg;
use super::*;
use crate::history::{HeldBars, SeriesHistory, SymbolHistory};

fn date(text: &str) -> Date {
    text.parse().unwrap()
}

/// Two years of covered day bars, of which the first session has none, and a missing year between them.
fn report() -> CoverageReport {
    let mut series = SeriesHistory::default();
    let mut bars = HeldBars::new(Timeframe::Day1);
    for year in ["2022", "2024"] {
        let (first, end) = (date(&format!("{year}-01-03")), date(&format!("{year}-12-31")));
        series.covered.insert(Interval::new(day_open(first), day_open(end)).unwrap());
        let dates = std::iter::successors(first.tomorrow().ok(), |date| date.tomorrow().ok());
        for date in dates.take_while(|date| *date < end).filter(|date| domain::calendar::is_session(*date)) {
            bars.set(day_open(date), true);
        }
    }
    series.bars = Some(bars);
    let mut history = SymbolHistory::default();
    history.series.insert((DataType::MarketData, Some(Timeframe::Day1)), series);
    CoverageReport::new(Symbol::parse("AAPL").unwrap(), 3, history, (None, None))
}

#[test]
fn text_fits_into_the_columns() {
    let report = report();
    for columns in [40, 80, 200] {
        let text = text(&report, columns);
        let width_max = text.lines().map(|line| line.chars().count()).max().unwrap();
        assert!(width_max <= columns, "{width_max} of {columns}:\n{text}");
    }
    let wide = text(&report, 200);
    let bar = wide.lines().find(|line| line.starts_with("market_data 1day")).unwrap();
    assert_eq!(bar.chars().count(), NAME_COLUMNS + BAR_COLUMNS.1, "{wide}");
}

#[test]
fn missing_part_and_its_verdicts_are_shown() {
    let report = report();
    let text = text(&report, 80);
    let bar = text.lines().find(|line| line.starts_with("market_data 1day")).unwrap();
    let cells: String = bar.chars().skip(NAME_COLUMNS).collect();
    assert!(cells.starts_with('░') && cells.ends_with('█') && cells.contains('·'), "{cells}");
    assert!(text.contains("degraded 2") && text.contains("first missing: 2023-01-03"), "{text}");
    assert!(text.contains("confirmed empty 2"), "{text}");
}

#[test]
fn drawing_has_a_rectangle_for_each_run() {
    let svg = svg::drawing(&report());
    assert!(svg.contains("2023-01-03 to 2024-01-02: missing"), "{svg}");
    assert!(svg.contains("2024-01-03 to 2024-01-03: confirmed empty"), "{svg}");
}

#[test]
fn cell_shows_its_worst_session() {
    let of = |states: &[DayState]| {
        character(&states.iter().map(|state| (date("2024-01-03"), *state)).collect::<Vec<_>>())
    };
    assert_eq!(of(&[DayState::Held, DayState::Empty, DayState::Uncovered]), '░');
    assert_eq!(of(&[DayState::Held, DayState::Pending]), '~');
    assert_eq!(of(&[DayState::Held, DayState::Missing]), '▄');
    assert_eq!(of(&[DayState::Missing, DayState::Missing]), '·');
}

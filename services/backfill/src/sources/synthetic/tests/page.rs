//! The example of docs/sources/synthetic.md: the records of its configuration.

use std::fmt::Write;
use std::path::Path;

use crate::config::{BackfillConfig, SourceSection};

use super::*;

fn page() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/sources/synthetic.md");
    std::fs::read_to_string(path).unwrap()
}

/// Returns the section of the configuration on the page.
fn section(page: &str) -> SourceSection {
    let (_, toml) = page.split_once("```toml\n").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("backfill.toml");
    std::fs::write(&path, toml.split("```").next().unwrap()).unwrap();
    let loaded = chassis::config::load::<BackfillConfig>("BACKFILL", Some(&path), std::iter::empty());
    loaded.unwrap_or_else(|errors| panic!("{errors:?}")).source
}

/// Returns the records as rows: of this kind and symbol, from a time on until before another one, read at a time.
fn rows(source: &SourceSection, words: &[&str]) -> String {
    let [kind, name, start, end, now] = words else { panic!("{words:?}") };
    let market = SyntheticMarket::with(
        source.seed,
        source.synthetic.clone(),
        Arc::new(ManualClock::at(at(now).micros())),
    );
    let range = Interval::new(at(start), at(end)).unwrap();
    let mut text = String::new();
    let is_written = match *kind {
        "news" => {
            let news = market.news(symbol(name), range).unwrap().records;
            let mut row =
                |item: News| writeln!(text, "{},{},{:?}", item.time, item.headline, item.sentiment.unwrap());
            news.into_iter().try_for_each(&mut row)
        }
        "actions" => {
            let actions = market.actions(symbol(name), range).unwrap().records;
            let mut row = |item: Action| {
                writeln!(text, "{},{},{:?}", item.ex_date, item.kind.as_str(), item.ratio.unwrap())
            };
            actions.into_iter().try_for_each(&mut row)
        }
        timeframe => {
            let mut row = |bar: Bar| {
                let Bar { open_time, open, high, low, close, volume } = bar;
                writeln!(text, "{open_time},{open},{high},{low},{close},{volume}")
            };
            let bars = bars(&market, name, Timeframe::from_name(timeframe).unwrap(), range);
            bars.into_iter().try_for_each(&mut row)
        }
    };
    is_written.unwrap();
    text
}

#[test]
fn records_are_those_of_the_page() {
    let page = page();
    let source = section(&page);
    let blocks: Vec<&str> = page.split("```csv ").skip(1).collect();
    assert!(blocks.len() > 4, "{}", blocks.len());
    let mut found = String::new();
    let mut expected = String::new();
    for block in blocks {
        let (head, text) = block.split("```").next().unwrap().split_once('\n').unwrap();
        let rows = rows(&source, &head.split(' ').collect::<Vec<_>>());
        writeln!(found, "{head}\n{rows}").unwrap();
        writeln!(expected, "{head}\n{text}").unwrap();
    }
    assert!(found == expected, "the page has other records than\n{found}");
}

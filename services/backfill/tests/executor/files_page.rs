//! The examples of docs/sources/files.md: the executor over their files, with their configuration.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use backfill::config::BackfillConfig;
use backfill::sources::Files;
use chassis::ManualClock;
use contracts::{DataKind, RangeRequest};
use domain::Timestamp;
use serde_json::{Value, json};
use testkit::stage_bench::START_MICROS;

use crate::bench::{Bench, now, request};

const PAGE: &str = include_str!("../../../../docs/sources/files.md");

/// An example of the page.
struct Example {
    folder: tempfile::TempDir,
    bench: Bench,
    /// The end of the request on the page.
    end: Value,
}

/// Returns the blocks of the page whose first line begins with this word, as the rest of that line and the text.
fn blocks<'p>(section: &'p str, word: &str) -> Vec<(&'p str, &'p str)> {
    let opened = format!("```{word}");
    let of = |block: &'p str| {
        let (head, text) = block.split_once('\n')?;
        Some((head.trim(), text.split_once("```")?.0))
    };
    section.split(opened.as_str()).skip(1).filter_map(of).collect()
}

fn write(path: &Path, text: &str) {
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("a writable folder");
    let file = std::fs::File::create(path).expect("a writable folder");
    if path.extension().is_some_and(|extension| extension == "gz") {
        let mut encoder = flate2::write::GzEncoder::new(file, flate2::Compression::default());
        encoder.write_all(text.as_bytes()).expect("a writable file");
        encoder.finish().expect("a writable file");
    } else {
        let mut file = file;
        file.write_all(text.as_bytes()).expect("a writable file");
    }
}

fn example(title: &str) -> Example {
    let example = example_of(title, None);
    assert!(std::fs::read_dir(example.folder.path()).expect("a readable folder").count() > 1);
    example
}

/// An example with a file that is not on the page as text: its path, and its content.
fn example_of(title: &str, binary: Option<(&str, &[u8])>) -> Example {
    let (_, section) = PAGE.split_once(&format!("## Example: {title}\n")).expect("the example");
    let section = section.split("\n## ").next().unwrap_or_default();
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (path, text) in blocks(section, "csv ") {
        write(&folder.path().join(path), text);
    }
    if let Some((path, content)) = binary {
        assert!(section.contains(&format!("`{path}`")), "{path} is not on the page");
        write(&folder.path().join(path), "");
        std::fs::write(folder.path().join(path), content).expect("a writable file");
    }
    let in_folder = |text: &str| text.replace("FOLDER", &folder.path().display().to_string());
    let config = folder.path().join("backfill.toml");
    std::fs::write(&config, in_folder(blocks(section, "toml")[0].1)).expect("a writable folder");
    let loaded = chassis::config::load::<BackfillConfig>("BACKFILL", Some(&config), std::iter::empty());
    let section_of_source = loaded.unwrap_or_else(|errors| panic!("{errors:?}")).source;
    let clock = Arc::new(ManualClock::at(START_MICROS));
    let source = Files::new(&section_of_source, clock).expect("a valid pattern");
    let end = serde_json::from_str(&in_folder(blocks(section, "json")[0].1)).expect("JSON");
    Example { folder, bench: Bench::over(source), end }
}

impl Example {
    /// Fetches a range and compares its end with the page.
    fn fetch(&mut self, data_types: &[DataKind], start: &str, end: &str) {
        let at = |text: &str| Timestamp::parse(text).expect("a time").micros();
        let request = RangeRequest {
            layer: 1,
            data_types: data_types.to_vec(),
            start: at(start),
            end: at(end),
            ..request(1, "2024-06-26", "2024-06-28")
        };
        for time in [start, end] {
            assert!(PAGE.contains(time), "{time} is not on the page");
        }
        self.bench.hold(&request, now(0));
        self.bench.work_all(now(2));
        let [completed] = &self.bench.outputs.completed[..] else {
            panic!("{:?}", self.bench.outputs.failed)
        };
        let without_class = |error: &String| error.split_once(": ").map(|(_, text)| text.to_owned());
        let errors: Vec<_> = completed.errors.iter().filter_map(without_class).collect();
        let found = json!({
            "success": completed.success,
            "partial": completed.partial,
            "records": completed.records,
            "quality": completed.quality,
            "errors": errors,
        });
        assert_eq!(found, self.end, "{}", self.folder.path().display());
    }
}

#[test]
fn bars_of_two_timeframes_end_as_on_the_page() {
    let mut example = example("bars of two timeframes");
    example.fetch(&[DataKind::MarketData], "2024-06-26T04:00:00Z", "2024-06-28T15:00:00Z");
    let bars: Vec<_> =
        example.bench.outputs.bars.iter().map(|bar| (bar.timeframe.as_str(), bar.close)).collect();
    assert_eq!(
        bars,
        [("1day", 213.25), ("1day", 214.10), ("1day", 210.62), ("1hour", 214.58), ("1hour", 213.21)]
    );
}

#[test]
fn news_and_actions_end_as_on_the_page() {
    let mut example = example("news and corporate actions");
    let types = [DataKind::CorporateActions, DataKind::News];
    example.fetch(&types, "2024-06-26T04:00:00Z", "2024-06-28T16:00:00Z");
    let outputs = &example.bench.outputs;
    let headlines: Vec<_> = outputs.news.iter().map(|item| item.headline.as_str()).collect();
    let expected = ["Analyst: \"two new models\"", "App store terms change", "Shares end the month higher"];
    assert_eq!(headlines, expected);
    assert_eq!((outputs.actions[0].kind.as_str(), outputs.actions[0].amount), ("dividend", Some(0.25)));
    assert_eq!(outputs.actions[0].source, "files");
}

#[test]
fn parquet_ends_as_on_the_page() {
    let content = include_bytes!("../parquet/zstd.parquet");
    let mut example = example_of("Parquet", Some(("5min/AAPL.parquet", content)));
    example.fetch(&[DataKind::MarketData], "2024-06-28T13:30:00Z", "2024-06-28T13:50:00Z");
    let closes: Vec<f64> = example.bench.outputs.bars.iter().map(|bar| bar.close).collect();
    assert_eq!(closes, [214.58, 214.9, 213.5]);
}

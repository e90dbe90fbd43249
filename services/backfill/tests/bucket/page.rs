//! The example of a bucket in docs/sources/files.md.

use backfill::config::BackfillConfig;
use backfill::sources::Source;
use domain::{Interval, Timeframe};

use crate::server::{KEY_ID, SECRET};
use crate::{Bench, aapl, at};

const PAGE: &str = include_str!("../../../../docs/sources/files.md");

/// Returns the blocks of the example whose first line begins with this word, as the rest of that line and the text.
fn blocks(word: &str) -> Vec<(&'static str, &'static str)> {
    let (_, example) = PAGE.split_once("## Example: a bucket\n").expect("the example");
    let of = |block: &'static str| {
        let (head, text) = block.split_once('\n')?;
        Some((head.trim(), text.split_once("```")?.0))
    };
    example.split(&format!("```{word}")).skip(1).filter_map(of).collect()
}

#[test]
fn bucket_of_the_page_has_its_bars_and_errors() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("key_id"), KEY_ID).unwrap();
    std::fs::write(folder.path().join("secret"), SECRET).unwrap();
    let secrets = folder.path().display().to_string();
    let config = folder.path().join("backfill.toml");
    std::fs::write(&config, blocks("toml")[0].1.replace("/run/secrets/bucket", &secrets)).unwrap();
    let loaded = chassis::config::load::<BackfillConfig>("BACKFILL", Some(&config), std::iter::empty());
    let source = loaded.unwrap_or_else(|errors| panic!("{errors:?}")).source;
    let bench = Bench::with(|section| {
        let endpoint = section.endpoint.clone();
        *section = source;
        section.endpoint = endpoint;
    });
    let objects = blocks("csv ");
    assert_eq!(objects.len(), 2);
    for (key, text) in objects {
        bench.server.put(key, text, at("2024-07-01T00:00:00Z"));
    }
    let times = ["2024-06-26T04:00:00Z", "2024-06-29T04:00:00Z", "2024-06-28T13:30:00.000001Z"];
    assert!(times.iter().all(|time| PAGE.contains(time)));
    let range = Interval::new(at(times[0]), at(times[1])).unwrap();
    let part = bench.source.bars(aapl(), Timeframe::Minute1, range).unwrap();
    assert_eq!((part.records.len(), part.horizon), (2, at(times[2])));
    let rows: Vec<String> = part.defects.rows.iter().map(ToString::to_string).collect();
    assert_eq!(rows, [blocks("text")[0].1.trim()]);
}

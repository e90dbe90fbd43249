//! Parquet files in a folder.

use super::*;

const PATTERN: &str = "{data_type}/{timeframe}/all.parquet";

fn source(section: SourceSection, path: &str, content: &[u8]) -> (tempfile::TempDir, Files) {
    let (folder, source) = files(&[], section);
    let path = folder.path().join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, content).unwrap();
    (folder, source)
}

#[test]
fn news_of_all_symbols_may_have_line_breaks() {
    let content = include_bytes!("../../../../tests/parquet/news.parquet");
    let (_folder, source) = source(of_pattern(PATTERN), "news/all.parquet", content);
    let part = source.news(aapl(), whole_day("2024-06-28")).unwrap();
    let items: Vec<_> = part
        .records
        .iter()
        .map(|item| (item.headline.as_str(), item.url.as_deref(), item.sentiment))
        .collect();
    let url = Some("https://news.example/1");
    assert_eq!(items, [("two\nlines", url, None), ("blanks, \"quotes\" and é", None, Some(-0.25))]);
    assert_eq!((rejected(&part), part.horizon), (Vec::new(), at("2024-06-28T13:40:00.000001Z")));
}

#[test]
fn column_of_lists_is_named_with_its_type() {
    let content = include_bytes!("../../../../tests/parquet/plain.parquet");
    let section = SourceSection {
        columns: vec!["headline=note".to_owned()],
        ..of_pattern("{data_type}/{symbol}.parquet")
    };
    let (folder, source) = source(section, "news/AAPL.parquet", content);
    let error = source.news(aapl(), whole_day("2024-06-28")).unwrap_err();
    let path = folder.path().join("news/AAPL.parquet");
    let cause = "column `headline` has the type group, which is not read";
    assert_eq!(ErrorChain(&error).to_string(), format!("source files failed: {}: {cause}", path.display()));
    assert!(matches!(error, SourceError::Permanent { .. }), "{error:?}");
}

#[test]
fn file_without_its_end_is_being_written_for_ten_seconds() {
    let content = include_bytes!("../../../../tests/parquet/snappy.parquet");
    let (folder, source) =
        source(of_pattern("{timeframe}/{symbol}.parquet"), "5min/AAPL.parquet", &content[..1_000]);
    let path = folder.path().join("5min/AAPL.parquet");
    let changed_before = |seconds| {
        let file = std::fs::File::options().append(true).open(&path).unwrap();
        file.set_modified(UNIX_EPOCH + Duration::from_secs(NOW_SECONDS - seconds)).unwrap();
        source.bars(aapl(), Timeframe::Minute5, whole_day("2024-06-28"))
    };
    let error = changed_before(9).unwrap_err();
    assert!(matches!(error, SourceError::BeingWritten { .. }), "{error:?}");
    let text = "it is no whole Parquet file, and the file was changed less than 10 s ago";
    assert!(ErrorChain(&error).to_string().ends_with(text), "{error:?}");
    let error = changed_before(11).unwrap_err();
    assert!(matches!(error, SourceError::Permanent { .. }), "{error:?}");
    std::fs::write(&path, content).unwrap();
    assert_eq!(changed_before(1).unwrap().records.len(), 3, "a whole file is read at once");
}

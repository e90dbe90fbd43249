//! Memory of reading a Parquet file of the maximum size. The binary has one test, since it measures the process.
#![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use backfill::config::{ExecutorSection, SourceKind, SourceSection};
use backfill::sources::{Files, Source, memory_parts};
use chassis::ManualClock;
use domain::calendar::{Date, day_open};
use domain::{Interval, Symbol, Timestamp};
use integration::status_bytes;
use parquet::basic::Compression;
use parquet::data_type::{ByteArray, ByteArrayType, Int64Type};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;

/// Together just below the maximum of a file, 16 MiB: a larger one is rejected.
const GROUPS: usize = 42;
const GROUP_ROWS: usize = 100;
const HEADLINE_BYTES: usize = 3_950;

const SCHEMA: &str = "message news {
    required int64 time (TIMESTAMP(MICROS,true));
    required binary headline (UTF8);
}";

/// Writes a file whose headlines have all of its bytes, in characters that no codec makes much shorter. Group by group: freed memory would
/// hide that of the source.
fn write_headlines(path: &Path) {
    let schema = Arc::new(parse_message_type(SCHEMA).unwrap());
    let properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_dictionary_enabled(false)
        .set_statistics_enabled(EnabledStatistics::None)
        .build();
    let mut writer =
        SerializedFileWriter::new(File::create(path).unwrap(), schema, Arc::new(properties)).unwrap();
    let mut state = 1_u64;
    for _ in 0..GROUPS {
        let mut group = writer.next_row_group().unwrap();
        let mut times = group.next_column().unwrap().unwrap();
        times.typed::<Int64Type>().write_batch(&[1_719_581_400_000_000; GROUP_ROWS], None, None).unwrap();
        times.close().unwrap();
        let mut headlines = group.next_column().unwrap().unwrap();
        for _ in 0..GROUP_ROWS {
            let text = std::iter::repeat_with(|| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                b'!' + u8::try_from((state >> 33) % 94).unwrap()
            });
            let values = [ByteArray::from(text.take(HEADLINE_BYTES).collect::<Vec<u8>>())];
            headlines.typed::<ByteArrayType>().write_batch(&values, None, None).unwrap();
        }
        headlines.close().unwrap();
        group.close().unwrap();
    }
    writer.close().unwrap();
}

#[test]
fn file_of_maximum_size_uses_the_memory_that_is_summed() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("news")).unwrap();
    write_headlines(&folder.path().join("news/AAPL.parquet"));
    let executor = ExecutorSection { running_max: 1, workers_max: 1, ..ExecutorSection::default() };
    let summed: u64 = memory_parts(SourceKind::Files, &executor).iter().map(|part| part.bytes).sum();
    let section = SourceSection {
        kind: SourceKind::Files,
        folder: folder.path().to_path_buf(),
        path_pattern: "{data_type}/{symbol}.parquet".to_owned(),
        ..SourceSection::default()
    };
    let clock = Arc::new(ManualClock::at(Timestamp::from_micros(i64::MAX / 4).micros()));
    let source = Files::new(&section, clock).unwrap();
    let [start, end] = ["2024-06-28", "2024-06-29"].map(|text| day_open(text.parse::<Date>().unwrap()));
    let before = status_bytes("VmRSS").unwrap();
    let news = source.news(Symbol::constant("AAPL"), Interval::new(start, end).unwrap()).unwrap().records;
    let used = status_bytes("VmHWM").unwrap().saturating_sub(before);
    writeln!(std::io::stderr(), "{} news, {used} of {summed} bytes", news.len()).ok();
    assert_eq!(news.len(), GROUPS * GROUP_ROWS);
    assert!((summed / 3..=summed).contains(&used), "{used} of {summed} bytes");
}

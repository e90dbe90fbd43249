//! Files that are not whole, and files that declare more than they may have.

use parquet::data_type::{ByteArray, ByteArrayType, DoubleType, Int64Type};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;

use super::*;

const SCHEMA: &str = "message bars {
    optional int64 time (TIMESTAMP(MICROS,true));
    optional double open; optional double high; optional double low; optional double close;
    optional binary volume (UTF8);
}";

/// A file of rows that are all the same, of nulls if `volume` is `None`. Some bytes of it are many rows.
fn repeated(rows: usize, volume: Option<&str>) -> Vec<u8> {
    let schema = Arc::new(parse_message_type(SCHEMA).unwrap());
    let mut writer =
        SerializedFileWriter::new(Vec::new(), schema, Arc::new(WriterProperties::default())).unwrap();
    let mut group = writer.next_row_group().unwrap();
    let is_null = volume.is_none();
    let levels = vec![i16::from(!is_null); rows];
    let values = if is_null { 0 } else { rows };
    let mut column = group.next_column().unwrap().unwrap();
    let times = vec![1_719_581_400_000_000; values];
    column.typed::<Int64Type>().write_batch(&times, Some(&levels), None).unwrap();
    column.close().unwrap();
    for _ in 0..4 {
        let mut column = group.next_column().unwrap().unwrap();
        column.typed::<DoubleType>().write_batch(&vec![1.0; values], Some(&levels), None).unwrap();
        column.close().unwrap();
    }
    let mut column = group.next_column().unwrap().unwrap();
    let texts = vec![ByteArray::from(volume.unwrap_or_default()); values];
    column.typed::<ByteArrayType>().write_batch(&texts, Some(&levels), None).unwrap();
    column.close().unwrap();
    group.close().unwrap();
    writer.into_inner().unwrap()
}

#[test]
fn declared_sizes_and_rows_are_bounded_before_they_are_read() {
    let (_, snappy) = SNAPPY;
    let error = error_of(snappy, 700);
    assert!(
        error.starts_with("AAPL.parquet: ") && error.ends_with(" bytes, at most 700 are allowed"),
        "{error}"
    );
    let nulls = repeated(1_000_000, None);
    assert!(nulls.len() < 20_000, "{} bytes", nulls.len());
    assert_eq!(error_of(&nulls, BYTES_MAX), "AAPL.parquet: 8000000 bytes, at most 1048576 are allowed");
    let error = error_of(&repeated(3, None), BYTES_MAX);
    let row = |number| format!("{number}: time: `` is not a time, such as 2024-06-28T09:30:00-04:00");
    assert_eq!(error, format!("AAPL.parquet:{}; line {}; line {}", row(1), row(2), row(3)));
}

#[test]
fn text_of_a_dictionary_is_bounded_in_all_rows() {
    let long = "1".repeat(20_000);
    let file = repeated(100, Some(&long));
    assert!(file.len() < 50_000, "{} bytes", file.len());
    let error = error_of(&file, BYTES_MAX);
    assert!(error.ends_with(" bytes, at most 1048576 are allowed"), "{error}");
}

#[test]
fn part_of_a_file_is_no_valid_file() {
    let (_, snappy) = SNAPPY;
    for end in 0..snappy.len() {
        let error = error_of(&snappy[..end], BYTES_MAX);
        assert!(error.starts_with("AAPL.parquet: failed to read as Parquet: "), "{end}: {error}");
    }
}

#[test]
fn changed_byte_costs_the_file_at_most() {
    for (name, bytes) in [GZIP, POLARS] {
        for at in 0..bytes.len() {
            let mut changed = bytes.to_vec();
            changed[at] ^= 0x5a;
            let rows = parse(Path::new(name), changed, BYTES_MAX, &of_minutes(), Some(excerpt()));
            assert!(rows.map_or(0, |rows| rows.records.len()) <= 5, "byte {at}");
        }
    }
}

#[test]
fn footer_of_any_size_is_not_read() {
    let mut file = b"PAR1".to_vec();
    file.resize(2 << 20, 0);
    file.extend_from_slice(&(2_000_000_u32).to_le_bytes());
    file.extend_from_slice(b"PAR1");
    let error = error_of(&file, 16 << 20);
    assert!(error.ends_with("its footer has 2000000 bytes, at most 1048576 are allowed"), "{error}");
}

//! Memory of a source, as a part of the sum that is compared with the limit of the container at start.

use domain::Bar;
use hosting::Part;
use kit::SaturatingFrom;

use super::alpaca::{RECORD_BYTES_MAX, RESPONSE_BYTES_MAX};
use super::csv_file::{FILE_BYTES_MAX, LARGE_FILE_BYTES_MAX};
use crate::config::{ExecutorSection, SourceKind};

/// A file is in memory once as a whole, and once more if all of it is one row.
const FILE_COPIES: u64 = 2;

/// A file of any records is compressed and decompressed in memory, then as a whole and as rows; texts of news are in memory twice. Parquet
/// has pages instead of the decompressed file. The object of a bucket is in memory like a file.
const LARGE_FILE_COPIES: u64 = 4;

/// The bars of a chunk: at most 3,660 of 48 bytes, and the growth of their list.
const CHUNK_BYTES: u64 = 1 << 20;

/// A response is in memory once as a whole, and once more as rows.
const RESPONSE_COPIES: u64 = 2;

/// The records of a joined call are in memory with those of the other symbols, and once more for each chunk.
const RECORD_COPIES: u64 = 2;

/// The bytes of a bar of a chunk, with the growth of their list.
const BAR_BYTES: u64 = 2 * size_of::<Bar>() as u64;

/// Returns the memory of the bars of the largest chunk: a day has a bar, 24 or 1,440.
fn bars_bytes(executor: &ExecutorSection) -> u64 {
    let days = [
        (executor.day_bars_chunk_days, 1),
        (executor.hour_bars_chunk_days, 24),
        (executor.minute_bars_chunk_days, 1_440),
    ];
    let bars = days.map(|(days, bars_a_day)| u64::from(days) * bars_a_day).into_iter().max();
    bars.unwrap_or_default() * BAR_BYTES
}

/// Returns the memory of the files that are read at once, one by each worker with a fetch, and of the records of each running fetch. None without
/// a source.
#[must_use]
pub fn memory_parts(source: SourceKind, executor: &ExecutorSection) -> Vec<Part> {
    let fetches = u64::saturating_from(executor.running_max);
    let files = fetches.min(u64::saturating_from(executor.workers_max));
    let other_bytes = u64::saturating_from(RECORD_BYTES_MAX);
    match source {
        SourceKind::Csv => vec![
            Part {
                name: "bar files of executor.workers_max".to_owned(),
                bytes: files.saturating_mul(FILE_COPIES * FILE_BYTES_MAX),
            },
            Part {
                name: "bars of executor.running_max".to_owned(),
                bytes: fetches.saturating_mul(CHUNK_BYTES),
            },
        ],
        SourceKind::Files => vec![
            Part {
                name: "files of executor.workers_max".to_owned(),
                bytes: files.saturating_mul(LARGE_FILE_COPIES * LARGE_FILE_BYTES_MAX),
            },
            Part {
                name: "records of executor.running_max".to_owned(),
                bytes: fetches.saturating_mul(CHUNK_BYTES + bars_bytes(executor)),
            },
        ],
        SourceKind::Alpaca => vec![
            Part {
                name: "responses of executor.workers_max".to_owned(),
                bytes: files.saturating_mul(RESPONSE_COPIES * u64::saturating_from(RESPONSE_BYTES_MAX)),
            },
            Part {
                name: "records of executor.running_max".to_owned(),
                bytes: fetches.saturating_mul(RECORD_COPIES * bars_bytes(executor).max(other_bytes)),
            },
        ],
        SourceKind::Synthetic => vec![Part {
            name: "bars of executor.running_max".to_owned(),
            bytes: fetches.saturating_mul(bars_bytes(executor)),
        }],
        SourceKind::None => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_count_per_worker_and_bars_per_fetch() {
        let bytes = |running_max, workers_max| {
            let executor = ExecutorSection { running_max, workers_max, ..ExecutorSection::default() };
            memory_parts(SourceKind::Csv, &executor).iter().map(|part| part.bytes >> 20).collect::<Vec<_>>()
        };
        assert_eq!(bytes(3, 3), [48, 3]);
        assert_eq!(bytes(64, 3), [48, 64], "a fetch without a worker reads no file");
        assert_eq!(bytes(3, 64), [48, 3], "a worker without a fetch neither");
        let executor = ExecutorSection::default();
        let parts = memory_parts(SourceKind::Alpaca, &executor);
        let bytes: Vec<u64> = parts.iter().map(|part| part.bytes).collect();
        assert_eq!(bytes, [48 << 20, 12 << 20], "five days of minute bars are less than news may be");
        let executor = ExecutorSection { minute_bars_chunk_days: 20, ..executor };
        let bytes = memory_parts(SourceKind::Alpaca, &executor)[1].bytes;
        assert_eq!(bytes, 3 * 2 * 20 * 1_440 * 96, "of twenty days of minute bars");
        let executor = ExecutorSection::default();
        let parts = memory_parts(SourceKind::Files, &executor);
        let bytes: Vec<u64> = parts.iter().map(|part| part.bytes).collect();
        assert_eq!(bytes, [192 << 20, 3 * ((1 << 20) + 5 * 1_440 * 96)]);
        assert_eq!(memory_parts(SourceKind::Synthetic, &executor)[0].bytes, 3 * 5 * 1_440 * 96);
        assert!(memory_parts(SourceKind::None, &executor).is_empty());
    }
}

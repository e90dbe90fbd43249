//! Memory of the coverage table. The binary has one test, since it measures the process.
#![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

use backfill::rules::coverage::{Coverage, Size};
use backfill::rules::series::Series;
use chassis::memory::used_bytes;
use domain::{DataType, Interval, Symbol, Timeframe, Timestamp};

const PARTITIONS: i32 = 12;

const SYMBOLS: usize = 3_000;

fn series(number: usize) -> Series {
    let character = |unit: usize| char::from(b'A' + u8::try_from(number / unit % 26).unwrap());
    let symbol = Symbol::parse(&[676, 26, 1].map(character).iter().collect::<String>()).unwrap();
    Series { symbol, data_type: DataType::MarketData, timeframe: Some(Timeframe::Day1) }
}

fn used() -> usize {
    usize::try_from(used_bytes().unwrap()).unwrap()
}

#[test]
fn coverage_uses_at_most_the_memory_that_is_stated() {
    for (intervals, share) in [(1, 5), (9, 5)] {
        let mut coverage = Coverage::new();
        let before = used();
        for partition in 0..PARTITIONS {
            for number in 0..SYMBOLS {
                for start in 0..intervals {
                    let [start, end] = [10 * start, 10 * start + 5].map(Timestamp::from_micros);
                    coverage.add(partition, series(number), Interval::new(start, end).unwrap());
                }
            }
        }
        let used = used().saturating_sub(before);
        let series = SYMBOLS * usize::try_from(PARTITIONS).unwrap();
        let size = Size { series, intervals: series * usize::try_from(intervals).unwrap() };
        assert_eq!(coverage.size(), size);
        let stated = size.bytes_max();
        println!("{} bytes a series with {intervals} intervals, {} stated", used / series, stated / series);
        assert!((stated / share..=stated).contains(&used), "{used} bytes of {stated}");
    }
}

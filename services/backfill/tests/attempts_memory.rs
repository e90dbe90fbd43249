//! Memory of ended attempts. The binary has one test, since it measures the process.
#![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

use backfill::rules::attempts::{Attempt, Attempts, Identity};
use chassis::memory::used_bytes;
use domain::{DataType, Interval, Layer, Symbol, Timestamp};

const PARTITIONS: i32 = 12;

const ENDS: usize = 10_000;

#[test]
fn ended_attempts_use_at_most_the_memory_that_is_summed() {
    let mut attempts = Attempts::new(3_600_000_000, ENDS);
    let symbol = Symbol::parse("AAPL").unwrap();
    let before = used_bytes().unwrap();
    for partition in 0..PARTITIONS {
        // More than the bound.
        for number in 0..i64::try_from(ENDS + 1_000).unwrap() {
            let range =
                Interval::new(Timestamp::from_micros(number), Timestamp::from_micros(number + 1)).unwrap();
            let identity = Identity::new(symbol, Layer::Liquid, &[DataType::MarketData], range);
            let attempt = Attempt { backfill_id: number.unsigned_abs().into(), number: 1 };
            attempts.admit(partition, identity, attempt, Timestamp::from_micros(number));
            attempts.end(partition, identity, attempt, true, Timestamp::from_micros(number));
        }
    }
    let used = usize::try_from(used_bytes().unwrap().saturating_sub(before)).unwrap();
    let kept = ENDS * usize::try_from(PARTITIONS).unwrap();
    assert_eq!(attempts.held(), 2 * kept);
    let summed = kept * Attempts::END_BYTES_MAX;
    assert!((summed / 3..=summed).contains(&used), "{used} bytes of {summed}");
}

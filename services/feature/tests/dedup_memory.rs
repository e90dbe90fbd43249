//! Memory of the dedup window of requests. The binary has one test, since it measures the process.
#![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

use std::time::Duration;

use chassis::memory::used_bytes;
use domain::{FeatureSets, Symbol, Timeframe, Timestamp};
use feature::intake::{DedupKey, DedupWindow};

const KEYS: usize = 100_000;

#[test]
fn keys_use_at_most_the_memory_that_is_summed() {
    let mut window = DedupWindow::new(Duration::from_secs(60), KEYS);
    let symbol = Symbol::parse("AAPL").unwrap();
    let before = used_bytes().unwrap();
    for number in 0..i64::try_from(KEYS).unwrap() {
        let occurred_at = Timestamp::from_micros(number);
        let key = DedupKey { symbol, timeframe: Timeframe::Day1, sets: FeatureSets::default(), occurred_at };
        window.record(key, 5, &format!("01890a5d-ac96-774b-bcce-{number:012}"), Duration::ZERO);
    }
    let used = usize::try_from(used_bytes().unwrap().saturating_sub(before)).unwrap();
    assert_eq!((window.len(), window.evictions()), (KEYS, 0));
    let summed = KEYS * DedupWindow::KEY_BYTES_MAX;
    assert!((summed / 3..=summed).contains(&used), "{used} bytes of {summed}");
}

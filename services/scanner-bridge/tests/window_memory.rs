//! Memory of the bridge's dedup windows. The binary has one test, since it measures the process.
#![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

use chassis::memory::used_bytes;
use domain::{FeatureSet, FeatureSets, Priority, Symbol, Timestamp};
use scanner_bridge::rules::dedup::{Decision, Dedup, Occurrence};

const PARTITIONS: i32 = 12;

const WINDOWS: usize = 20_000;

fn symbol(number: usize) -> Symbol {
    let character = |unit: usize| char::from(b'A' + u8::try_from(number / unit % 26).unwrap());
    Symbol::parse(&[17_576, 676, 26, 1].map(character).iter().collect::<String>()).unwrap()
}

#[test]
fn windows_use_at_most_the_memory_that_is_summed() {
    let mut dedup = Dedup::new(3_600_000_000, WINDOWS);
    let sets: FeatureSets = FeatureSet::ALL.into_iter().collect();
    let before = used_bytes().unwrap();
    for partition in 0..PARTITIONS {
        // More than the bound.
        for number in 0..WINDOWS + 1_000 {
            let offset = i64::try_from(number).unwrap();
            let occurred_at = Timestamp::from_micros(offset);
            let occurrence =
                Occurrence { symbol: symbol(number), occurred_at, sets, priority: Priority::NORMAL };
            let decision = dedup.process(partition, offset, occurrence, occurred_at);
            assert!(matches!(decision, Decision::Pass { window: Some(_) }), "{decision:?}");
            dedup.announced(partition, occurrence.symbol, occurred_at, occurred_at);
        }
    }
    let used = usize::try_from(used_bytes().unwrap().saturating_sub(before)).unwrap();
    let kept = WINDOWS * usize::try_from(PARTITIONS).unwrap();
    assert_eq!(dedup.held(), kept);
    let summed = kept * Dedup::WINDOW_BYTES_MAX;
    assert!((summed / 3..=summed).contains(&used), "{used} bytes of {summed}");
}

//! Memory of the announcer's dedup windows. The binary has one test, since it measures the process.
#![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

use chassis::memory::used_bytes;
use domain::{Layer, Symbol, Timestamp};
use publisher::rules::announce::{Announcement, Announcer};

const PARTITIONS: i32 = 12;

const WINDOWS: usize = 20_000;

fn symbol(number: usize) -> Symbol {
    let character = |unit: usize| char::from(b'A' + u8::try_from(number / unit % 26).unwrap());
    Symbol::parse(&[17_576, 676, 26, 1].map(character).iter().collect::<String>()).unwrap()
}

#[test]
fn windows_use_at_most_the_memory_that_is_summed() {
    let mut announcer = Announcer::new(3_600_000_000, WINDOWS);
    let before = used_bytes().unwrap();
    for partition in 0..PARTITIONS {
        // More than the bound.
        for number in 0..WINDOWS + 1_000 {
            let announcement = Announcement::of(symbol(number), None, Layer::Liquid);
            let at = Timestamp::from_micros(i64::try_from(number).unwrap());
            announcer.process(partition, announcement, at, at);
        }
    }
    let used = usize::try_from(used_bytes().unwrap().saturating_sub(before)).unwrap();
    let kept = WINDOWS * usize::try_from(PARTITIONS).unwrap();
    assert_eq!(announcer.held(), kept);
    let summed = kept * Announcer::WINDOW_BYTES_MAX;
    assert!((summed / 3..=summed).contains(&used), "{used} bytes of {summed}");
}

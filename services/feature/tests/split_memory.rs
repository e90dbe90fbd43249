//! Memory of the table of splits. The binary has one test, since it measures the process.
#![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

use chassis::memory::used_bytes;
use domain::{Symbol, Timestamp};
use feature::rules::{Split, Splits};

const SPLITS: usize = 100_000;

/// The symbol of a number, which has four digits to the base of 26.
fn symbol(number: usize) -> Symbol {
    let digit = |index: u32| char::from(b'A' + u8::try_from(number / 26_usize.pow(index) % 26).unwrap());
    Symbol::parse(&(0..4).map(digit).collect::<String>()).unwrap()
}

#[test]
fn splits_use_at_most_the_memory_that_is_summed() {
    let mut splits = Splits::new(SPLITS);
    let before = used_bytes().unwrap();
    for number in 0..SPLITS {
        let from = Timestamp::from_micros(i64::try_from(number * 7_919 % SPLITS).unwrap());
        // A symbol with a single split has the most memory.
        splits.insert(symbol(number), Split { from, ratio: 2.0 });
    }
    let used = usize::try_from(used_bytes().unwrap().saturating_sub(before)).unwrap();
    assert_eq!((splits.len(), splits.evictions()), (SPLITS, 0));
    let summed = SPLITS * Splits::SPLIT_BYTES_MAX;
    assert!((summed / 3..=summed).contains(&used), "{used} bytes of {summed}");
}

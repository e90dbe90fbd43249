//! Memory of the bars in the bar table. The binary has one test, since it measures the process.
#![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

use chassis::memory::used_bytes;
use domain::{Bar, Symbol, Timeframe, Timestamp};
use feature::rules::History;

const SYMBOLS: usize = 600;

const KEPT: usize = 1_000;

/// One more than are kept, and than a series has space for: the oldest were removed.
const BARS: i64 = 1_200;

fn symbol(number: usize) -> Symbol {
    let character = |unit: usize| char::from(b'A' + u8::try_from(number / unit % 26).unwrap());
    Symbol::parse(&[676, 26, 1].map(character).iter().collect::<String>()).unwrap()
}

#[test]
fn series_use_at_most_the_memory_that_is_stated() {
    let mut history = History::new(300, KEPT - 300);
    let before = used_bytes().unwrap();
    // One series after another: the allocator keeps the lists that a series has outgrown for a while, and the next series uses them.
    for number in 0..SYMBOLS {
        for second in 0..BARS {
            let open_time = Timestamp::from_micros(second * 1_000_000);
            let bar = Bar { open_time, open: 1.0, high: 1.0, low: 1.0, close: 1.0, volume: 1.0 };
            history.insert(symbol(number), Timeframe::Minute1, bar);
        }
    }
    let used = usize::try_from(used_bytes().unwrap().saturating_sub(before)).unwrap();
    assert_eq!(history.series(), SYMBOLS);
    let stated = SYMBOLS * History::series_bytes_max(KEPT);
    println!("{} bytes a series, {} stated", used / SYMBOLS, stated / SYMBOLS);
    assert!((stated / 2..=stated).contains(&used), "{used} bytes of {stated}");
    assert!((used / 10 * 8..=stated).contains(&history.bytes()), "{} of {used} bytes", history.bytes());
}

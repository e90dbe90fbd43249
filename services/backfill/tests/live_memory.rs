//! Memory of live bars. The binary has one test, since it measures the process.
#![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

use std::io::Write;
use std::time::Duration;

use backfill::rules::live_bars::{LiveBars, LiveLimits};
use chassis::memory::used_bytes;
use domain::{Symbol, Timeframe, Timestamp};

const PARTITIONS: i32 = 12;

const SESSIONS: usize = 10_000;

fn symbol(number: usize) -> Symbol {
    let character = |unit: usize| char::from(b'A' + u8::try_from(number / unit % 26).unwrap());
    Symbol::parse(&[676, 26, 1].map(character).iter().collect::<String>()).unwrap()
}

#[test]
fn live_bars_use_at_most_the_memory_that_is_summed() {
    let back = Duration::from_secs(48 * 3_600);
    let mut live = LiveBars::new(LiveLimits { back, sessions_max: SESSIONS });
    let opening = Timestamp::parse("2024-07-09T13:30:00Z").unwrap();
    let before = used_bytes().unwrap();
    for partition in 0..PARTITIONS {
        for date in 0..2 {
            for number in 0..SESSIONS / 2 + 500 {
                for minute in [0, 389] {
                    let micros = (date * 1_440 + minute) * 60_000_000;
                    let open_time = opening.saturating_add_micros(micros);
                    live.add(partition, symbol(number), Timeframe::Minute1, open_time);
                }
            }
        }
    }
    let used = usize::try_from(used_bytes().unwrap().saturating_sub(before)).unwrap();
    assert_eq!(live.sessions(), SESSIONS * usize::try_from(PARTITIONS).unwrap());
    let summed = live.sessions() * LiveBars::SESSION_BYTES_MAX;
    writeln!(
        std::io::stderr(),
        "{} bytes a session, {} summed",
        used / live.sessions(),
        LiveBars::SESSION_BYTES_MAX
    )
    .ok();
    assert!((summed / 3..=summed).contains(&used), "{used} bytes of {summed}");
}

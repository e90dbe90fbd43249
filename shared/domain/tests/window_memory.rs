//! Memory of dedup windows. The binary has one test, since it measures the process.
#![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

use domain::{PartitionWindows, Timestamp};

const PARTITIONS: i32 = 12;
const WINDOWS: i64 = 20_000;
const HOUR_MICROS: i64 = 3_600_000_000;

type Windows = PartitionWindows<u64, [u8; 43]>;

#[test]
fn windows_use_at_most_the_memory_that_is_summed() {
    let mut windows = Windows::new(60_000_000, usize::try_from(WINDOWS).unwrap());
    let before = resident_bytes();
    // The later occurrence of each key replaces its window: the log of announcements keeps the old ones for a while.
    for hour in 0..2 {
        for (partition, key) in
            (0..PARTITIONS).flat_map(|partition| (0..WINDOWS).map(move |key| (partition, key)))
        {
            let at = Timestamp::from_micros(hour * HOUR_MICROS + key);
            let id = u64::try_from(partition).unwrap() << 32 | u64::try_from(key).unwrap();
            windows.of(partition).open(id, at, [1; 43], at);
        }
    }
    let used = resident_bytes().saturating_sub(before);
    let all = usize::try_from(PARTITIONS).unwrap() * usize::try_from(WINDOWS).unwrap();
    assert_eq!((windows.len(), windows.evicted_by_bound()), (all, 0));
    let summed = all * Windows::WINDOW_BYTES_MAX;
    assert!((summed / 3..=summed).contains(&used), "{used} bytes of {summed} for {all} windows");
}

fn resident_bytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.split_whitespace().next().unwrap().parse::<usize>().unwrap() * 1_024
}

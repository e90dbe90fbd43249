//! Time and memory per dedup window, for 1 thousand to 1 million keys: `cargo run --release -p domain --example window_cost`.
#![expect(clippy::print_stdout, reason = "the program prints its result")]

use std::time::Instant;

use domain::{DedupWindows, Timestamp};

/// Operations per size. The resolution of the clock has no influence on the mean.
const OPERATIONS: u64 = 2_000_000;

fn main() {
    for keys in [1_000_u64, 100_000, 1_000_000] {
        let before_kib = resident_kib();
        let mut windows: DedupWindows<u64, ()> = DedupWindows::new(60_000_000, 2_000_000);
        for key in 0..keys {
            windows.observe(spread(key), at(0));
            windows.open(spread(key), at(0), (), at(0));
        }
        let bytes = resident_kib().saturating_sub(before_kib) * 1_024;
        let begun = Instant::now();
        let mut inside = 0_u64;
        for operation in 0..OPERATIONS {
            let observed = windows.observe(spread(operation % keys), at(1));
            inside += u64::from(matches!(observed, domain::Observation::Inside { .. }));
        }
        let nanos = begun.elapsed().as_nanos() / u128::from(OPERATIONS);
        let found = inside * 100 / OPERATIONS;
        println!(
            "{keys:>9} keys: {nanos:>4} ns an observation, {:>4} bytes a key, {found} % of duplicates found",
            bytes / keys
        );
    }
}

/// Distributes keys like hashes of symbols.
fn spread(key: u64) -> u64 {
    key.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_micros(seconds * 1_000_000)
}

/// Returns the resident memory on Linux, otherwise 0.
fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

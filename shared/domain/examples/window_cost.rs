//! Cost per dedup window, for 1 thousand to 1 million keys: `cargo run --release -p domain --example window_cost`.
//!
//! It prints the time of a look-up and the memory of a key. With valgrind installed, `-- instructions` prints the instructions of an
//! insertion, a look-up and an expiry, which do not depend on the machine's load: the program runs itself under callgrind.
#![expect(clippy::print_stdout, reason = "the program prints its result")]

use std::process::Command;
use std::time::Instant;

use domain::{DedupWindows, Timestamp};

/// Look-ups per size. The resolution of the clock has no influence on the mean.
const LOOK_UPS: u64 = 2_000_000;

const SIZES: [u64; 3] = [1_000, 100_000, 1_000_000];

const WINDOW_MICROS: i64 = 60_000_000;

type Windows = DedupWindows<u64, ()>;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => SIZES.into_iter().for_each(print_time_and_memory),
        ["instructions"] => print_instructions(),
        [operation, keys] => run(operation, keys.parse().expect("a number of keys")),
        _ => panic!("usage: window_cost [instructions]"),
    }
}

fn print_time_and_memory(keys: u64) {
    let before_kib = resident_kib();
    let mut windows = filled(keys);
    let bytes = resident_kib().saturating_sub(before_kib) * 1_024;
    let begun = Instant::now();
    let found = look_up(&mut windows, keys, LOOK_UPS) * 100 / LOOK_UPS;
    let nanos = begun.elapsed().as_nanos() / u128::from(LOOK_UPS);
    println!(
        "{keys:>9} keys: {nanos:>4} ns a look-up, {:>4} bytes a key, {found} % of duplicates found",
        bytes / keys
    );
}

/// Prints the instructions per operation. Each operation runs as often as there are keys.
fn print_instructions() {
    let program = std::env::current_exe().expect("the path of this program");
    for operation in ["insert", "look_up", "expire"] {
        for keys in SIZES {
            let output = Command::new("valgrind")
                .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
                .arg(format!("--toggle-collect=window_cost::{operation}"))
                .arg(&program)
                .args([operation, &keys.to_string()])
                .output()
                .expect("valgrind is installed");
            let report = String::from_utf8_lossy(&output.stderr);
            let collected = report.lines().find_map(|line| line.split_once("Collected : ")?.1.parse().ok());
            let collected: u64 = collected.unwrap_or_else(|| panic!("no count in {report}"));
            println!("{operation:>8}, {keys:>9} keys: {:>5} instructions", collected / keys);
        }
    }
}

/// Runs one operation for each of the keys, in a function of its name.
fn run(operation: &str, keys: u64) {
    match operation {
        "insert" => insert(&mut empty(), keys),
        "look_up" => assert_eq!(look_up(&mut filled(keys), keys, keys), keys),
        "expire" => {
            let mut windows = filled(keys);
            expire(&mut windows, keys);
            assert!(windows.is_empty());
        }
        _ => panic!("unknown operation {operation}"),
    }
}

/// Observes and opens a window for each key, announced 1 µs apart.
#[inline(never)]
fn insert(windows: &mut Windows, keys: u64) {
    for key in 0..keys {
        windows.observe(spread(key), at(0));
        windows.open(spread(key), at(0), (), announced(key));
    }
}

#[inline(never)]
fn look_up(windows: &mut Windows, keys: u64, operations: u64) -> u64 {
    let mut inside = 0;
    for operation in 0..operations {
        let observed = windows.observe(spread(operation % keys), at(1));
        inside += u64::from(matches!(observed, domain::Observation::Inside { .. }));
    }
    inside
}

/// Expires the windows one by one, as the clock passes their ends.
#[inline(never)]
fn expire(windows: &mut Windows, keys: u64) {
    for key in 0..keys {
        windows.expire(announced(key).saturating_add_micros(WINDOW_MICROS + domain::window::SLACK_MICROS));
    }
}

fn empty() -> Windows {
    DedupWindows::new(WINDOW_MICROS, 2_000_000)
}

fn filled(keys: u64) -> Windows {
    let mut windows = empty();
    insert(&mut windows, keys);
    windows
}

/// Distributes keys like hashes of symbols.
fn spread(key: u64) -> u64 {
    key.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_micros(seconds * 1_000_000)
}

fn announced(key: u64) -> Timestamp {
    Timestamp::from_micros(i64::try_from(key).expect("few keys"))
}

/// Returns the resident memory on Linux, otherwise 0.
fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

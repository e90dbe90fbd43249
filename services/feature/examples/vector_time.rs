//! Measures the computation time of a vector of all built sets over 300 bars:
//! `cargo run --release -p feature --example vector_time`.
#![expect(clippy::print_stdout, reason = "the program prints its result")]

use std::time::Instant;

use domain::{Bar, FeatureSet, Timeframe, Timestamp};
use feature::rules::{Window, compute, is_built};

const ROUNDS: u32 = 2_000;

fn main() {
    let bars: Vec<Bar> = (0..300_u16)
        .map(|day| {
            let price = 100.0 + 10.0 * (f64::from(day) * 0.7).sin();
            let open_time = Timestamp::from_micros(i64::from(day) * 86_400_000_000);
            Bar {
                open_time,
                open: price,
                high: price + 1.0,
                low: price - 0.8,
                close: price + 0.3,
                volume: 1e6,
            }
        })
        .collect();
    let sets: Vec<FeatureSet> = FeatureSet::ALL.into_iter().filter(|set| is_built(*set)).collect();
    let started = Instant::now();
    let mut values = 0;
    for _ in 0..ROUNDS {
        let window = Window::new(Timeframe::Day1, &bars);
        values = sets.iter().map(|set| compute(*set, &window).values.len()).sum();
    }
    println!("{} sets, {values} values: {:?} a vector", sets.len(), started.elapsed() / ROUNDS);
}

//! Measures the computation time of a vector of all built sets over 300 bars, and the time in which the stage copies and adjusts the bars:
//! `cargo run --release -p feature --example vector_time`.
#![expect(clippy::print_stdout, reason = "the program prints its result")]

use std::hint::black_box;
use std::time::Instant;

use domain::{Bar, FeatureSet, Timeframe, Timestamp};
use feature::rules::{Mismatches, Split, Window, adjust, compute, is_built};

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
    let split = Split { from: bars[200].open_time, ratio: 2.0 };
    for (name, splits) in [("no split", &[][..]), ("a split", &[split][..])] {
        print_adjustment(name, &bars, splits);
    }
}

/// Prints the time of the copy alone, and of the copy with the search of mismatches and the adjustment.
fn print_adjustment(name: &str, bars: &[Bar], splits: &[Split]) {
    let started = Instant::now();
    for _ in 0..ROUNDS {
        black_box(black_box(bars).to_vec());
    }
    let copied = started.elapsed() / ROUNDS;
    let started = Instant::now();
    for _ in 0..ROUNDS {
        let (bars, splits) = (black_box(bars), black_box(splits));
        black_box(Mismatches::of(bars, splits));
        let mut window = bars.to_vec();
        adjust(&mut window, splits, bars[bars.len() - 1].open_time);
        black_box(window);
    }
    println!("{name}: copied in {copied:?}, copied and adjusted in {:?}", started.elapsed() / ROUNDS);
}

//! Requests that compare a symbol with the benchmarks.

use kafka_io::Unavailable;

use super::*;
use crate::metric_names::SKIPPED_BENCHMARK_BARS;

fn comparing(id: &str, day: i8) -> FeatureRequest {
    FeatureRequest { feature_sets: vec!["relative_strength".into()], ..request(id, day, 5) }
}

impl Bench {
    fn partition_of(&self, symbol: &str) -> i32 {
        self.wire.partition_of(symbol)
    }

    fn apply_global(&mut self, record: &OutRecord) -> Result<TableRecord, Unavailable> {
        self.stage.table_record(TableScope::Global, &StoredRecord::new(record).as_input())
    }

    fn benchmark(&mut self, symbol: &str, days: std::ops::RangeInclusive<i8>) {
        for day in days {
            let record = self.wire.write(&bar(symbol, day), None).unwrap();
            assert_eq!(self.apply_global(&record), Ok(TableRecord::Taken));
        }
    }

    /// Completes the first job and returns the reason of the comparing set in its vector.
    fn reason(&mut self) -> String {
        let jobs = self.take_jobs();
        self.complete(compute(&jobs[0]), now(2));
        let outputs = self.outputs();
        let vector: Vector = self.decode(&outputs[0]);
        vector.sets["relative_strength"].reason.clone().unwrap()
    }
}

#[test]
fn request_waits_for_benchmarks_and_is_not_overtaken() {
    let mut bench = Bench::new();
    let spy = bench.partition_of("SPY");
    assert!(bench.stage.globals().contains(&(Topic::BarClosed, spy)));
    bench.bars(1..=8);
    bench.stage.table_end(TableScope::Global, Topic::BarClosed, spy, 9);
    bench.hold(&comparing("compares", 8), now(0));
    bench.hold(&request("plain", 8, 5), now(0));
    assert!(bench.take_jobs().is_empty(), "no benchmark bar is read yet");

    bench.benchmark("SPY", 1..=9);
    bench.stage.table_position(TableScope::Global, Topic::BarClosed, spy, 8);
    bench.tick(now(1));
    assert!(bench.take_jobs().is_empty(), "one bar is missing");
    bench.stage.table_position(TableScope::Global, Topic::BarClosed, spy, 9);
    bench.tick(now(1));
    let reason = "253 bars in common with SPY needed, 8 held; no bars of QQQ; no bars of IWM";
    assert_eq!(bench.reason(), reason);
}

#[test]
fn symbol_with_old_bars_is_compared_up_to_its_newest() {
    let mut bench = Bench::with(Limits { history_bars: 4, slack_bars: 10, ..LIMITS });
    bench.bars(1..=3);
    bench.benchmark("SPY", 1..=9);
    bench.hold(&comparing("r", 9), now(0));
    let reason = "253 bars in common with SPY needed, 3 held; no bars of QQQ; no bars of IWM";
    assert_eq!(bench.reason(), reason);
}

#[test]
fn jobs_share_benchmarks_until_a_new_bar() {
    let mut bench = holding(2, Limits { worker_symbols_max: 10, ..LIMITS });
    let jobs = bench.take_jobs();
    assert!(Arc::ptr_eq(&jobs[0].benchmarks, &jobs[1].benchmarks));
    bench.benchmark("SPY", 1..=1);
    let mut third = request("third", 5, 5);
    third.symbols[0].occurred_at += 1;
    bench.hold(&third, now(0));
    assert_ne!(bench.take_jobs()[0].benchmarks, jobs[0].benchmarks);
}

#[test]
fn stale_benchmark_is_named_with_its_newest_date() {
    let mut bench = Bench::new();
    bench.bars(1..=8);
    bench.benchmark("SPY", 1..=5);
    bench.benchmark("QQQ", 9..=9);
    bench.hold(&comparing("r", 8), now(0));
    // Bars of QQQ exist only after the symbol's newest bar.
    let reason = "the newest bar of SPY is of 2024-07-05; no bars of QQQ; no bars of IWM";
    assert_eq!(bench.reason(), reason);
}

#[test]
fn invalid_benchmark_bar_is_counted_other_symbols_are_not() {
    let mut bench = Bench::new();
    let mut record = bench.wire.write(&bar("SPY", 1), None).unwrap();
    record.payload = b"no bar".to_vec();
    assert_eq!(bench.apply_global(&record), Ok(TableRecord::Skipped));
    record.key = b"AAPL|1day|0".to_vec();
    assert_eq!(bench.apply_global(&record), Ok(TableRecord::Taken));
    assert_eq!(bench.note(SKIPPED_BENCHMARK_BARS.name), 1);
}

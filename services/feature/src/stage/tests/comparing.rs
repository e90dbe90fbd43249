//! Requests that compare a symbol with the benchmarks.

use super::*;

fn comparing(id: &str, day: i8) -> FeatureRequest {
    FeatureRequest { feature_sets: vec!["relative_strength".into()], ..request(id, day, 5) }
}

impl Bench {
    fn partition_of(&self, symbol: &str) -> i32 {
        self.wire.partition_of(symbol)
    }

    fn benchmark(&mut self, symbol: &str, days: std::ops::RangeInclusive<i8>) {
        for day in days {
            let record = self.wire.write(&bar(symbol, day), None).unwrap();
            assert_eq!(
                self.stage.table_record(TableScope::Global, &record_of(&record, 0)),
                Ok(TableRecord::Taken)
            );
        }
    }

    /// The reason of the comparing set in the one vector that there is.
    fn reason(&mut self) -> String {
        let jobs = self.take_jobs();
        self.stage.completed(compute(&jobs[0]), now(2), &mut self.effects);
        let outputs = self.outputs();
        let vector: Vector = self.read(&outputs[0]);
        vector.sets["relative_strength"].reason.clone().unwrap()
    }
}

#[test]
fn a_request_waits_for_the_benchmarks_and_none_behind_it_overtakes_it() {
    let mut bench = Bench::new();
    let spy = bench.partition_of("SPY");
    assert!(bench.stage.globals().contains(&(Topic::BarClosed, spy)));
    bench.bars(1..=8);
    bench.stage.table_end(TableScope::Global, Topic::BarClosed, spy, 9);
    assert!(matches!(bench.request(&comparing("compares", 8), now(0)), Verdict::Hold));
    assert!(matches!(bench.request(&request("plain", 8, 5), now(0)), Verdict::Hold));
    assert!(bench.take_jobs().is_empty(), "nothing is read yet");

    bench.benchmark("SPY", 1..=9);
    bench.stage.table_position(TableScope::Global, Topic::BarClosed, spy, 8);
    bench.stage.tick(now(1), &mut bench.effects);
    assert!(bench.take_jobs().is_empty(), "one bar is missing");
    bench.stage.table_position(TableScope::Global, Topic::BarClosed, spy, 9);
    bench.stage.tick(now(1), &mut bench.effects);
    let reason = "253 bars in common with SPY needed, 8 held; no bars of QQQ; no bars of IWM";
    assert_eq!(bench.reason(), reason);
}

#[test]
fn a_symbol_whose_newest_bar_is_old_is_compared_up_to_there() {
    let mut bench = Bench::with(Limits { history_bars: 4, slack_bars: 10, ..LIMITS });
    bench.bars(1..=3);
    bench.benchmark("SPY", 1..=9);
    assert!(matches!(bench.request(&comparing("r", 9), now(0)), Verdict::Hold));
    let reason = "253 bars in common with SPY needed, 3 held; no bars of QQQ; no bars of IWM";
    assert_eq!(bench.reason(), reason);
}

#[test]
fn jobs_share_what_is_known_of_the_benchmarks_until_a_bar_changes_it() {
    let mut bench = holding(2, Limits { in_hand_symbols: 10, ..LIMITS });
    let jobs = bench.take_jobs();
    assert!(Arc::ptr_eq(&jobs[0].benchmarks, &jobs[1].benchmarks));
    bench.benchmark("SPY", 1..=1);
    let mut third = request("third", 5, 5);
    third.symbols[0].occurred_at += 1;
    assert!(matches!(bench.request(&third, now(0)), Verdict::Hold));
    assert_ne!(bench.take_jobs()[0].benchmarks, jobs[0].benchmarks);
}

#[test]
fn a_benchmark_that_lacks_the_newest_bar_says_of_when_its_newest_is() {
    let mut bench = Bench::new();
    bench.bars(1..=8);
    bench.benchmark("SPY", 1..=5);
    bench.benchmark("QQQ", 9..=9);
    assert!(matches!(bench.request(&comparing("r", 8), now(0)), Verdict::Hold));
    // What is of later says nothing.
    let reason = "the newest bar of SPY is of 2024-07-05; no bars of QQQ; no bars of IWM";
    assert_eq!(bench.reason(), reason);
}

#[test]
fn of_a_global_partition_other_symbols_are_left_unread_and_a_benchmark_that_is_no_bar_is_counted() {
    let mut bench = Bench::new();
    let mut record = bench.wire.write(&bar("SPY", 1), None).unwrap();
    record.payload = b"no bar".to_vec();
    assert_eq!(
        bench.stage.table_record(TableScope::Global, &record_of(&record, 0)),
        Ok(TableRecord::Skipped)
    );
    record.key = b"AAPL|1day|0".to_vec();
    assert_eq!(bench.stage.table_record(TableScope::Global, &record_of(&record, 1)), Ok(TableRecord::Taken));
    let notes = bench.stage.notes();
    assert_eq!(notes.iter().find(|note| note.name == "skipped_benchmark_bars").unwrap().value, 1);
}

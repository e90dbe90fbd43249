//! Splits of symbols and benchmarks, from the table of corporate actions.

use contracts::CorporateAction;
use kafka_io::Unavailable;

use super::*;
use crate::metric_names::{SKIPPED_ACTIONS, SKIPPED_BENCHMARK_ACTIONS, SPLIT_EVICTIONS};

/// An action of a day in July 2024. Its source announced it in June.
fn action(symbol: &str, day: i8, ratio: f64) -> CorporateAction {
    let since_1970 =
        calendar::Date::constant(2024, 7, day).duration_since(calendar::Date::constant(1970, 1, 1));
    CorporateAction {
        event_id: contracts::ids::event_id(),
        occurred_at: START_MICROS,
        source: "test".into(),
        correlation_id: None,
        symbol: symbol.into(),
        time: START_MICROS,
        kind: "split".into(),
        ratio: Some(ratio),
        amount: None,
        ex_date: i32::try_from(since_1970.as_hours() / 24).unwrap(),
    }
}

impl Bench {
    fn action(&mut self, scope: TableScope, action: &CorporateAction) -> Result<TableRecord, Unavailable> {
        let record = self.wire.write(action, None).unwrap();
        self.stage.table_record(scope, &StoredRecord::new(&record).as_input())
    }

    fn split(&mut self, day: i8, ratio: f64) {
        assert_eq!(
            self.action(TableScope::CoPartitioned, &action("AAPL", day, ratio)),
            Ok(TableRecord::Taken)
        );
    }

    /// Adds a day bar of July 2024 at this price.
    fn price(&mut self, scope: TableScope, symbol: &str, day: i8, price: f64) {
        let bar = ClosedBar { open: price, high: price, low: price, close: price, ..bar(symbol, day) };
        let record = self.wire.write(&bar, None).unwrap();
        assert_eq!(
            self.stage.table_record(scope, &StoredRecord::new(&record).as_input()),
            Ok(TableRecord::Taken)
        );
    }

    fn prices(&mut self, prices: &[(i8, f64)]) {
        for (day, price) in prices {
            self.price(TableScope::CoPartitioned, "AAPL", *day, *price);
        }
    }

    /// Computes the vector of a request as of the close of a day. Returns the closes of its window, and the reason of its prices.
    fn window(&mut self, day: i8) -> (Vec<f64>, String) {
        let mut request = request("r", day, 5);
        // Other requests of the day are no duplicates.
        request.symbols[0].occurred_at += 1 + self.bench.last_offset();
        self.hold(&request, now(0));
        let jobs = self.take_jobs();
        let closes = jobs[0].symbols[0].bars.iter().map(|bar| bar.close).collect();
        self.complete(compute(&jobs[0]), now(1));
        let outputs = self.outputs();
        let vector: Vector = self.decode(&outputs[0]);
        (closes, vector.sets["price_features"].reason.clone().unwrap_or_default())
    }

    fn closes_of(&mut self, day: i8) -> Vec<f64> {
        self.window(day).0
    }
}

/// The prices of a split of 4 on 9 July, 2024, a Tuesday.
const SPLIT_ON_9: [(i8, f64); 4] = [(5, 400.0), (8, 408.0), (9, 103.0), (10, 104.0)];

#[test]
fn split_is_adjusted_whenever_it_is_announced() {
    for bars_first in [true, false] {
        let mut bench = Bench::new();
        if bars_first {
            bench.prices(&SPLIT_ON_9);
            let (closes, reason) = bench.window(10);
            assert_eq!(closes, [400.0, 408.0, 103.0, 104.0]);
            let start =
                "price moves like a split on 2024-07-09 (factor 0.2525), and no such split is known; ";
            assert!(reason.starts_with(start), "{reason}");
            assert_eq!(bench.sets("computed", "unannounced_split"), "1");
        }
        bench.split(9, 4.0);
        if !bars_first {
            bench.prices(&SPLIT_ON_9);
        }
        let (closes, reason) = bench.window(10);
        assert_eq!(closes, [100.0, 102.0, 103.0, 104.0]);
        assert_eq!(reason, "50 bars needed, 4 held");
        // In force from the session of the ex-date, and not for an earlier vector.
        assert_eq!(bench.closes_of(9), [100.0, 102.0, 103.0]);
        assert_eq!(bench.closes_of(8), [400.0, 408.0]);
        // The table has the bars as they were received.
        assert_eq!(bench.closes(), [400.0, 408.0, 103.0, 104.0]);
    }
}

#[test]
fn split_of_two_sources_is_one_split() {
    let mut bench = Bench::new();
    bench.prices(&SPLIT_ON_9);
    bench.split(9, 4.0);
    let other = CorporateAction { source: "other".into(), ..action("AAPL", 9, 4.0) };
    assert_eq!(bench.action(TableScope::CoPartitioned, &other), Ok(TableRecord::Taken));
    assert_eq!(bench.closes_of(10), [100.0, 102.0, 103.0, 104.0]);
}

#[test]
fn withdrawn_and_moved_splits_count_no_more() {
    let mut bench = Bench::new();
    bench.prices(&SPLIT_ON_9);
    bench.split(8, 4.0);
    let (closes, reason) = bench.window(8);
    assert_eq!(closes, [100.0, 408.0]);
    assert!(reason.starts_with("price does not move with the split of 4 on 2024-07-08; "), "{reason}");
    assert_eq!(bench.sets("computed", "unconfirmed_split"), "1");
    bench.split(9, 4.0);
    bench.split(8, 1.0);
    assert_eq!(bench.closes_of(10), [100.0, 102.0, 103.0, 104.0]);
    bench.split(9, 1.0);
    assert_eq!(bench.closes_of(10), [400.0, 408.0, 103.0, 104.0]);
}

#[test]
fn several_splits_within_a_window_are_multiplied() {
    let mut bench = Bench::new();
    // 6 July is a Saturday: the split counts from Monday, 8 July, on.
    bench.prices(&[(3, 60.0), (5, 60.0), (8, 20.0), (9, 200.0), (10, 100.0)]);
    for (day, ratio) in [(6, 3.0), (10, 2.0), (9, 0.1)] {
        bench.split(day, ratio);
    }
    assert_eq!(bench.closes_of(5), [60.0, 60.0]);
    assert_eq!(bench.closes_of(8), [20.0, 20.0, 20.0]);
    let expected = [60.0 / (3.0 * 0.1 * 2.0), 60.0 / (3.0 * 0.1 * 2.0), 20.0 / (0.1 * 2.0), 100.0, 100.0];
    assert_eq!(bench.window(10), (expected.to_vec(), "50 bars needed, 5 held".to_owned()));
}

#[test]
fn earlier_days_of_a_minute_vector_are_adjusted() {
    let mut bench = Bench::new();
    bench.prices(&SPLIT_ON_9[..2]);
    bench.split(9, 4.0);
    let open_time = calendar::session_close(calendar::Date::constant(2024, 7, 9)).micros() - 60_000_000;
    let minute = ClosedBar { timeframe: "1min".into(), open_time, ..bar("AAPL", 9) };
    let record = bench.wire.write(&minute, None).unwrap();
    bench.stage.table_record(TableScope::CoPartitioned, &StoredRecord::new(&record).as_input()).unwrap();
    let sets = vec!["support_resistance".into()];
    bench
        .hold(&FeatureRequest { feature_sets: sets, timeframe: "1min".into(), ..request("r", 9, 5) }, now(0));
    let jobs = bench.take_jobs();
    bench.complete(compute(&jobs[0]), now(1));
    let outputs = bench.outputs();
    let vector: Vector = bench.decode(&outputs[0]);
    assert_eq!(vector.sets["support_resistance"].values["pivot"], 102.0);
}

#[test]
fn benchmarks_are_adjusted_by_their_splits() {
    let mut bench = Bench::with(Limits { history_bars: 30, ..LIMITS });
    let spy = (Topic::CorporateActionAnnounced, bench.wire.partition_of("SPY"));
    assert!(bench.stage.globals().contains(&spy));
    for back in 0..25_i64 {
        let open_time =
            calendar::day_open(calendar::Date::constant(2024, 7, 10)).micros() - back * 86_400_000_000;
        for (scope, symbol, price) in [
            (TableScope::CoPartitioned, "AAPL", 100.0),
            (TableScope::Global, "SPY", if back > 5 { 300.0 } else { 100.0 }),
        ] {
            let bar = ClosedBar { open: price, high: price, low: price, close: price, ..bar(symbol, 1) };
            let record = bench.wire.write(&ClosedBar { open_time, ..bar }, None).unwrap();
            bench.stage.table_record(scope, &StoredRecord::new(&record).as_input()).unwrap();
        }
    }
    let relative = |bench: &mut Bench, id: &str| {
        let mut request =
            FeatureRequest { feature_sets: vec!["relative_strength".into()], ..request(id, 10, 5) };
        request.symbols[0].occurred_at += 1 + bench.last_offset();
        bench.hold(&request, now(0));
        let jobs = bench.take_jobs();
        bench.complete(compute(&jobs[0]), now(1));
        let outputs = bench.outputs();
        bench.decode::<Vector>(&outputs[0]).sets["relative_strength"].values["rs_spy_20"]
    };
    assert!((relative(&mut bench, "before") - 2.0).abs() < 1e-9);
    assert_eq!(bench.action(TableScope::Global, &action("SPY", 5, 3.0)), Ok(TableRecord::Taken));
    assert_eq!(relative(&mut bench, "after"), 0.0);
    // A symbol that is no benchmark, in the same partition.
    let mut other = bench.wire.write(&action("SPY", 5, 3.0), None).unwrap();
    (other.key, other.payload) = (b"AAPL".to_vec(), b"not decoded".to_vec());
    let stored = StoredRecord::new(&other);
    assert_eq!(bench.stage.table_record(TableScope::Global, &stored.as_input()), Ok(TableRecord::Taken));
    assert_eq!(bench.note(SKIPPED_BENCHMARK_ACTIONS.name), 0);
}

#[test]
fn request_waits_for_the_actions_of_its_partition() {
    let mut bench = Bench::new();
    bench.prices(&SPLIT_ON_9);
    let partition = bench.partition();
    let topic = Topic::CorporateActionAnnounced;
    assert!(bench.stage.tables().contains(&topic));
    bench.stage.table_end(TableScope::CoPartitioned, topic, partition, 1);
    bench.hold(&request("r", 10, 5), now(0));
    assert!(bench.take_jobs().is_empty(), "the split is not read yet");
    bench.split(9, 4.0);
    bench.stage.table_position(TableScope::CoPartitioned, topic, partition, 1);
    bench.tick(now(1));
    assert_eq!(bench.take_jobs()[0].symbols[0].bars[0].close, 100.0);
}

#[test]
fn invalid_and_misplaced_actions_are_skipped_and_counted() {
    let mut bench = Bench::new();
    bench.prices(&SPLIT_ON_9);
    let without_ratio = CorporateAction { ratio: None, ..action("AAPL", 9, 4.0) };
    for invalid in [without_ratio, action("AAPL", 9, 10_001.0), action("AAPL", 9, 0.0)] {
        assert_eq!(bench.action(TableScope::CoPartitioned, &invalid), Ok(TableRecord::Skipped));
    }
    let record = bench.wire.write(&action("AAPL", 9, 4.0), None).unwrap();
    let misplaced = StoredRecord::new(&record).in_partition((record.partition + 1) % 12);
    let skipped = bench.stage.table_record(TableScope::CoPartitioned, &misplaced.as_input());
    assert_eq!(skipped, Ok(TableRecord::Skipped));
    let of_spy = CorporateAction { ratio: None, ..action("SPY", 9, 4.0) };
    assert_eq!(bench.action(TableScope::Global, &of_spy), Ok(TableRecord::Skipped));
    assert_eq!((bench.note(SKIPPED_ACTIONS.name), bench.note(SKIPPED_BENCHMARK_ACTIONS.name)), (4, 1));
    // Other actions change nothing.
    for kind in ["dividend", "other"] {
        let other = CorporateAction { kind: kind.into(), ..action("AAPL", 9, 4.0) };
        assert_eq!(bench.action(TableScope::CoPartitioned, &other), Ok(TableRecord::Taken));
    }
    assert_eq!(bench.closes_of(10), [400.0, 408.0, 103.0, 104.0]);
}

#[test]
fn splits_are_bounded_and_leave_with_their_partition() {
    let mut bench = Bench::with(Limits { splits_max: 2, ..LIMITS });
    for day in [3, 5, 9] {
        bench.split(day, 4.0);
    }
    assert_eq!(bench.bound("splits"), (2, 2));
    assert_eq!(bench.note(SPLIT_EVICTIONS.name), 1);
    for day in 0..1_001_i32 {
        let of_spy = CorporateAction { ex_date: day, ..action("SPY", 9, 4.0) };
        assert_eq!(bench.action(TableScope::Global, &of_spy), Ok(TableRecord::Taken));
    }
    assert_eq!(bench.note(SPLIT_EVICTIONS.name), 2, "benchmarks have a bound of their own");
    let partition = bench.partition();
    bench.stage.table_released(Topic::BarClosed, partition);
    assert_eq!(bench.bound("splits"), (2, 2));
    bench.stage.table_released(Topic::CorporateActionAnnounced, (partition + 1) % 12);
    assert_eq!(bench.bound("splits"), (2, 2));
    bench.stage.table_released(Topic::CorporateActionAnnounced, partition);
    assert_eq!(bench.bound("splits"), (0, 2));
}

//! Vectors below a day that use day bars.

use super::*;

#[test]
fn minute_vector_uses_day_bars_of_earlier_dates() {
    let mut bench = Bench::new();
    bench.bars(1..=12);
    let open_time = calendar::session_close(calendar::Date::constant(2024, 7, 9)).micros() - 60_000_000;
    let minute = ClosedBar { timeframe: "1min".into(), open_time, ..bar("AAPL", 9) };
    let record = bench.wire.write(&minute, None).unwrap();
    let stored = StoredRecord::new(&record);
    bench.stage.table_record(TableScope::CoPartitioned, &stored.as_input()).unwrap();
    let requested = FeatureRequest {
        feature_sets: vec!["seasonality_features".into(), "support_resistance".into()],
        timeframe: "1min".into(),
        ..request("r", 9, 5)
    };
    bench.hold(&requested, now(0));
    let jobs = bench.take_jobs();
    bench.complete(compute(&jobs[0]), now(2));
    let outputs = bench.outputs();
    let vector: Vector = bench.decode(&outputs[0]);
    // 9 July is a Tuesday. The only earlier one is 2 July.
    let seasonality = &vector.sets["seasonality_features"].values;
    assert_eq!(seasonality["mean_return_same_weekday"], 102.0 / 101.0 - 1.0);
    assert_eq!(vector.sets["support_resistance"].values["pivot"], 108.0);
}

//! Bars that are in the topic and invalid, such as those of versions that accepted a price of 0.

use super::*;
use crate::metric_names::{SKIPPED_BARS, SKIPPED_BENCHMARK_BARS};

#[test]
fn bars_without_a_price_are_skipped_and_counted() {
    let mut bench = Bench::new();
    bench.bars(1..=3);
    for price in [0.0, -37.63] {
        for (scope, symbol) in [(TableScope::CoPartitioned, "AAPL"), (TableScope::Global, "SPY")] {
            let invalid = ClosedBar { open: price, high: price, low: price, close: price, ..bar(symbol, 2) };
            let record = bench.wire.write(&invalid, None).unwrap();
            let stored = StoredRecord::new(&record);
            assert_eq!(bench.stage.table_record(scope, &stored.as_input()), Ok(TableRecord::Skipped));
        }
    }
    bench.bars(4..=4);
    assert_eq!((bench.note(SKIPPED_BARS.name), bench.note(SKIPPED_BENCHMARK_BARS.name)), (2, 2));
    assert_eq!(bench.closes(), [101.0, 102.0, 103.0, 104.0]);
}

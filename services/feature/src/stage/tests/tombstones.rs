//! Tombstones of bars: each deletes the bar of its key.

use kafka_io::Missing;

use super::*;
use crate::metric_names::{SKIPPED_BARS, SKIPPED_BENCHMARK_BARS};

impl Bench {
    fn tombstone(&mut self, scope: TableScope, key: impl Into<Vec<u8>>, partition: i32) -> TableRecord {
        let record = OutRecord {
            missing: Missing { key: false, payload: true },
            ..OutRecord::new(Topic::BarClosed, partition, key, Vec::new())
        };
        self.stage.table_record(scope, &StoredRecord::new(&record).as_input()).unwrap()
    }

    /// Deletes a bar of July 2024.
    fn delete(&mut self, scope: TableScope, symbol: &str, day: i8) -> TableRecord {
        let key = contracts::Event::key(&bar(symbol, day)).into_owned();
        let partition = self.wire.partition_of(symbol);
        self.tombstone(scope, key, partition)
    }

    pub(super) fn closes(&self) -> Vec<f64> {
        let history = self.stage.bars.history(self.partition()).unwrap();
        history.bars(Symbol::constant("AAPL"), Timeframe::Day1).iter().map(|bar| bar.close).collect()
    }
}

#[test]
fn tombstone_deletes_its_bar_until_the_next_record() {
    let mut bench = Bench::new();
    bench.bars(1..=3);
    assert_eq!(bench.delete(TableScope::CoPartitioned, "AAPL", 2), TableRecord::Taken);
    assert_eq!(bench.closes(), [101.0, 103.0]);
    // After compaction, the bar of a tombstone is not in the topic.
    assert_eq!(bench.delete(TableScope::CoPartitioned, "AAPL", 9), TableRecord::Taken);
    bench.bars(2..=2);
    assert_eq!(bench.closes(), [101.0, 102.0, 103.0]);
    assert_eq!(bench.note(SKIPPED_BARS.name), 0);
}

#[test]
fn tombstone_of_a_benchmark_ends_its_snapshot() {
    let mut bench = Bench::new();
    let record = bench.wire.write(&bar("SPY", 1), None).unwrap();
    bench.stage.table_record(TableScope::Global, &StoredRecord::new(&record).as_input()).unwrap();
    let before = bench.stage.benchmarks.snapshot(Timeframe::Day1);
    assert_eq!(bench.delete(TableScope::Global, "SPY", 1), TableRecord::Taken);
    assert_ne!(bench.stage.benchmarks.snapshot(Timeframe::Day1), before);
    assert_eq!(bench.note(SKIPPED_BENCHMARK_BARS.name), 0);
}

#[test]
fn tombstone_without_a_key_of_its_partition_is_skipped() {
    let mut bench = Bench::new();
    bench.bars(1..=1);
    let own = bench.partition();
    let key = contracts::Event::key(&bar("AAPL", 1)).into_owned();
    for (key, partition) in [("AAPL|1day".to_owned(), own), (String::new(), own), (key, (own + 1) % 12)] {
        assert_eq!(bench.tombstone(TableScope::CoPartitioned, key, partition), TableRecord::Skipped);
    }
    assert_eq!((bench.note(SKIPPED_BARS.name), bench.closes().len()), (3, 1));
}

//! A tombstone on coverage is a deletion, also if the executor was writing the series when it arrived.

use contracts::{DataKind, RangeRequest, Topic};
use kafka_io::{OutRecord, TableRecord};
use pipeline::Verdict;

use crate::bench::{Bench, day, now, request, tombstone, unknown_symbol};

const KEY: &str = "AAPL|market_data|1day";

/// The coverage table of a partition: the records of the executor, and a tombstone between them.
struct Table {
    records: Vec<OutRecord>,
}

impl Table {
    /// Passes the records from `from` to a stage, as its followed table.
    fn read(&self, from: usize, bench: &mut Bench) {
        for (offset, record) in self.records.iter().enumerate().skip(from) {
            assert_eq!(bench.stored(record, offset_of(offset)), TableRecord::Taken);
        }
        bench.table_reaches(offset_of(self.records.len()));
        bench.table_ends_at(offset_of(self.records.len()));
    }

    /// Appends what a stage has written since the last call.
    fn append(&mut self, bench: &mut Bench) {
        self.records.append(&mut bench.outputs.coverage_records);
    }

    /// Returns the records that compaction leaves: the last one of each key, and no tombstone.
    fn compacted(&self) -> Vec<(usize, &OutRecord)> {
        let is_last = |(offset, record): &(usize, &OutRecord)| {
            !record.missing.payload && self.records[offset + 1..].iter().all(|later| later.key != record.key)
        };
        self.records.iter().enumerate().filter(is_last).collect()
    }
}

fn offset_of(index: usize) -> i64 {
    i64::try_from(index).expect("few records")
}

/// A request for another symbol of the partition.
fn request_of_another_symbol(bench: &Bench) -> RangeRequest {
    let names = ('A'..='Z').map(|character| format!("{character}{character}"));
    let symbol =
        names.into_iter().find(|name| bench.wire.partition_of(name) == bench.partition()).expect("a symbol");
    RangeRequest { symbol, ..request(9, "2024-03-01", "2024-03-02") }
}

/// The stage covers ten days and then ten more; the tombstone precedes the second record in the topic, and the stage reads it later.
fn overtaken() -> (Bench, Table) {
    let mut bench = Bench::new();
    let mut table = Table { records: Vec::new() };
    bench.hold(&request(1, "2024-01-01", "2024-01-10"), now(0));
    bench.work_all(now(2));
    table.append(&mut bench);
    table.read(0, &mut bench);
    table.records.push(tombstone(bench.partition(), KEY));
    bench.hold(&request(2, "2024-01-11", "2024-01-20"), now(10));
    bench.work_all(now(12));
    table.append(&mut bench);
    assert_eq!(table.records.len(), 3);
    (bench, table)
}

/// Returns the number of fetches for the deleted days by a stage that is started with this table.
fn fetches_after_a_restart<'a>(records: impl IntoIterator<Item = (usize, &'a OutRecord)>) -> usize {
    let mut bench = Bench::new();
    for (offset, record) in records {
        bench.stored(record, offset_of(offset));
    }
    bench.table_reaches(100);
    bench.table_ends_at(100);
    bench.hold(&request(3, "2024-01-03", "2024-01-04"), now(0));
    bench.work_all(now(2));
    bench.started.len()
}

#[test]
fn deleted_coverage_stays_deleted_after_a_restart() {
    let (mut bench, mut table) = overtaken();
    assert_eq!(fetches_after_a_restart(table.records.iter().enumerate()), 1, "before it is written again");
    table.read(1, &mut bench);

    let written = table.records.len();
    bench.hold(&request_of_another_symbol(&bench), now(20));
    bench.work_all(now(22));
    let again = bench.outputs.coverage.iter().rfind(|change| change.symbol == "AAPL").unwrap();
    assert_eq!(again.intervals, [], "the coverage as it is");
    table.append(&mut bench);
    assert_eq!(table.records.len(), written + 2);
    assert_eq!(fetches_after_a_restart(table.records.iter().enumerate()), 1, "before compaction");
    assert_eq!(fetches_after_a_restart(table.compacted()), 1, "after compaction");

    // Its own records change nothing, and it is written again only once.
    table.read(written, &mut bench);
    bench.hold(&request(4, "2024-01-03", "2024-01-04"), now(30));
    bench.work_all(now(32));
    assert_eq!(bench.started.last().unwrap().range.start().micros(), day("2024-01-03"));
    assert_eq!(bench.outputs.coverage_records.len(), 1);
}

#[test]
fn next_owner_writes_the_coverage_again() {
    let (_, mut table) = overtaken();
    let mut next = Bench::new();
    table.read(0, &mut next);
    next.hold(&request_of_another_symbol(&next), now(0));
    next.work_all(now(2));
    table.append(&mut next);
    assert_eq!(table.compacted().len(), 2);
    assert_eq!(fetches_after_a_restart(table.compacted()), 1);
}

#[test]
fn terminal_event_alone_carries_the_coverage() {
    for is_held in [false, true] {
        let (mut bench, mut table) = overtaken();
        table.read(1, &mut bench);
        if is_held {
            // The source has nothing: no chunk is written.
            bench.source.errors.lock().unwrap().push_back(unknown_symbol());
            bench.hold(&request(5, "2024-02-01", "2024-02-02"), now(20));
            bench.work_all(now(22));
        } else {
            let unserved =
                RangeRequest { data_types: vec![DataKind::News], ..request(5, "2024-02-01", "2024-02-02") };
            assert!(matches!(bench.request(&unserved, now(20)), Verdict::Emit(_)));
        }
        assert_eq!(bench.outputs.emissions.last().unwrap(), &[Topic::RangeFailed, Topic::CoverageChanged]);
        table.append(&mut bench);
        assert_eq!(fetches_after_a_restart(table.compacted()), 1, "{is_held}");
    }
}

#[test]
fn coverage_written_after_the_tombstone_was_read_counts() {
    let (mut bench, mut table) = overtaken();
    table.read(1, &mut bench);
    bench.hold(&request(4, "2024-01-03", "2024-01-04"), now(20));
    bench.work_all(now(22));
    table.append(&mut bench);
    assert_eq!(bench.outputs.coverage.last().unwrap().intervals.len(), 1);
    assert_eq!(fetches_after_a_restart(table.records.iter().enumerate()), 0);
    assert_eq!(fetches_after_a_restart(table.compacted()), 0);
}

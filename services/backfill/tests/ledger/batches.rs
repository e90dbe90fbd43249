//! Folding of records into batches.

use backfill::coverage_reader::CoverageReader;
use backfill::ledger::Batch;
use backfill::ledger::batch::OffsetRange;
use backfill::rules::deletions::READ_TO;
use contracts::{CoverageChange, DataKind, Span, Topic, ids};
use kafka_io::OwnedRecord;
use testkit::stage_bench::wire;

fn coverage(end: i64) -> CoverageChange {
    CoverageChange {
        event_id: ids::event_id(),
        occurred_at: 0,
        source: "backfill".into(),
        correlation_id: None,
        symbol: "AAPL".into(),
        data_type: DataKind::MarketData,
        timeframe: "1day".into(),
        intervals: vec![Span { start: 0, end }],
        wanted: None,
        asked: Vec::new(),
        refetching: None,
    }
}

#[test]
fn coverage_that_a_tombstone_deletes_does_not_count() {
    let wire = wire("backfill", Topic::BackfillDeadLetter);
    let record = |offset, end: i64, read_to: &str| {
        let written = wire.write(&coverage(end), None).unwrap();
        OwnedRecord {
            topic: Topic::CoverageChanged,
            partition: written.partition,
            offset,
            timestamp_ms: 7,
            key: Some(written.key),
            payload: Some(written.payload),
            headers: vec![(READ_TO.to_owned(), read_to.into())],
        }
    };
    let tombstone = OwnedRecord { payload: None, ..record(1, 0, "0") };
    let mut reader = CoverageReader::default();
    let mut folded = |records: &[OwnedRecord]| {
        let mut batch = Batch::new(tombstone.partition);
        records.iter().for_each(|record| batch.add(&wire, record, 0, &mut reader).unwrap());
        let intervals = batch.series.values().flat_map(|row| row.intervals.clone()).collect::<Vec<_>>();
        (intervals, batch.positions[&Topic::CoverageChanged], batch.skipped)
    };
    let next = |next| OffsetRange { expected: 0, next };
    // The executor had read up to the tombstone's offset when it wrote the second record.
    assert_eq!(folded(&[record(0, 5, "0"), tombstone.clone(), record(2, 6, "1")]), (vec![], next(3), 0));
    assert_eq!(folded(&[record(3, 7, "1")]), (vec![], next(4), 0), "in the next batch");
    assert_eq!(folded(&[record(4, 8, "2")]), (vec![(0, 8)], next(5), 0));
}

//! The state of a backfill from its records, in any order of topics.

use contracts::{BackfillTrigger, DataKind, encode, ids};
use testkit::OwnSchemas;

use super::*;

const ID: &str = "6c0c61cf-20f1-5f2b-8f6a-0a4f2c6f1f10";

fn record<E: Event>(at_ms: i64, event: &E) -> OwnedRecord {
    let mut payload = Vec::new();
    encode(event, OwnSchemas::ids()[&event.topic()], &mut payload).unwrap();
    let key = Some(event.symbol().as_bytes().to_vec());
    let (partition, offset, headers) = (0, at_ms, Vec::new());
    OwnedRecord {
        topic: event.topic(),
        partition,
        offset,
        timestamp_ms: at_ms,
        key,
        payload: Some(payload),
        headers,
    }
}

fn request(at_ms: i64, cancel: bool) -> OwnedRecord {
    let event = RangeRequest {
        event_id: ids::event_id(),
        occurred_at: 0,
        source: "test".into(),
        correlation_id: None,
        backfill_id: ID.into(),
        attempt: 1,
        symbol: "AAPL".into(),
        layer: 1,
        data_types: vec![DataKind::MarketData],
        start: 0,
        end: 1,
        priority: 7,
        trigger: BackfillTrigger::Manual,
        refetch: false,
        cancel,
    };
    record(at_ms, &event)
}

fn progress(at_ms: i64, done: i32) -> OwnedRecord {
    let event = RangeProgress {
        event_id: ids::event_id(),
        occurred_at: 0,
        source: "test".into(),
        correlation_id: None,
        backfill_id: ID.into(),
        attempt: 1,
        symbol: "AAPL".into(),
        data_type: DataKind::MarketData,
        timeframe: "1day".into(),
        chunk_start: 0,
        chunk_end: 1,
        records: 5,
        empty: false,
        done,
        total: 3,
    };
    record(at_ms, &event)
}

fn failure(at_ms: i64, error_class: BackfillErrorClass) -> OwnedRecord {
    let event = RangeFailure {
        event_id: ids::event_id(),
        occurred_at: 0,
        source: "test".into(),
        correlation_id: None,
        backfill_id: ID.into(),
        attempt: 1,
        symbol: "AAPL".into(),
        layer: 1,
        data_types: vec![DataKind::MarketData],
        error_class,
        retryable: true,
        attempts: 3,
        error: "no connection".into(),
    };
    record(at_ms, &event)
}

/// Returns the name of the state after these records.
fn state(records: &[OwnedRecord]) -> &'static str {
    let mut decoder = Decoder::new(&OwnSchemas);
    let mut log = RequestLog::default();
    for record in records {
        log.add(record, &mut decoder).unwrap();
    }
    assert_eq!(decoder.skipped, 0);
    let backfills = log.newest_first();
    assert_eq!(backfills.len(), 1);
    backfills[0].state().as_str()
}

#[test]
fn request_is_open_until_a_later_terminal_event() {
    let exhausted = BackfillErrorClass::Exhausted;
    assert_eq!(state(&[request(10, false)]), "requested");
    assert_eq!(state(&[progress(20, 1), request(10, false)]), "running");
    assert_eq!(state(&[failure(30, exhausted), progress(20, 1), request(10, false)]), "failed");
    let again = [failure(30, exhausted), progress(20, 1), request(10, false), request(40, false)];
    assert_eq!(state(&again), "requested", "progress of the attempt before does not count");
}

#[test]
fn request_to_cancel_opens_nothing() {
    let cancelled = BackfillErrorClass::Cancelled;
    assert_eq!(state(&[request(10, false), request(20, true)]), "requested");
    assert_eq!(state(&[request(10, false), request(20, true), failure(30, cancelled)]), "cancelled");
    assert_eq!(state(&[request(10, false), failure(30, cancelled), request(40, true)]), "cancelled");
}

#[test]
fn newest_end_is_kept_in_any_order() {
    let ends = [failure(50, BackfillErrorClass::Duplicate), failure(30, BackfillErrorClass::Exhausted)];
    assert_eq!(state(&ends), "duplicate");
}

//! Planner stage: each fact and its request, without Kafka.

use std::time::Duration;

use testkit::StageBench;
use testkit::stage_bench::{DeadLetter, START_MICROS, emitted, now_after, rejected, wire};

use super::*;

const HOUR_MICROS: i64 = 3_600_000_000;

const TRACE: &str = "00-1-2-01";

type Bench = StageBench<PlannerStage>;

fn bench() -> Bench {
    let wire = wire("backfill", Topic::BackfillDeadLetter);
    let mut bench = StageBench::new(wire.clone(), &INPUTS, PlannerStage::new(wire, Planner::default()));
    bench.traceparent = Some(TRACE);
    bench
}

fn process<E: Event>(bench: &mut Bench, event: &E) -> Verdict<OutRecord> {
    bench.process(event, now_after(Duration::ZERO))
}

fn planned<E: Event>(bench: &mut Bench, event: &E) -> RangeRequest {
    let outputs = emitted(process(bench, event));
    let [output] = &outputs[..] else { panic!("{outputs:?}") };
    let partition = bench.wire.partition_of("AAPL");
    assert_eq!((output.topic, output.partition), (Topic::RangeRequested, partition));
    assert_eq!(output.headers[0].1, TRACE.as_bytes(), "the trace is propagated");
    bench.decode(output)
}

fn qualified(layer: i32, occurred_at: i64) -> Qualification {
    Qualification {
        event_id: ids::event_id(),
        occurred_at,
        source: "publisher".into(),
        correlation_id: Some("cause".into()),
        symbol: "AAPL".into(),
        layer,
        reason: "liquid".into(),
        metrics: [].into(),
    }
}

fn gap(hours: i64, end: i64) -> Gap {
    Gap {
        event_id: ids::event_id(),
        occurred_at: START_MICROS,
        source: "test".into(),
        correlation_id: None,
        symbol: "AAPL".into(),
        data_type: DataKind::MarketData,
        gap_start: end - hours * HOUR_MICROS,
        gap_end: end,
        priority: 9,
    }
}

#[test]
fn qualification_requests_the_lookback_of_its_layer() {
    let long_ago = START_MICROS - 2_000 * 24 * HOUR_MICROS;
    let request = planned(&mut bench(), &qualified(1, long_ago));
    assert_eq!((request.start, request.end), (long_ago - 365 * 24 * HOUR_MICROS, long_ago));
    assert_eq!((request.layer, request.priority, request.attempt), (1, 5, 1));
    assert_eq!(request.trigger, BackfillTrigger::Qualified);
    assert_eq!(request.data_types, [DataKind::MarketData, DataKind::News]);
    assert_eq!((request.occurred_at, request.correlation_id.as_deref()), (long_ago, Some("cause")));
}

#[test]
fn promotion_requests_the_data_of_the_target_layer() {
    let promotion = Promotion {
        event_id: ids::event_id(),
        occurred_at: START_MICROS,
        source: "publisher".into(),
        correlation_id: None,
        symbol: "AAPL".into(),
        from_layer: 1,
        to_layer: 2,
        reason: "catalyst".into(),
        metrics: [].into(),
    };
    let request = planned(&mut bench(), &promotion);
    assert_eq!((request.layer, request.priority, request.trigger), (2, 7, BackfillTrigger::Promoted));
    assert_eq!(request.end - request.start, 730 * 24 * HOUR_MICROS);
    assert_eq!(request.correlation_id, Some(promotion.event_id), "a fact without a cause starts the chain");
}

#[test]
fn gap_is_requested_exactly_and_a_short_one_is_dropped() {
    let mut bench = bench();
    let long = gap(4, START_MICROS - HOUR_MICROS);
    let request = planned(&mut bench, &long);
    assert_eq!((request.start, request.end, request.priority), (long.gap_start, long.gap_end, 9));
    assert_eq!((request.data_types, request.trigger), (vec![DataKind::MarketData], BackfillTrigger::Gap));
    assert!(matches!(process(&mut bench, &gap(3, START_MICROS)), Verdict::Drop(Reason("gap_too_short"))));
}

#[test]
fn redelivered_fact_names_the_same_backfill() {
    let mut bench = bench();
    let first = planned(&mut bench, &qualified(1, 0));
    bench.set_next_offset(bench.last_offset());
    let again = planned(&mut bench, &qualified(1, 0));
    assert_eq!(first.backfill_id, again.backfill_id);
    assert_ne!(first.event_id, again.event_id);
    assert_ne!(first.backfill_id, planned(&mut bench, &qualified(2, 0)).backfill_id);
}

#[test]
fn fact_with_an_invalid_request_is_dead_lettered() {
    let mut bench = bench();
    let cases = [
        (gap(10, START_MICROS + HOUR_MICROS), "ahead of the clock"),
        (gap(24 * 3_700, START_MICROS), "10 years"),
    ];
    for (gap, cause) in cases {
        let DeadLetter { class, error, .. } = rejected(process(&mut bench, &gap));
        assert_eq!(class, INVALID);
        assert!(error.contains("end") && error.contains(cause), "{error}");
    }
}

#[test]
fn layer_without_data_types_is_dropped() {
    let mut bench = bench();
    let mut planner = Planner::default();
    planner.layer_data_types[0].clear();
    bench.stage = PlannerStage::new(bench.wire.clone(), planner);
    let verdict = process(&mut bench, &qualified(0, 0));
    assert!(matches!(verdict, Verdict::Drop(Reason("nothing_configured"))), "{verdict:?}");
}

//! Planner stage: each fact and its request, without Kafka.

use std::sync::Arc;

use kafka_io::Headers;
use testkit::OwnSchemas;

use super::*;

/// 2024-07-10T20:00:00Z.
const WALL_MICROS: i64 = 1_720_641_600_000_000;

const HOUR_MICROS: i64 = 3_600_000_000;

const TRACE: &str = "00-1-2-01";

struct Bench {
    wire: Wire,
    stage: PlannerStage,
}

fn bench() -> Bench {
    let wire = Wire::new("backfill", Topic::BackfillDeadLetter, 12, OwnSchemas::ids(), Arc::new(OwnSchemas));
    let stage = PlannerStage::new(wire.clone(), Planner::default());
    Bench { wire, stage }
}

impl Bench {
    fn process<E: Event>(&mut self, event: &E) -> Verdict<OutRecord> {
        let record = self.wire.write(event, None).unwrap();
        let topic = INPUTS.iter().position(|topic| *topic == record.topic).unwrap();
        let input = InputPartition { topic: topic.try_into().unwrap(), partition: record.partition };
        let record = InRecord {
            topic: record.topic,
            partition: record.partition,
            offset: 1,
            timestamp_ms: 0,
            key: Some(&record.key),
            payload: Some(&record.payload),
            epoch: None,
            traceparent: Some(TRACE),
            headers: Headers::none(),
        };
        let now = Now { monotonic: Duration::ZERO, wall_micros: WALL_MICROS };
        let id = RecordId { input, epoch: Epoch(1), offset: 1 };
        self.stage.process(id, record, now, &mut Effects::default())
    }

    fn planned<E: Event>(&mut self, event: &E) -> RangeRequest {
        let verdict = self.process(event);
        let Verdict::Emit(outputs) = verdict else { panic!("{verdict:?}") };
        let [output] = &outputs[..] else { panic!("{outputs:?}") };
        assert_eq!(output.topic, Topic::RangeRequested);
        assert_eq!(output.partition, self.wire.partition_of("AAPL"));
        assert_eq!(output.headers[0].1, TRACE.as_bytes(), "the trace is propagated");
        contracts::Codec::new().decode(output.payload.as_slice(), &OwnSchemas).unwrap()
    }

    /// The error class and the error of the dead letter.
    fn rejected<E: Event>(&mut self, event: &E) -> (String, String) {
        let verdict = self.process(event);
        let Verdict::Reject(dead_letter) = verdict else { panic!("{verdict:?}") };
        let header = |name: &str| {
            let found = dead_letter.headers.iter().find(|(key, _)| key == name).unwrap();
            String::from_utf8(found.1.clone()).unwrap()
        };
        (header("tapeline.error-class"), header("tapeline.error"))
    }
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
        occurred_at: WALL_MICROS,
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
    let long_ago = WALL_MICROS - 2_000 * 24 * HOUR_MICROS;
    let request = bench().planned(&qualified(1, long_ago));
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
        occurred_at: WALL_MICROS,
        source: "publisher".into(),
        correlation_id: None,
        symbol: "AAPL".into(),
        from_layer: 1,
        to_layer: 2,
        reason: "catalyst".into(),
        metrics: [].into(),
    };
    let request = bench().planned(&promotion);
    assert_eq!((request.layer, request.priority, request.trigger), (2, 7, BackfillTrigger::Promoted));
    assert_eq!(request.end - request.start, 730 * 24 * HOUR_MICROS);
    assert_eq!(request.correlation_id, Some(promotion.event_id), "a fact without a cause starts the chain");
}

#[test]
fn gap_is_requested_exactly_and_a_short_one_is_dropped() {
    let mut bench = bench();
    let long = gap(4, WALL_MICROS - HOUR_MICROS);
    let request = bench.planned(&long);
    assert_eq!((request.start, request.end, request.priority), (long.gap_start, long.gap_end, 9));
    assert_eq!((request.data_types, request.trigger), (vec![DataKind::MarketData], BackfillTrigger::Gap));
    assert!(matches!(bench.process(&gap(3, WALL_MICROS)), Verdict::Drop(Reason("gap_too_short"))));
}

#[test]
fn redelivered_fact_names_the_same_backfill() {
    let mut bench = bench();
    let (first, again) = (bench.planned(&qualified(1, 0)), bench.planned(&qualified(1, 0)));
    assert_eq!(first.backfill_id, again.backfill_id);
    assert_ne!(first.event_id, again.event_id);
    assert_ne!(first.backfill_id, bench.planned(&qualified(2, 0)).backfill_id);
}

#[test]
fn fact_with_an_invalid_request_is_dead_lettered() {
    let mut bench = bench();
    let (class, error) = bench.rejected(&gap(10, WALL_MICROS + HOUR_MICROS));
    assert_eq!(class, INVALID);
    assert!(error.contains("end") && error.contains("ahead of the clock"), "{error}");
    let (class, error) = bench.rejected(&gap(24 * 3_700, WALL_MICROS));
    assert_eq!(class, INVALID);
    assert!(error.contains("end") && error.contains("10 years"), "{error}");
}

#[test]
fn layer_without_data_types_is_dropped() {
    let mut bench = bench();
    let mut planner = Planner::default();
    planner.layer_data_types[0].clear();
    bench.stage = PlannerStage::new(bench.wire.clone(), planner);
    let verdict = bench.process(&qualified(0, 0));
    assert!(matches!(verdict, Verdict::Drop(Reason("nothing_configured"))), "{verdict:?}");
}

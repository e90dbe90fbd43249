//! An alert's way through the bridge, without Kafka: it ends in a request, among the dropped, or in the dead letters.

mod restoring;

use std::sync::Arc;

use contracts::Event;
use contracts::bounds::{ID_BYTES_MAX, MERGED_ALERTS_MAX};
use contracts::codec::PAYLOAD_BYTES_MAX;
use kafka_io::{Headers, KafkaStage};
use testkit::OwnSchemas;

use super::*;
use crate::config::AlertsSection;
use crate::mapping_file;

/// 2024-07-10T20:00:00Z.
const WALL_MICROS: i64 = 1_720_641_600_000_000;

struct Bench {
    wire: Wire,
    stage: BridgeStage,
    effects: Effects<OutRecord>,
    offset: i64,
}

fn now(ms: u64) -> Now {
    let micros = i64::try_from(ms).unwrap() * 1_000;
    Now { monotonic: Duration::from_millis(ms), wall_micros: WALL_MICROS + micros }
}

fn bench() -> Bench {
    let mut bench = unassigned();
    for partition in 0..12 {
        bench.stage.assigned(InputPartition { topic: 0, partition }, Epoch(1), now(0));
    }
    bench
}

fn unassigned() -> Bench {
    let letters = Topic::ScannerBridgeDeadLetter;
    let wire = Wire::new("scanner-bridge", letters, 12, OwnSchemas::ids(), Arc::new(OwnSchemas));
    let mapping = mapping_file::parse(mapping_file::DEFAULT).unwrap();
    let stage = BridgeStage::new(wire.clone(), mapping, AlertsSection::default().settings());
    Bench { wire, stage, effects: Effects::default(), offset: 0 }
}

fn alert(id: &str, symbol: &str, alert_type: &str, score: f64) -> Alert {
    Alert {
        event_id: contracts::ids::event_id(),
        occurred_at: WALL_MICROS,
        source: "test".into(),
        correlation_id: Some(id.into()),
        symbol: symbol.into(),
        alert_type: AlertType::from_name(alert_type).unwrap(),
        score,
        message: "m".into(),
        source_scanner: "s".into(),
        metadata: [].into(),
    }
}

/// The class of a dead letter.
fn class(verdict: Verdict<OutRecord>) -> String {
    let Verdict::Reject(letter) = verdict else { panic!("{verdict:?}") };
    assert_eq!(letter.topic, Topic::ScannerBridgeDeadLetter);
    header(&letter, "tapeline.error-class")
}

fn header(letter: &OutRecord, name: &str) -> String {
    let value = &letter.headers.iter().find(|(key, _)| key == name).unwrap().1;
    String::from_utf8(value.clone()).unwrap()
}

impl Bench {
    fn process(&mut self, alert: &Alert, at: Now) -> Verdict<OutRecord> {
        let record = self.wire.write(alert, None).unwrap();
        self.judge_at(&record, record.partition, at)
    }

    fn judge_at(&mut self, record: &OutRecord, partition: i32, at: Now) -> Verdict<OutRecord> {
        self.offset += 1;
        let id =
            RecordId { input: InputPartition { topic: 0, partition }, epoch: Epoch(1), offset: self.offset };
        let record = InRecord {
            topic: INPUT,
            partition,
            offset: self.offset,
            timestamp_ms: 0,
            key: Some(&record.key),
            payload: Some(&record.payload),
            epoch: None,
            traceparent: Some("00-1-2-01"),
            headers: Headers::none(),
        };
        self.stage.process(id, record, at, &mut self.effects)
    }

    /// The requests that leave when time has come to `at`, with how many records each ends and whether it is urgent.
    fn requests(&mut self, at: Now) -> Vec<(FeatureRequest, usize, bool, Topic)> {
        self.stage.tick(at, &mut self.effects);
        let codec = contracts::Codec::new();
        let request = |effect: Effect<OutRecord>| match effect {
            Effect::Emit { ids, outputs, urgent } => {
                let [output] = &outputs[..] else { panic!("{} outputs", outputs.len()) };
                let request: FeatureRequest = codec.decode(output.payload.as_slice(), &OwnSchemas).unwrap();
                request.validate().unwrap();
                (request, ids.len(), urgent, output.topic)
            }
            other => panic!("{other:?}"),
        };
        self.effects.take().into_iter().map(request).collect()
    }
}

#[test]
fn an_urgent_alert_leaves_at_once_and_an_ordinary_one_after_quiet() {
    let mut bench = bench();
    assert!(matches!(bench.process(&alert("calm", "AAPL", "momentum", 0.5), now(0)), Verdict::Hold));
    assert!(matches!(bench.process(&alert("hot", "AAPL", "catalyst_detected", 0.5), now(0)), Verdict::Hold));
    let requests = bench.requests(now(1));
    let (request, records, urgent, topic) = &requests[0];
    assert_eq!((requests.len(), *records, *urgent, *topic), (1, 1, true, Topic::BatchUrgent));
    assert_eq!((request.priority, request.feature_sets.len()), (8, 43), "catalysts ask for all sets");
    assert!(bench.requests(now(49)).is_empty());
    let requests = bench.requests(now(50));
    let (request, _, urgent, topic) = &requests[0];
    assert_eq!((*urgent, *topic, request.priority), (false, Topic::BatchRequested, 5));
    assert_eq!(
        request.feature_sets,
        ["momentum_features", "price_features", "relative_strength", "volume_features"]
    );
    assert_eq!((request.timeframe.as_str(), request.correlation_id.as_deref()), ("1day", Some("calm")));
}

#[test]
fn alerts_of_one_key_leave_together_and_all_end_with_their_request() {
    let mut bench = bench();
    let partition = bench.wire.partition_of("AAPL");
    let neighbour = (b'A'..=b'Z')
        .flat_map(|a| (b'A'..=b'Z').map(move |b| String::from_utf8(vec![a, b]).unwrap()))
        .find(|symbol| bench.wire.partition_of(symbol) == partition)
        .unwrap();
    for (id, symbol) in [("one", "AAPL"), ("two", neighbour.as_str())] {
        assert!(matches!(bench.process(&alert(id, symbol, "momentum", 0.5), now(0)), Verdict::Hold));
    }
    let requests = bench.requests(now(50));
    assert_eq!((requests.len(), requests[0].1), (1, 2));
    let request = &requests[0].0;
    assert_eq!(request.correlation_ids, ["one", "two"]);
    assert!(request.symbols.is_sorted_by(|a, b| a.symbol < b.symbol));
}

#[test]
fn what_the_window_covers_is_dropped_and_a_higher_priority_passes() {
    let mut bench = bench();
    assert!(matches!(bench.process(&alert("one", "AAPL", "momentum", 0.5), now(0)), Verdict::Hold));
    assert!(matches!(
        bench.process(&alert("same", "AAPL", "momentum", 0.5), now(0)),
        Verdict::Drop(DUPLICATE)
    ));
    assert!(matches!(bench.process(&alert("more", "AAPL", "momentum", 0.6), now(0)), Verdict::Hold));
    let manual = alert("manual", "AAPL", "manual", 0.1);
    assert!(
        matches!(bench.process(&manual, now(0)), Verdict::Hold),
        "manual requests stand outside the window"
    );
}

#[test]
fn a_manual_alert_asks_for_the_sets_it_names_and_unknown_ones_are_a_dead_letter() {
    let mut bench = bench();
    let mut manual = alert("manual", "AAPL", "manual", 0.1);
    manual.metadata.insert("feature_sets".into(), "trend_features".into());
    assert!(matches!(bench.process(&manual, now(0)), Verdict::Hold));
    assert_eq!(bench.requests(now(50))[0].0.feature_sets, ["trend_features"]);
    manual.metadata.insert("feature_sets".into(), "trends".into());
    let Verdict::Reject(letter) = bench.process(&manual, now(60)) else { panic!("not rejected") };
    assert!(letter.headers.iter().any(|(_, value)| value.ends_with(b"\"trends\"")), "{:?}", letter.headers);
}

#[test]
fn bytes_that_are_no_alert_and_misplaced_alerts_are_dead_letters() {
    let mut bench = bench();
    let record = bench.wire.write(&alert("one", "AAPL", "momentum", 0.5), None).unwrap();
    let elsewhere = (record.partition + 1) % 12;
    let misplaced = bench.judge_at(&record, elsewhere, now(0));
    assert_eq!(class(misplaced), "misplaced");
    let mut broken = record.clone();
    broken.payload.truncate(20);
    let truncated = bench.judge_at(&broken, broken.partition, now(0));
    assert_eq!(class(truncated), "truncated");
    assert!(bench.requests(now(5_000)).is_empty());
}

#[test]
fn an_unknown_alert_type_asks_for_the_default_sets() {
    let mut bench = bench();
    assert!(matches!(bench.process(&alert("new", "AAPL", "unknown", 0.5), now(0)), Verdict::Hold));
    let requests = bench.requests(now(50));
    let row = *bench.stage.mapping.row(AlertType::Unknown);
    let default: Vec<&str> = row.sets.iter().map(domain::FeatureSet::as_str).collect();
    assert!(!default.is_empty() && default.len() < 43, "{default:?}");
    assert_eq!(
        (requests.len(), requests[0].0.feature_sets.iter().map(String::as_str).collect()),
        (1, default)
    );
}

#[test]
fn an_alert_ahead_of_the_clock_is_a_dead_letter() {
    let mut bench = bench();
    let ahead = |micros: i64| Alert {
        occurred_at: WALL_MICROS + 5 * 60_000_000 + micros,
        ..alert("early", "AAPL", "momentum", 0.5)
    };
    let verdict = bench.process(&ahead(1), now(0));
    assert_eq!(class(verdict), "ahead_of_clock");
    assert!(matches!(bench.process(&ahead(0), now(0)), Verdict::Hold), "5 min are allowed");
}

#[test]
fn the_limiter_holds_batches_back_until_there_are_tokens() {
    let mut bench = bench();
    let symbols =
        (b'A'..=b'Z').flat_map(|a| (b'A'..=b'Z').map(move |b| String::from_utf8(vec![a, b]).unwrap()));
    for (i, symbol) in symbols.take(300).enumerate() {
        assert!(matches!(
            bench.process(&alert(&i.to_string(), &symbol, "momentum", 0.5), now(0)),
            Verdict::Hold
        ));
    }
    let asked = |requests: Vec<(FeatureRequest, usize, bool, Topic)>| -> usize {
        requests.iter().map(|(request, ..)| request.symbols.len()).sum()
    };
    let at_once = asked(bench.requests(now(50)));
    assert!((76..=100).contains(&at_once), "{at_once} symbols left at once, of a bucket of 100");
    let wait = bench.stage.next_wake(now(50)).unwrap();
    assert!(wait > Duration::ZERO && wait < Duration::from_millis(100), "{wait:?}");
    let note = |bench: &Bench, name| bench.stage.notes().iter().find(|note| note.name == name).unwrap().value;
    assert_eq!(note(&bench, "limiter_passed_symbols_total"), at_once as u64);
    assert_eq!(
        (note(&bench, "limiter_delayed_batches_total"), note(&bench, "limiter_capacity_symbols")),
        (1, 100)
    );
    let later: usize = (1..=5).map(|fifth| asked(bench.requests(now(50 + fifth * 200)))).sum();
    assert_eq!(at_once + later, 300);
}

/// An id of the greatest length, each another.
fn longest_id(number: usize) -> String {
    format!("{number:0>ID_BYTES_MAX$}")
}

/// The first `count` symbols of eight bytes that share a partition.
fn longest_symbols(bench: &Bench, count: usize) -> Vec<String> {
    let letters = || b'A'..=b'Z';
    let all = letters().flat_map(|a| letters().map(move |b| [a, b]));
    let all = all
        .flat_map(|[a, b]| letters().map(move |c| format!("AAA{}{}.A{}", a as char, b as char, c as char)));
    let partition = bench.wire.partition_of("AAAAA.AA");
    all.filter(|symbol| bench.wire.partition_of(symbol) == partition).take(count).collect()
}

#[test]
fn the_largest_request_that_alerts_can_make_fits_its_topic() {
    let mut bench = bench();
    let symbols = longest_symbols(&bench, 100);
    for number in 0..MERGED_ALERTS_MAX {
        // Manual ones stand outside the dedup window: they join a batch without end.
        let alert = Alert {
            source_scanner: longest_id(number),
            ..alert(&longest_id(number), &symbols[number % symbols.len()], "manual", 0.1)
        };
        assert!(matches!(bench.process(&alert, now(0)), Verdict::Hold));
    }
    bench.stage.tick(now(0), &mut bench.effects);
    let effects = bench.effects.take();
    let [Effect::Emit { ids, outputs, .. }] = &effects[..] else { panic!("{} effects", effects.len()) };
    assert_eq!((ids.len(), outputs.len()), (MERGED_ALERTS_MAX, 1));
    let payload = &outputs[0].payload;
    let request: FeatureRequest = contracts::Codec::new().decode(payload.as_slice(), &OwnSchemas).unwrap();
    request.validate().unwrap();
    assert_eq!((request.symbols.len(), request.feature_sets.len()), (100, 43));
    assert_eq!((request.correlation_ids.len(), request.source_scanners.len()), (1_000, 1_000));
    assert!((500_000..PAYLOAD_BYTES_MAX / 10 * 6).contains(&payload.len()), "{} bytes", payload.len());
}

#[test]
fn an_alert_beyond_the_bounds_is_a_dead_letter() {
    let mut bench = bench();
    let verdict = bench.process(&alert(&"c".repeat(600_000), "AAPL", "momentum", 0.5), now(0));
    assert_eq!(class(verdict), "invalid");
    assert!(bench.requests(now(5_000)).is_empty());
}

#[test]
fn alerts_whose_request_cannot_be_written_are_dead_letters_that_name_their_place() {
    let mut bench = bench();
    let source = InputPartition { topic: 0, partition: 3 };
    let waiting =
        |offset| Waiting { id: RecordId { input: source, epoch: Epoch(1), offset }, traceparent: None };
    let key = BatchKey {
        partition: 3,
        priority: Priority::NORMAL,
        timeframe: domain::Timeframe::Day1,
        sets: domain::FeatureSets::all(),
    };
    let batch = Batch {
        key,
        members: Vec::new(),
        marks: Vec::new(),
        correlation_ids: vec!["c".repeat(PAYLOAD_BYTES_MAX)],
        source_scanners: Vec::new(),
        ids: vec![waiting(7), waiting(9)],
    };
    bench.stage.emit(batch, now(0), &mut bench.effects);
    let ended = bench.effects.take().into_iter().map(|effect| match effect {
        Effect::Reject { id, dead_letter } => {
            assert_eq!(header(&dead_letter, "tapeline.offset"), id.offset.to_string());
            assert!(header(&dead_letter, "tapeline.error").contains("at most 1000000"));
            id.offset
        }
        other => panic!("{other:?}"),
    });
    assert_eq!(ended.collect::<Vec<_>>(), [7, 9]);
}

//! The bridge without Kafka: an alert is requested, dropped or dead-lettered.

mod restoration;

use chassis::telemetry::{Catalogue, Metrics};
use contracts::bounds::{ID_BYTES_MAX, MERGED_ALERTS_MAX};
use contracts::codec::PAYLOAD_BYTES_MAX;
use contracts::{Event, FeatureRequest};
use domain::Priority;
use testkit::stage_bench::{DeadLetter, START_MICROS, header, now_after, rejected, wire};
use testkit::{StageBench, StoredRecord};

use super::*;
use crate::config::AlertsSection;
use crate::mapping_file;

type Bench = StageBench<BridgeStage>;

fn now(ms: u64) -> Now {
    now_after(Duration::from_millis(ms))
}

/// A bench whose stage has all partitions.
fn bench() -> Bench {
    let mut bench = unassigned();
    let inputs = bench.inputs();
    bench.assign(&inputs, now(0));
    bench
}

fn unassigned() -> Bench {
    unassigned_with(AlertsSection::default().settings())
}

fn unassigned_with(settings: Settings) -> Bench {
    let wire = wire("scanner-bridge", Topic::ScannerBridgeDeadLetter);
    let mapping = mapping_file::parse(mapping_file::DEFAULT).unwrap();
    let stage = BridgeStage::new(wire.clone(), mapping, settings);
    let mut bench = StageBench::new(wire, &[INPUT], stage);
    bench.traceparent = Some("00-1-2-01");
    bench
}

fn alert(id: &str, symbol: &str, alert_type: &str, score: f64) -> Alert {
    Alert {
        event_id: contracts::ids::event_id(),
        occurred_at: START_MICROS,
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

/// Returns the error class of a verdict's dead letter.
fn class(verdict: Verdict<OutRecord>) -> String {
    let dead_letter = rejected(verdict);
    assert_eq!(dead_letter.topic, Topic::ScannerBridgeDeadLetter);
    dead_letter.class
}

/// Returns the requests that are emitted at `at`, each with the number of records that it resolves, its urgency and its topic.
fn requests_at(bench: &mut Bench, at: Now) -> Vec<(FeatureRequest, usize, bool, Topic)> {
    bench.tick(at);
    let emitted = bench.emitted();
    let request = |emitted: &testkit::stage_bench::Emitted| {
        let [output] = &emitted.outputs[..] else { panic!("{} outputs", emitted.outputs.len()) };
        let request: FeatureRequest = bench.decode(output);
        request.validate().unwrap();
        (request, emitted.ids.len(), emitted.urgent, output.topic)
    };
    emitted.iter().map(request).collect()
}

#[test]
fn urgent_alert_is_requested_at_once_and_ordinary_after_linger() {
    let mut bench = bench();
    assert!(matches!(bench.process(&alert("ordinary", "AAPL", "momentum", 0.5), now(0)), Verdict::Hold));
    assert!(matches!(
        bench.process(&alert("urgent", "AAPL", "catalyst_detected", 0.5), now(0)),
        Verdict::Hold
    ));
    let requests = requests_at(&mut bench, now(1));
    assert_eq!(requests.len(), 1, "the urgent alert waits for nothing");
    let (request, records, urgent, topic) = &requests[0];
    assert_eq!((*records, *urgent, *topic), (1, true, Topic::BatchUrgent));
    assert_eq!((request.priority, request.feature_sets.len()), (8, 43), "catalysts request all sets");
    assert!(requests_at(&mut bench, now(49)).is_empty());
    let requests = requests_at(&mut bench, now(50));
    let (request, _, urgent, topic) = &requests[0];
    assert_eq!((*urgent, *topic, request.priority), (false, Topic::BatchRequested, 5));
    assert_eq!(
        request.feature_sets,
        ["momentum_features", "price_features", "relative_strength", "volume_features"]
    );
    assert_eq!((request.timeframe.as_str(), request.correlation_id.as_deref()), ("1day", Some("ordinary")));
}

#[test]
fn alerts_of_one_key_are_resolved_by_one_request() {
    let mut bench = bench();
    let partition = bench.wire.partition_of("AAPL");
    let neighbour = (b'A'..=b'Z')
        .flat_map(|a| (b'A'..=b'Z').map(move |b| String::from_utf8(vec![a, b]).unwrap()))
        .find(|symbol| bench.wire.partition_of(symbol) == partition)
        .unwrap();
    for (id, symbol) in [("one", "AAPL"), ("two", neighbour.as_str())] {
        assert!(matches!(bench.process(&alert(id, symbol, "momentum", 0.5), now(0)), Verdict::Hold));
    }
    let requests = requests_at(&mut bench, now(50));
    assert_eq!((requests.len(), requests[0].1), (1, 2));
    let request = &requests[0].0;
    assert_eq!(request.correlation_ids, ["one", "two"]);
    assert!(request.symbols.is_sorted_by(|a, b| a.symbol < b.symbol));
}

#[test]
fn duplicate_is_dropped_and_higher_priority_passes() {
    let mut bench = bench();
    assert!(matches!(bench.process(&alert("one", "AAPL", "momentum", 0.5), now(0)), Verdict::Hold));
    assert!(matches!(
        bench.process(&alert("same", "AAPL", "momentum", 0.5), now(0)),
        Verdict::Drop(DUPLICATE)
    ));
    assert!(matches!(bench.process(&alert("more", "AAPL", "momentum", 0.6), now(0)), Verdict::Hold));
    let manual = alert("manual", "AAPL", "manual", 0.1);
    assert!(matches!(bench.process(&manual, now(0)), Verdict::Hold), "manual alerts have no window");
}

#[test]
fn manual_alert_requests_its_sets_or_is_dead_lettered() {
    let mut bench = bench();
    let mut manual = alert("manual", "AAPL", "manual", 0.1);
    manual.metadata.insert("feature_sets".into(), "trend_features".into());
    assert!(matches!(bench.process(&manual, now(0)), Verdict::Hold));
    assert_eq!(requests_at(&mut bench, now(50))[0].0.feature_sets, ["trend_features"]);
    manual.metadata.insert("feature_sets".into(), "trends".into());
    let dead_letter = rejected(bench.process(&manual, now(60)));
    assert_eq!(dead_letter.class, "invalid");
    assert_eq!(dead_letter.error, "metadata.feature_sets: unknown feature set \"trends\"");
}

#[test]
fn truncated_or_misplaced_alert_is_dead_lettered() {
    let mut bench = bench();
    let record = bench.wire.write(&alert("one", "AAPL", "momentum", 0.5), None).unwrap();
    let elsewhere = (record.partition + 1) % 12;
    let misplaced = bench.process_stored(StoredRecord::new(&record).in_partition(elsewhere), now(0));
    assert_eq!(class(misplaced), "misplaced");
    let mut broken = record.clone();
    broken.payload.truncate(20);
    let truncated = bench.process_record(&broken, now(0));
    assert_eq!(class(truncated), "truncated");
    assert!(requests_at(&mut bench, now(5_000)).is_empty());
}

#[test]
fn unknown_alert_type_requests_the_default_sets() {
    let mut bench = bench();
    assert!(matches!(bench.process(&alert("new", "AAPL", "unknown", 0.5), now(0)), Verdict::Hold));
    let requests = requests_at(&mut bench, now(50));
    let row = *bench.stage.mapping.row(AlertType::Unknown);
    let default: Vec<&str> = row.sets.iter().map(domain::FeatureSet::as_str).collect();
    assert!(!default.is_empty() && default.len() < 43, "{default:?}");
    assert_eq!(
        (requests.len(), requests[0].0.feature_sets.iter().map(String::as_str).collect()),
        (1, default)
    );
}

#[test]
fn alert_ahead_of_the_clock_is_dead_lettered() {
    let mut bench = bench();
    let ahead = |micros: i64| Alert {
        occurred_at: START_MICROS + 5 * 60_000_000 + micros,
        ..alert("early", "AAPL", "momentum", 0.5)
    };
    let verdict = bench.process(&ahead(1), now(0));
    assert_eq!(class(verdict), "ahead_of_clock");
    assert!(matches!(bench.process(&ahead(0), now(0)), Verdict::Hold), "5 min are allowed");
}

/// Processes alerts of this number of symbols, which are held.
fn hold_alerts(bench: &mut Bench, count: usize) {
    let symbols = ('A'..='Z').flat_map(|first| ('A'..='Z').map(move |second| format!("{first}{second}")));
    for (number, symbol) in symbols.take(count).enumerate() {
        let verdict = bench.process(&alert(&number.to_string(), &symbol, "momentum", 0.5), now(0));
        assert!(matches!(verdict, Verdict::Hold), "{verdict:?}");
    }
}

#[test]
fn bridge_holds_no_window_after_an_idle_hour() {
    let mut bench = bench();
    hold_alerts(&mut bench, 300);
    bench.run_idle(Duration::ZERO, Duration::from_secs(60));
    assert_eq!((bench.held().len(), bench.note(names::DEDUP_WINDOWS.name)), (0, 300));
    assert_eq!(bench.bound("dedup_windows").0, 300);
    bench.run_idle(Duration::from_secs(60), Duration::from_secs(3_600));
    assert_eq!(bench.note(names::DEDUP_WINDOWS.name), 0);
}

#[test]
fn full_bridge_is_full_until_half_of_its_alerts_are_requested() {
    let settings = AlertsSection::default().settings();
    let limits = Limits { waiting_max: 200, ..settings.limits };
    let mut bench = unassigned_with(Settings { limits, ..settings });
    let inputs = bench.inputs();
    bench.assign(&inputs, now(0));
    hold_alerts(&mut bench, 199);
    assert!(!bench.stage.is_full(0));
    let verdict = bench.process(&alert("last", "LAST", "momentum", 0.5), now(0));
    assert!(matches!(verdict, Verdict::Hold) && bench.stage.is_full(0));
    assert_eq!(bench.bound("waiting_alerts"), (200, 200));
    bench.tick(now(50));
    assert!(bench.held().len() > 100 && bench.stage.is_full(0), "{} are held", bench.held().len());
    bench.tick(now(250));
    assert!(bench.held().len() < 100 && !bench.stage.is_full(0), "{} are held", bench.held().len());
}

#[test]
fn batches_are_held_until_there_are_tokens() {
    let mut bench = bench();
    hold_alerts(&mut bench, 300);
    let requested = |requests: Vec<(FeatureRequest, usize, bool, Topic)>| -> usize {
        requests.iter().map(|(request, ..)| request.symbols.len()).sum()
    };
    let at_once = requested(requests_at(&mut bench, now(50)));
    assert!((76..=100).contains(&at_once), "{at_once} symbols at once, of a bucket of 100");
    let wait = bench.stage.next_wake(now(50)).unwrap();
    assert!(wait > Duration::ZERO && wait < Duration::from_millis(100), "{wait:?}");
    assert_eq!(bench.note(names::LIMITER_PASSED.name), at_once as u64);
    assert_eq!((bench.note(names::LIMITER_DELAYED.name), bench.note(names::LIMITER_CAPACITY.name)), (1, 100));
    let later: usize = (1..=5).map(|fifth| requested(requests_at(&mut bench, now(50 + fifth * 200)))).sum();
    assert_eq!(at_once + later, 300);
}

#[test]
fn limiter_reports_tokens_waiting_alerts_rejections_and_delay() {
    let metrics = Metrics::new(&Catalogue::new().with(names::METRICS)).unwrap();
    let delay = metrics.scope("scanner-bridge").histogram(&names::LIMITER_DELAY, &[("stage", "bridge")]);
    let mut bench = unassigned();
    bench.stage = bench.stage.with_limiter_delay(delay);
    let inputs = bench.inputs();
    bench.assign(&inputs, now(0));
    hold_alerts(&mut bench, 200);
    let limiter = |bench: &Bench| {
        [names::LIMITER_TOKENS, names::LIMITER_WAITING, names::LIMITER_REJECTED].map(|it| bench.note(it.name))
    };
    bench.tick(now(0));
    assert_eq!(limiter(&bench), [100, 0, 0], "no batch is ready");
    bench.tick(now(50));
    let waiting = bench.held().len() as u64;
    assert_eq!(limiter(&bench), [waiting - 100, waiting, 1], "a token per requested alert was taken");
    bench.tick(now(51));
    assert_eq!(limiter(&bench)[1..], [waiting, 2], "the batch that waits is rejected again");
    bench.tick(now(250));
    bench.tick(now(450));
    assert_eq!(limiter(&bench)[1], 0);
    let rendered = metrics.render();
    let of = |series: &str| {
        let prefix = format!("tapeline_limiter_delay_seconds_{series} ");
        let line = rendered.lines().find_map(|line| line.strip_prefix(&prefix));
        line.unwrap_or_else(|| panic!("no {prefix} in\n{rendered}")).to_owned()
    };
    let labels = r#"{service="scanner-bridge",stage="bridge"}"#;
    let bucket = |le: &str| of(&format!(r#"bucket{{service="scanner-bridge",stage="bridge",le="{le}"}}"#));
    assert_eq!((of(&format!("count{labels}")), bucket("1")), ("12".to_owned(), "12".to_owned()));
    let at_once: u32 = bucket("0.001").parse().unwrap();
    assert!((4..9).contains(&at_once), "{at_once} batches waited for no tokens");
    assert_eq!(bucket("0.1"), bucket("0.001"), "the others waited until 250 ms");
}

/// A different id of the maximum length for each number.
fn id_of_max_length(number: usize) -> String {
    format!("{number:0>ID_BYTES_MAX$}")
}

/// The first `count` symbols of the maximum length, eight bytes, that share a partition.
fn symbols_of_max_length(bench: &Bench, count: usize) -> Vec<String> {
    let letters = || b'A'..=b'Z';
    let all = letters().flat_map(|a| letters().map(move |b| [a, b]));
    let all = all
        .flat_map(|[a, b]| letters().map(move |c| format!("AAA{}{}.A{}", a as char, b as char, c as char)));
    let partition = bench.wire.partition_of("AAAAA.AA");
    all.filter(|symbol| bench.wire.partition_of(symbol) == partition).take(count).collect()
}

#[test]
fn request_at_all_limits_fits_in_a_payload() {
    let mut bench = bench();
    let symbols = symbols_of_max_length(&bench, 100);
    for number in 0..MERGED_ALERTS_MAX {
        // Manual alerts have no dedup window, so any number of them can join a batch.
        let alert = Alert {
            source_scanner: id_of_max_length(number),
            ..alert(&id_of_max_length(number), &symbols[number % symbols.len()], "manual", 0.1)
        };
        assert!(matches!(bench.process(&alert, now(0)), Verdict::Hold));
    }
    bench.tick(now(0));
    let emitted = bench.emitted();
    let [emitted] = &emitted[..] else { panic!("{} effects", emitted.len()) };
    assert_eq!((emitted.ids.len(), emitted.outputs.len()), (MERGED_ALERTS_MAX, 1));
    let payload = &emitted.outputs[0].payload;
    let request: FeatureRequest = bench.decode(&emitted.outputs[0]);
    request.validate().unwrap();
    assert_eq!((request.symbols.len(), request.feature_sets.len()), (100, 43));
    assert_eq!((request.correlation_ids.len(), request.source_scanners.len()), (1_000, 1_000));
    assert!((500_000..PAYLOAD_BYTES_MAX / 10 * 6).contains(&payload.len()), "{} bytes", payload.len());
}

#[test]
fn oversized_alert_is_dead_lettered() {
    let mut bench = bench();
    let verdict = bench.process(&alert(&"c".repeat(600_000), "AAPL", "momentum", 0.5), now(0));
    assert_eq!(class(verdict), "invalid");
    assert!(requests_at(&mut bench, now(5_000)).is_empty());
}

#[test]
fn alerts_of_an_unwritable_request_are_dead_lettered() {
    let mut bench = bench();
    let input = bench.input(INPUT, 3);
    let alert = |offset| HeldAlert {
        id: RecordId { input, epoch: Epoch(1), offset },
        appended_micros: None,
        traceparent: None,
    };
    let key = BatchKey {
        partition: 3,
        priority: Priority::NORMAL,
        timeframe: domain::Timeframe::Day1,
        sets: domain::FeatureSets::all(),
    };
    let batch = Batch {
        key,
        members: Vec::new(),
        windowed: Vec::new(),
        correlation_ids: vec!["c".repeat(PAYLOAD_BYTES_MAX)],
        source_scanners: Vec::new(),
        ids: vec![alert(7), alert(9)],
    };
    let mut effects = Effects::default();
    bench.stage.emit(&batch, now(0), &mut effects);
    let resolved = effects.take().into_iter().map(|effect| match effect {
        Effect::Reject { id, dead_letter } => {
            let dead_letter = DeadLetter::of(&dead_letter);
            assert_eq!(dead_letter.offset, id.offset);
            assert!(dead_letter.error.contains("at most 1000000"), "{dead_letter:?}");
            id.offset
        }
        other => panic!("{other:?}"),
    });
    assert_eq!(resolved.collect::<Vec<_>>(), [7, 9]);
}

#[test]
fn request_latency_starts_with_the_append_of_its_oldest_alert() {
    let metrics = Metrics::new(&Catalogue::new().with(names::METRICS)).unwrap();
    let mut bench = bench();
    bench.stage.latency = Latency::new(&metrics.scope("scanner-bridge"), &names::ALERT_TO_REQUEST);
    // Both are in one partition.
    assert_eq!(bench.wire.partition_of("GOOG"), bench.wire.partition_of("AAPL"));
    for (symbol, appended) in [("AAPL", 40), ("GOOG", 20)] {
        let record = bench.wire.write(&alert(symbol, symbol, "momentum", 0.5), None).unwrap();
        let verdict = bench.process_stored(StoredRecord::new(&record).appended_at(now(appended)), now(50));
        assert!(matches!(verdict, Verdict::Hold), "{verdict:?}");
    }
    assert_eq!(requests_at(&mut bench, now(6_020)).len(), 1);
    let rendered = metrics.render();
    for line in [
        "tapeline_alert_to_request_seconds_sum{service=\"scanner-bridge\",lane=\"ordinary\"} 6",
        "tapeline_alert_to_request_seconds_count{service=\"scanner-bridge\",lane=\"ordinary\"} 1",
    ] {
        assert!(rendered.lines().any(|it| it == line), "{line} is missing in\n{rendered}");
    }
}

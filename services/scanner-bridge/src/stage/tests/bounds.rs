//! What sizes do to alerts and requests: nothing stays held for its size.

use contracts::bounds::{MAX_ID_BYTES, MAX_MERGED_ALERTS};
use contracts::codec::MAX_PAYLOAD_BYTES;

use super::*;

/// An id of the greatest length, each another.
fn longest_id(number: usize) -> String {
    format!("{number:0>MAX_ID_BYTES$}")
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
    for number in 0..MAX_MERGED_ALERTS {
        // Manual ones stand outside the dedup window: they join a batch without end.
        let alert = Alert {
            source_scanner: longest_id(number),
            ..alert(&longest_id(number), &symbols[number % symbols.len()], "manual", 0.1)
        };
        assert!(matches!(bench.judge(&alert, now(0)), Verdict::Hold));
    }
    bench.stage.tick(now(0), &mut bench.effects);
    let effects = bench.effects.take();
    let [Effect::Emit { ids, outputs, .. }] = &effects[..] else { panic!("{} effects", effects.len()) };
    assert_eq!((ids.len(), outputs.len()), (MAX_MERGED_ALERTS, 1));
    let payload = &outputs[0].payload;
    let request: FeatureRequest = contracts::Codec::new().decode(payload.as_slice(), &OwnSchemas).unwrap();
    request.validate().unwrap();
    assert_eq!((request.symbols.len(), request.feature_sets.len()), (100, 43));
    assert_eq!((request.correlation_ids.len(), request.source_scanners.len()), (1_000, 1_000));
    assert!((500_000..MAX_PAYLOAD_BYTES / 10 * 6).contains(&payload.len()), "{} bytes", payload.len());
}

#[test]
fn an_alert_beyond_the_bounds_is_a_dead_letter() {
    let mut bench = bench();
    let verdict = bench.judge(&alert(&"c".repeat(600_000), "AAPL", "momentum", 0.5), now(0));
    assert_eq!(class(verdict), "invalid");
    assert!(bench.requests(now(5_000)).is_empty());
}

#[test]
fn alerts_whose_request_cannot_be_written_are_dead_letters_that_name_their_place() {
    let mut bench = bench();
    let source = Source { topic: 0, partition: 3 };
    let waiting = |offset| Waiting { id: RecordId { source, epoch: Epoch(1), offset }, traceparent: None };
    let key = BatchKey {
        partition: 3,
        priority: Priority::NORMAL,
        timeframe: domain::Timeframe::Day1,
        sets: domain::FeatureSets::all(),
    };
    let batch = Batch {
        key,
        members: Vec::new(),
        correlation_ids: vec!["c".repeat(MAX_PAYLOAD_BYTES)],
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

#[test]
fn a_trace_of_any_length_does_not_travel_on() {
    let mut bench = bench();
    let long = "0".repeat(TRACEPARENT_BYTES + 1);
    let output = bench.wire.write(&alert("one", "AAPL", "momentum", 0.5), None).unwrap();
    let source = Source { topic: 0, partition: output.partition };
    let record = InRecord {
        topic: INPUT,
        partition: output.partition,
        offset: 1,
        timestamp_ms: 0,
        key: Some(&output.key),
        payload: Some(&output.payload),
        traceparent: Some(&long),
        headers: Headers::none(),
    };
    let id = RecordId { source, epoch: Epoch(1), offset: 1 };
    assert!(matches!(bench.stage.judge(id, record, now(0), &mut bench.effects), Verdict::Hold));
    bench.stage.tick(now(50), &mut bench.effects);
    let effects = bench.effects.take();
    let [Effect::Emit { outputs, .. }] = &effects[..] else { panic!("{effects:?}") };
    assert!(outputs[0].headers.is_empty(), "{:?}", outputs[0].headers);
}

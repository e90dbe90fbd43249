//! Memory of held alerts. The binary has one test, since it measures the process.
#![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

use std::time::Duration;

use chassis::memory::used_bytes;
use contracts::bounds::ID_BYTES_MAX;
use contracts::{Alert, Topic, ids};
use domain::AlertType;
use hosting::of_stage;
use kafka_io::KafkaConfig;
use pipeline::{Delivery, Options, Stage, Verdict};
use scanner_bridge::config::AlertsSection;
use scanner_bridge::mapping_file;
use scanner_bridge::stage::{BridgeStage, INPUT};
use testkit::StageBench;
use testkit::stage_bench::{START_MICROS, now_after, wire};

/// An alert with texts of the maximum length.
fn alert(number: u64) -> Alert {
    let text = |kind: char| format!("{kind}{number:0width$}", width = ID_BYTES_MAX - 1);
    let character = |unit: u64| char::from(b'A' + u8::try_from(number / unit % 26).unwrap());
    Alert {
        event_id: ids::event_id(),
        occurred_at: START_MICROS,
        source: "test".into(),
        correlation_id: Some(text('c')),
        symbol: [17_576, 676, 26, 1].map(character).iter().collect(),
        alert_type: AlertType::from_name("momentum").unwrap(),
        score: 0.5,
        message: "m".into(),
        source_scanner: text('s'),
        metadata: [].into(),
    }
}

#[test]
fn held_alerts_use_at_most_the_memory_that_is_summed() {
    let alerts_max = Options::new(Delivery::Transactional).held_records_max;
    let section =
        AlertsSection { waiting_max: usize::try_from(alerts_max).unwrap(), ..AlertsSection::default() };
    let wire = wire("scanner-bridge", Topic::ScannerBridgeDeadLetter);
    let mapping = mapping_file::parse(mapping_file::DEFAULT).unwrap();
    let stage = BridgeStage::new(wire.clone(), mapping, section.settings());
    let mut bench = StageBench::new(wire, &[INPUT], stage);
    bench.traceparent = Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
    let (inputs, now) = (bench.inputs(), now_after(Duration::ZERO));
    bench.assign(&inputs, now);
    let before = used_bytes().unwrap();
    let mut held = 0;
    while !bench.stage.is_full(0) {
        let verdict = bench.process(&alert(held), now);
        assert!(matches!(verdict, Verdict::Hold), "{verdict:?}");
        held += 1;
    }
    let used = used_bytes().unwrap().saturating_sub(before);
    assert_eq!(held, alerts_max);
    let parts = of_stage("bridge", &KafkaConfig::default(), 1, 3);
    let part = parts.iter().find(|part| part.name == "bridge: held records").unwrap();
    println!("{} KiB of {part}, {} bytes each", used >> 10, used / held);
    assert!((part.bytes / 3..=part.bytes).contains(&used), "{used} bytes of {}", part.bytes);
}

//! A feature service restores many bars within a limit of memory that the kernel enforces.
#![expect(clippy::unwrap_used, reason = "a failed step fails the test")]

mod alerts;

use std::time::Duration;

use contracts::{ClosedBar, Event, Topic, encode, ids, partition_for};
use integration::{Binaries, Service, Stack, memory_group, real_parts_missing, run_to_end, wait_until};
use kafka_io::{KafkaConfig, OutRecord, Registry, RegistryConfig};
use tokio::runtime::Runtime;

const LIMIT: Duration = Duration::from_secs(120);
/// The limit in docker-compose.yml, above the sum of the configuration.
const START_LIMIT_MIB: u32 = 512;

/// The limit after the check at start, which would reject it.
const MEMORY_LIMIT_BYTES: u64 = 96 << 20;

const SYMBOLS: u32 = 600;
const MINUTES: u32 = 500;

/// 2026-01-02T14:30:00Z.
const FIRST_MICROS: i64 = 1_767_364_200_000_000;
const MINUTE_MICROS: i64 = 60_000_000;

fn bar(symbol: u32, minute: u32) -> ClosedBar {
    let character = |number: u32| char::from(b'A' + u8::try_from(number % 26).unwrap());
    let open_time = FIRST_MICROS + i64::from(minute) * MINUTE_MICROS;
    // Prices that repeat would compress too well.
    let cents = (u64::from(symbol) << 32 | u64::from(minute)).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 55;
    let close = 50.0 + f64::from(u16::try_from(cents).unwrap()) / 100.0;
    ClosedBar {
        event_id: ids::event_id(),
        occurred_at: open_time + MINUTE_MICROS,
        source: "test".into(),
        correlation_id: None,
        symbol: [character(symbol / 676), character(symbol / 26), character(symbol)].iter().collect(),
        timeframe: "1min".into(),
        open_time,
        open: close,
        high: close + 0.05,
        low: close - 0.05,
        close,
        volume: f64::from(minute % 97) * 100.0,
        vwap: None,
        trades: None,
        backfilled: true,
    }
}

fn write_bars(kafka: &KafkaConfig, schema_id: u32) {
    for minutes in (0..MINUTES).collect::<Vec<_>>().chunks(50) {
        let bars = minutes.iter().flat_map(|minute| (0..SYMBOLS).map(|symbol| bar(symbol, *minute)));
        let record = |bar: ClosedBar| {
            let mut payload = Vec::new();
            encode(&bar, schema_id, &mut payload).unwrap();
            let partition = partition_for(bar.symbol().as_bytes(), kafka.partitions);
            OutRecord::new(Topic::BarClosed, partition, bar.key().as_bytes().to_vec(), payload)
        };
        alerts::produce(kafka, bars.map(record).collect());
    }
}

#[test]
fn bars_are_restored_within_the_limit_of_memory() {
    if real_parts_missing() {
        return;
    }
    let Some(group) = memory_group(u64::from(START_LIMIT_MIB) << 20) else { return };
    let (binaries, stack) = (Binaries::built().unwrap(), Stack::start().unwrap());
    let kafka = KafkaConfig { brokers: stack.broker.address(), ..KafkaConfig::default() };
    let mut apply = binaries.command("tapeline");
    apply.args(["topics", "apply", "--replication", "1", "--brokers", &kafka.brokers]);
    assert_eq!(run_to_end("apply", apply, stack.folder(), LIMIT).unwrap().code, Some(0));
    let runtime = Runtime::new().unwrap();
    let registry = RegistryConfig { url: stack.registry.url(), ..RegistryConfig::default() };
    let registry = Registry::new(&registry, runtime.handle().clone()).unwrap();
    runtime.block_on(registry.register(&[Topic::BarClosed])).unwrap();
    write_bars(&kafka, registry.id(Topic::BarClosed).unwrap());

    let sections = format!(
        "[kafka]\nbrokers = \"{}\"\n\n[registry]\nurl = \"{}\"\n",
        kafka.brokers,
        stack.registry.url()
    );
    let limited = binaries.joining(group.processes());
    let mut feature = Service::start(&limited, "feature", &sections, stack.folder()).unwrap();
    // It reads, so the check is over.
    let records = "tapeline_stage_table_records_total";
    assert!(wait_until(LIMIT, || feature.metrics().is_ok_and(|metrics| metrics.sum(records, &[]) > 0.0)));
    let limit_mib =
        feature.metrics().unwrap().sum("chassis_process_memory_limit_bytes", &[]) / f64::from(1 << 20);
    assert!((limit_mib - f64::from(START_LIMIT_MIB)).abs() < 1.0, "limit of {limit_mib} MiB");
    group.set_limit(MEMORY_LIMIT_BYTES).unwrap();
    feature.wait_until_ready().unwrap();
    let read = feature.metrics().unwrap().sum(records, &[]);
    assert!(read >= f64::from(SYMBOLS * MINUTES), "{read} bars read");
    // The kernel kills a process that needs more than the limit.
    assert_eq!(feature.terminate().unwrap(), Some(0));
    let peak = group.peak_bytes().unwrap();
    assert!((MEMORY_LIMIT_BYTES / 8..=MEMORY_LIMIT_BYTES).contains(&peak), "peak of {} MiB", peak >> 20);
}

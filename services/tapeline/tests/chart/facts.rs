//! `files/facts.json` of the chart: the properties of the services that its templates use.

use std::fs;
use std::path::PathBuf;

use backfill::config::{BackfillConfig, ExecutorSection, SourceKind};
use backfill::rules::attempts::Attempts;
use backfill::rules::live_bars::LiveBars;
use backfill::sources::memory_parts;
use chassis::config::redacted;
use contracts::Topic;
use feature::config::{FeatureConfig, RequestsSection};
use feature::intake::DedupWindow;
use feature::memory::{BAR_BYTES, RESULT_BYTES};
use feature::rules::Splits;
use feature::stage::{WAITING_RESULTS_BYTES_MAX, WORKER_SYMBOLS_MAX};
use hosting::{PROCESS_BYTES, of_reader, of_stage};
use kafka_io::{KafkaConfig, READ_BYTES_MAX};
use publisher::config::{EdgeSection, PublisherConfig};
use publisher::rules::announce::Announcer;
use scanner_bridge::config::BridgeConfig;
use scanner_bridge::rules::dedup::Dedup;
use serde_json::{Map, Value, json};

use crate::stages::{self, StageInfo};

#[tokio::test]
async fn facts_file_matches_the_services() {
    let stored: Value = serde_json::from_str(&fs::read_to_string(path()).unwrap()).unwrap();
    let current = current_facts();
    for part in ["memory", "topics", "services"] {
        assert_eq!(
            stored[part], current[part],
            "{part}: update facts.json with `cargo test -p tapeline --test chart -- --ignored`"
        );
    }
}

#[tokio::test]
#[ignore = "writes facts.json"]
async fn write_facts() {
    fs::write(path(), format!("{:#}\n", current_facts())).unwrap();
}

/// The templates compute `stage_bytes + consumers × prefetch_kib × prefetch_kib_bytes + (consumers - 1) × loading_bytes + inputs ×
/// partitions × source_bytes`.
#[tokio::test]
async fn memory_of_a_stage_matches_the_formula_of_the_templates() {
    let number = |key: &str| current_facts()["memory"][key].as_u64().unwrap();
    for stage in stages::all() {
        for (partitions, prefetch_kib) in [(12, 16_384), (48, 1), (1, 262_144)] {
            let kafka = KafkaConfig { partitions, prefetch_kib, ..KafkaConfig::default() };
            let inputs = u64::try_from(stage.inputs.len()).unwrap() * u64::try_from(partitions).unwrap();
            let computed = number("stage_bytes")
                + stage.consumers * u64::from(prefetch_kib) * number("prefetch_kib_bytes")
                + (stage.consumers - 1) * number("loading_bytes")
                + inputs * number("source_bytes");
            assert_eq!(computed, bytes(&stage, &kafka), "{} with {partitions} partitions", stage.stage);
        }
    }
}

/// The templates compute `prefetch_kib × prefetch_kib_bytes + loading_bytes + read_bytes`.
#[tokio::test]
async fn memory_of_the_ledger_matches_the_formula_of_the_templates() {
    let number = |key: &str| current_facts()["memory"][key].as_u64().unwrap();
    for prefetch_kib in [1, 2_048, 262_144] {
        let kafka = KafkaConfig { prefetch_kib, ..KafkaConfig::default() };
        let computed = u64::from(prefetch_kib) * number("prefetch_kib_bytes")
            + number("loading_bytes")
            + number("read_bytes");
        assert_eq!(computed, of_reader("ledger", &kafka).iter().map(|part| part.bytes).sum::<u64>());
    }
}

/// The templates compute `min(running_max, workers_max) × bar_file_bytes + running_max × chunk_bytes`.
#[tokio::test]
async fn memory_of_bar_files_matches_the_formula_of_the_templates() {
    let number = |key: &str| current_facts()["memory"][key].as_u64().unwrap();
    for (running_max, workers_max) in [(7, 3), (3, 7), (64, 64)] {
        let computed =
            running_max.min(workers_max) * number("bar_file_bytes") + running_max * number("chunk_bytes");
        assert_eq!(computed, bytes_of_files(running_max, workers_max), "{running_max} {workers_max}");
    }
}

/// The templates compute `min(running_max, workers_max) × 4 × bar_file_bytes + running_max × (chunk_bytes + 2 × bars × bar_bytes)`.
#[tokio::test]
async fn memory_of_files_matches_the_formula_of_the_templates() {
    let number = |key: &str| current_facts()["memory"][key].as_u64().unwrap();
    for (running_max, workers_max) in [(7, 3), (3, 7)] {
        let executor = ExecutorSection { running_max, workers_max, ..ExecutorSection::default() };
        let parts = memory_parts(SourceKind::Files, &executor);
        let [running, workers] = [running_max, workers_max].map(|it| u64::try_from(it).unwrap());
        let bars = 1_440 * u64::from(executor.minute_bars_chunk_days);
        let chunk = number("chunk_bytes") + 2 * bars * number("bar_bytes");
        let computed = running.min(workers) * 4 * number("bar_file_bytes") + running * chunk;
        assert_eq!(computed, parts.iter().map(|part| part.bytes).sum::<u64>(), "{running} {workers}");
    }
}

/// The templates compute `running_max × 2 × bars × bar_bytes`.
#[tokio::test]
async fn synthetic_memory_matches_the_formula_of_the_templates() {
    let bar_bytes = current_facts()["memory"]["bar_bytes"].as_u64().unwrap();
    let executor = ExecutorSection { minute_bars_chunk_days: 30, ..ExecutorSection::default() };
    let parts = memory_parts(SourceKind::Synthetic, &executor);
    let computed = u64::try_from(executor.running_max).unwrap() * 2 * 30 * 1_440 * bar_bytes;
    assert_eq!(computed, parts.iter().map(|part| part.bytes).sum::<u64>());
}

/// The templates compute `min(running_max, workers_max) × alpaca_response_bytes + running_max × max(4 × bars × bar_bytes,
/// alpaca_record_bytes)`.
#[tokio::test]
async fn memory_of_alpaca_matches_the_formula_of_the_templates() {
    let number = |key: &str| current_facts()["memory"][key].as_u64().unwrap();
    for (running_max, workers_max, days) in [(7, 3, 5), (3, 7, 20), (64, 64, 365)] {
        let [running, workers] = [running_max, workers_max].map(|it: usize| u64::try_from(it).unwrap());
        let bars = 1_440 * u64::from(days) * number("bar_bytes");
        let computed = running.min(workers) * number("alpaca_response_bytes")
            + running * number("alpaca_record_bytes").max(4 * bars);
        assert_eq!(
            computed,
            bytes_of_alpaca(running_max, workers_max, days),
            "{running_max} {workers_max} {days}"
        );
    }
}

/// The templates compute `2 × bodies_max_bytes + 2 × in_flight_max_bytes + (connections_max + displaced_connections) × connection_bytes`.
#[tokio::test]
async fn memory_of_the_edge_matches_the_formula_of_the_templates() {
    let number = |key: &str| current_facts()["memory"][key].as_u64().unwrap();
    let edge = EdgeSection {
        bodies_max_bytes: 3_000_001,
        in_flight_max_bytes: 5_000_001,
        connections_max: 7,
        ..EdgeSection::default()
    };
    let computed =
        2 * 3_000_001 + 2 * 5_000_001 + (7 + number("displaced_connections")) * number("connection_bytes");
    assert_eq!(computed, edge_bytes(&edge));
}

/// The templates compute `((workers_max + 1) × request_symbols_max - 1) × (history_bars × bar_bytes + result_bytes) +
/// waiting_result_bytes`.
#[tokio::test]
async fn memory_of_the_workers_matches_the_formula_of_the_templates() {
    let number = |key: &str| current_facts()["memory"][key].as_u64().unwrap();
    for (workers_max, history_bars) in [(1, 300), (8, 300), (16, 500)] {
        let requests = RequestsSection { workers_max, history_bars, ..RequestsSection::default() };
        let [workers, bars] = [workers_max, history_bars].map(|it| u64::try_from(it).unwrap());
        let symbols = (workers + 1) * number("request_symbols_max") - 1;
        let symbol = bars * number("bar_bytes") + number("result_bytes");
        let computed = symbols * symbol + number("waiting_result_bytes");
        assert_eq!(computed, worker_bytes(&requests), "{workers} workers");
    }
}

/// Returns the memory of the workers and of the results that wait.
pub(crate) fn worker_bytes(requests: &RequestsSection) -> u64 {
    feature::memory::memory_parts(requests).iter().map(|part| part.bytes).sum()
}

/// Returns the memory limit of a stage.
pub(crate) fn bytes(stage: &StageInfo, kafka: &KafkaConfig) -> u64 {
    of_stage(stage.stage, kafka, stage.inputs.len(), stage.consumers).iter().map(|part| part.bytes).sum()
}

fn path() -> PathBuf {
    crate::helm().join("tapeline/files/facts.json")
}

fn current_facts() -> Value {
    let of = |partitions, inputs, consumers, prefetch_kib| {
        let kafka = KafkaConfig { partitions, prefetch_kib, ..KafkaConfig::default() };
        of_stage("any", &kafka, inputs, consumers).iter().map(|part| part.bytes).sum::<u64>()
    };
    let stage_bytes = of(0, 0, 0, 0);
    let edge = |connections_max| {
        let none = EdgeSection { bodies_max_bytes: 0, in_flight_max_bytes: 0, ..EdgeSection::default() };
        edge_bytes(&EdgeSection { connections_max, ..none })
    };
    let connection_bytes = edge(1) - edge(0);
    let topics: Vec<Value> = Topic::ALL
        .iter()
        .map(|topic| {
            let config: Map<String, Value> = topic
                .config()
                .into_iter()
                .map(|(key, value)| (key.to_owned(), Value::String(value)))
                .collect();
            json!({ "name": topic.name(), "config": config })
        })
        .collect();
    json!({
        "memory": {
            "process_bytes": PROCESS_BYTES,
            "stage_bytes": stage_bytes,
            "prefetch_kib_bytes": of(0, 0, 1, 1) - stage_bytes,
            "loading_bytes": of(0, 0, 2, 0) - stage_bytes,
            "source_bytes": of(1, 1, 0, 0) - stage_bytes,
            "read_bytes": 2 * READ_BYTES_MAX,
            "bar_bytes": BAR_BYTES,
            "result_bytes": RESULT_BYTES,
            "waiting_result_bytes": WAITING_RESULTS_BYTES_MAX,
            "request_symbols_max": WORKER_SYMBOLS_MAX,
            "bar_file_bytes": bytes_of_files(1, 1) - bytes_of_files(1, 0),
            "chunk_bytes": bytes_of_files(1, 0),
            "alpaca_response_bytes": bytes_of_alpaca(1, 1, 0) - bytes_of_alpaca(1, 0, 0),
            "alpaca_record_bytes": bytes_of_alpaca(1, 0, 0),
            "connection_bytes": connection_bytes,
            "displaced_connections": edge(0) / connection_bytes,
        },
        "topics": topics,
        "services": {
            "publisher": service("publisher", redacted(&PublisherConfig::default())),
            "scanner-bridge": service("scanner-bridge", redacted(&BridgeConfig::default())),
            "feature": service("feature", redacted(&FeatureConfig::default())),
            "backfill": service("backfill", redacted(&BackfillConfig::default())),
        },
    })
}

/// Returns the memory of the bar files of this number of fetches and workers.
pub(crate) fn bytes_of_files(running_max: u64, workers_max: u64) -> u64 {
    let [running_max, workers_max] = [running_max, workers_max].map(|it| usize::try_from(it).unwrap());
    let executor = ExecutorSection { running_max, workers_max, ..ExecutorSection::default() };
    memory_parts(SourceKind::Csv, &executor).iter().map(|part| part.bytes).sum()
}

/// Returns the memory of Alpaca with this number of fetches and workers, and chunks of minute bars.
fn bytes_of_alpaca(running_max: usize, workers_max: usize, minute_bars_chunk_days: u16) -> u64 {
    let executor = ExecutorSection {
        running_max,
        workers_max,
        minute_bars_chunk_days,
        hour_bars_chunk_days: 0,
        day_bars_chunk_days: 0,
        ..ExecutorSection::default()
    };
    memory_parts(SourceKind::Alpaca, &executor).iter().map(|part| part.bytes).sum()
}

/// Returns the memory of the edge.
pub(crate) fn edge_bytes(edge: &EdgeSection) -> u64 {
    publisher::edge::memory_parts(edge).iter().map(|part| part.bytes).sum()
}

/// A setting that bounds a number of windows: service, section, key, bytes of a window, `true` if the setting is of a partition.
type WindowSetting = (&'static str, &'static str, &'static str, usize, bool);

fn windows() -> [WindowSetting; 6] {
    [
        ("publisher", "announcer", "partition_windows_max", Announcer::WINDOW_BYTES_MAX, true),
        ("scanner-bridge", "alerts", "partition_windows_max", Dedup::WINDOW_BYTES_MAX, true),
        ("feature", "requests", "dedup_symbols_max", DedupWindow::KEY_BYTES_MAX, false),
        ("feature", "requests", "splits_max", Splits::SPLIT_BYTES_MAX, false),
        ("backfill", "executor", "partition_ends_max", Attempts::END_BYTES_MAX, true),
        ("backfill", "keeper", "live_sessions_max", LiveBars::SESSION_BYTES_MAX, true),
    ]
}

fn window((_, section, key, bytes, in_partitions): WindowSetting) -> Value {
    json!({ "section": section, "key": key, "bytes": bytes, "in_partitions": in_partitions })
}

/// Returns the memory of the windows of a service with this configuration.
pub(crate) fn window_bytes(name: &str, config: &Value) -> u64 {
    let partitions = config["kafka"]["partitions"].as_u64().unwrap();
    let of_service = windows().into_iter().filter(|(service, ..)| *service == name);
    let bytes = of_service.map(|(_, section, key, bytes, in_partitions)| {
        let copies = if in_partitions { partitions } else { 1 };
        config[section][key].as_u64().unwrap() * copies * u64::try_from(bytes).unwrap()
    });
    bytes.sum()
}

fn service(name: &str, defaults: Value) -> Value {
    let stages: Vec<Value> = stages::all()
        .into_iter()
        .filter(|stage| stage.service == name)
        .map(|stage| {
            let inputs: Vec<&str> = stage.inputs.iter().map(|topic| topic.name()).collect();
            json!({ "stage": stage.stage, "group": stage.group, "inputs": inputs, "consumers": stage.consumers })
        })
        .collect();
    let windows: Vec<Value> =
        windows().into_iter().filter(|(service, ..)| *service == name).map(window).collect();
    json!({ "stages": stages, "windows": windows, "defaults": defaults })
}

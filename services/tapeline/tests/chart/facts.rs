//! `files/facts.json` of the chart: the properties of the services that its templates use.

use std::fs;
use std::path::PathBuf;

use backfill::config::{BackfillConfig, ExecutorSection, SourceKind};
use backfill::sources::memory_parts;
use chassis::config::redacted;
use contracts::Topic;
use feature::config::FeatureConfig;
use feature::memory::WORKER_BAR_BYTES;
use hosting::{PROCESS_BYTES, of_stage};
use kafka_io::KafkaConfig;
use publisher::config::PublisherConfig;
use scanner_bridge::config::BridgeConfig;
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
            "worker_bar_bytes": WORKER_BAR_BYTES,
            "bar_file_bytes": bytes_of_files(1, 1) - bytes_of_files(1, 0),
            "chunk_bytes": bytes_of_files(1, 0),
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

fn service(name: &str, defaults: Value) -> Value {
    let stages: Vec<Value> = stages::all()
        .into_iter()
        .filter(|stage| stage.service == name)
        .map(|stage| {
            let inputs: Vec<&str> = stage.inputs.iter().map(|topic| topic.name()).collect();
            json!({ "stage": stage.stage, "group": stage.group, "inputs": inputs, "consumers": stage.consumers })
        })
        .collect();
    json!({ "stages": stages, "defaults": defaults })
}

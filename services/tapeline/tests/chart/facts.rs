//! `files/facts.json` of the chart: what its templates know of the services.

use std::fs;
use std::path::PathBuf;

use backfill::config::BackfillConfig;
use chassis::config::redacted;
use contracts::Topic;
use feature::config::FeatureConfig;
use hosting::{PROCESS_BYTES, of_stage};
use kafka_io::KafkaConfig;
use publisher::config::PublisherConfig;
use scanner_bridge::config::BridgeConfig;
use serde_json::{Map, Value, json};

use crate::stages::{self, Known};

#[tokio::test]
async fn the_chart_knows_the_services_as_they_are() {
    let known: Value = serde_json::from_str(&fs::read_to_string(path()).unwrap()).unwrap();
    let now = now();
    for part in ["memory", "topics", "services"] {
        assert_eq!(
            known[part], now[part],
            "{part}: `cargo test -p tapeline --test chart -- --ignored` writes facts.json anew"
        );
    }
}

#[tokio::test]
#[ignore = "writes facts.json as the services are now"]
async fn write_facts() {
    fs::write(path(), format!("{:#}\n", now())).unwrap();
}

/// The templates add up `stage_bytes + consumers × (prefetch + fetch_bytes) + inputs × partitions × source_bytes`.
#[tokio::test]
async fn a_stage_s_memory_is_what_the_templates_add_up() {
    let number = |key: &str| now()["memory"][key].as_u64().unwrap();
    for known in stages::all() {
        for (partitions, prefetch_kib) in [(12, 16_384), (48, 1), (1, 262_144)] {
            let kafka = KafkaConfig { partitions, prefetch_kib, ..KafkaConfig::default() };
            let sources = u64::try_from(known.inputs.len()).unwrap() * u64::try_from(partitions).unwrap();
            let told = number("stage_bytes")
                + known.consumers * (u64::from(prefetch_kib) * 1_024 + number("fetch_bytes"))
                + sources * number("source_bytes");
            assert_eq!(told, bytes(&known, &kafka), "{} with {partitions} partitions", known.stage);
        }
    }
}

/// What a stage may hold.
pub(crate) fn bytes(known: &Known, kafka: &KafkaConfig) -> u64 {
    of_stage(known.stage, kafka, known.inputs.len(), known.consumers).iter().map(|part| part.bytes).sum()
}

fn path() -> PathBuf {
    crate::helm().join("tapeline/files/facts.json")
}

fn now() -> Value {
    let of = |partitions, inputs, consumers| {
        let kafka = KafkaConfig { partitions, prefetch_kib: 0, ..KafkaConfig::default() };
        of_stage("any", &kafka, inputs, consumers).iter().map(|part| part.bytes).sum::<u64>()
    };
    let stage_bytes = of(0, 0, 0);
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
            "fetch_bytes": of(0, 0, 1) - stage_bytes,
            "source_bytes": of(1, 1, 0) - stage_bytes,
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

fn service(name: &str, defaults: Value) -> Value {
    let stages: Vec<Value> = stages::all()
        .into_iter()
        .filter(|known| known.service == name)
        .map(|known| {
            let inputs: Vec<&str> = known.inputs.iter().map(|topic| topic.name()).collect();
            json!({ "stage": known.stage, "group": known.group, "inputs": inputs, "consumers": known.consumers })
        })
        .collect();
    json!({ "stages": stages, "defaults": defaults })
}

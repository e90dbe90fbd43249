//! Each rendered configuration is valid for its service and fits its pod.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use backfill::config::BackfillConfig;
use chassis::config::{self, Config};
use feature::config::FeatureConfig;
use hosting::PROCESS_BYTES;
use kafka_io::KafkaConfig;
use publisher::config::{EdgeSection, PublisherConfig};
use scanner_bridge::config::BridgeConfig;
use scanner_bridge::mapping_file;
use serde::Deserialize;
use serde_json::Value;

use crate::objects::{Workload, workloads};
use crate::{facts, stages};

/// Time limit of the runtime's shutdown after the tasks (`chassis::run`), milliseconds.
const RUNTIME_END_MS: u64 = 2_000;

#[test]
fn every_configuration_is_valid_for_its_service() {
    for workload in workloads() {
        let config = load(&workload);
        let admin: SocketAddr = config["process"]["admin"].as_str().unwrap().parse().unwrap();
        assert!(admin.ip().is_unspecified(), "{}: {admin} is unreachable from outside the pod", workload.at);
        assert_eq!(Some(admin.port()), workload.port("admin"), "{}", workload.at);
        let edge = config["edge"]["listen"].as_str().map(|it| it.parse::<SocketAddr>().unwrap().port());
        assert_eq!(edge, workload.port("edge"), "{}", workload.at);
        let ordinal = if workload.has_identity() { 7 } else { 0 };
        assert_eq!(config["kafka"]["ordinal"], ordinal, "{}", workload.at);
        assert_eq!(
            config["kafka"]["delivery"] == "transactional",
            workload.has_identity(),
            "{}",
            workload.at
        );
    }
}

/// preStop + drain + shutdown of the runtime < grace period, and a stage's drain and commit fit into the process's drain.
#[test]
fn every_drain_completes_before_the_kill() {
    for workload in workloads() {
        let config = load(&workload);
        let number = |section: &str, key: &str| config[section][key].as_u64().unwrap();
        let process = number("process", "drain_budget_ms");
        let stage = number("kafka", "drain_budget_ms") + number("kafka", "commit_timeout_ms");
        let (grace, before) = workload.grace_ms();
        assert!(stage + 1_000 <= process, "{}: {stage} ms in {process} ms", workload.at);
        assert!(before + process + RUNTIME_END_MS < grace, "{}: {process} ms in {grace} ms", workload.at);
        if workload.service == "publisher" {
            let request = number("edge", "body_timeout_ms") + number("edge", "acknowledge_timeout_ms");
            assert!(request <= process, "{}: a request of {request} ms in {process} ms", workload.at);
        }
    }
}

/// As at start (`hosting::reserve`): below four fifths, from which it warns.
#[tokio::test]
async fn every_configuration_fits_its_memory_limit() {
    let stages = stages::all();
    for workload in workloads() {
        let config = load(&workload);
        let number = |key: &str| config["kafka"][key].as_i64().unwrap();
        let kafka = KafkaConfig {
            partitions: i32::try_from(number("partitions")).unwrap(),
            prefetch_kib: u32::try_from(number("prefetch_kib")).unwrap(),
            ..KafkaConfig::default()
        };
        let of_service = stages.iter().filter(|stage| stage.service == workload.service);
        let of_workers = if workload.service == "feature" {
            facts::worker_bytes(&serde_json::from_value(config["requests"].clone()).unwrap())
        } else {
            0
        };
        let stages = of_service.map(|stage| facts::bytes(stage, &kafka)).sum::<u64>();
        let of_files = match config["source"]["kind"].as_str() {
            Some("csv") => {
                let number = |key: &str| config["executor"][key].as_u64().unwrap();
                facts::bytes_of_files(number("running_max"), number("workers_max"))
            }
            _ => 0,
        };
        let of_edge = match workload.service.as_str() {
            "publisher" => facts::edge_bytes(&EdgeSection::deserialize(&config["edge"]).unwrap()),
            _ => 0,
        };
        let windows = facts::window_bytes(&workload.service, &config);
        let sum = PROCESS_BYTES + stages + windows + of_workers + of_files + of_edge;
        let limit = workload.memory_limit();
        assert!(sum <= limit / 100 * 80, "{}: up to {sum} of {limit} bytes", workload.at);
    }
}

/// Loads the configuration as the service does, with secrets in files of this test.
fn load(workload: &Workload) -> Value {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in &workload.files {
        fs::write(folder.path().join(name), in_folder(text, folder.path())).unwrap();
    }
    let of_kafka = ["kafka-ca/ca.crt", "kafka/password", "kafka/user.crt", "kafka/user.key"];
    for secret in of_kafka.into_iter().chain(["registry-ca/ca.crt", "registry/password"]) {
        let path = folder.path().join(secret);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "secret\n").unwrap();
    }
    let mapping = folder.path().join("mapping.toml");
    if mapping.exists() {
        mapping_file::parse(&fs::read_to_string(mapping).unwrap()).unwrap();
    }
    let path = folder.path().join(format!("{}.toml", workload.service));
    match workload.service.as_str() {
        "publisher" => read::<PublisherConfig>(workload, &path),
        "scanner-bridge" => read::<BridgeConfig>(workload, &path),
        "feature" => read::<FeatureConfig>(workload, &path),
        "backfill" => read::<BackfillConfig>(workload, &path),
        other => panic!("{}: unknown service {other}", workload.at),
    }
}

fn in_folder(text: &str, folder: &Path) -> String {
    let folder = folder.to_str().unwrap();
    text.replace("/run/secrets", folder).replace("/etc/tapeline", folder)
}

fn read<C: Config>(workload: &Workload, path: &Path) -> Value {
    match config::load::<C>(&config::prefix(&workload.service), Some(path), workload.env().into_iter()) {
        Ok(config) => config::redacted(&config),
        Err(errors) => panic!("{}: {errors}", workload.at),
    }
}

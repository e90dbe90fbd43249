//! The parts of a service's configuration that say where Kafka and the registry are, with their rules told to the chassis.

use chassis::config::{FaultList, Validate};
use kafka_io::{KafkaConfig, RegistryConfig};
use serde::{Deserialize, Serialize};

/// The cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KafkaSection(pub KafkaConfig);

impl Validate for KafkaSection {
    fn faults(&self, faults: &mut FaultList) {
        let examples = KafkaConfig::default();
        for fault in self.0.faults() {
            let example = match fault.key.as_str() {
                "brokers" => examples.brokers.clone(),
                key if key.starts_with("security.") => "the section kafka.security in README.md".to_owned(),
                "drain_budget_ms" => examples.drain_budget_ms.to_string(),
                _ => "leave it out".to_owned(),
            };
            faults.check(false, &fault.key, &fault.value, &fault.rule, &example);
        }
    }
}

/// The schema registry.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RegistrySection(pub RegistryConfig);

impl Validate for RegistrySection {
    fn faults(&self, faults: &mut FaultList) {
        let RegistryConfig { url, timeout_ms, breaker_failures, .. } = &self.0;
        let is_http = url.starts_with("http://") || url.starts_with("https://");
        faults.check(is_http, "url", url, "an http or https address", "http://registry:8081");
        faults.check(*timeout_ms >= 1, "timeout_ms", timeout_ms, "at least 1", "5000");
        faults.check(*breaker_failures >= 1, "breaker_failures", breaker_failures, "at least 1", "5");
    }
}

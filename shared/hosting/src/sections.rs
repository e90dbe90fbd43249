//! The parts of a service's configuration that say where Kafka and the registry are.

use chassis::config::{FaultList, Validate};
use kafka_io::KafkaConfig;
use serde::{Deserialize, Serialize};

/// The cluster: [`KafkaConfig`] with its rules told to the chassis.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KafkaSection(pub KafkaConfig);

impl Validate for KafkaSection {
    fn faults(&self, faults: &mut FaultList) {
        for fault in self.0.faults() {
            faults.check(false, &fault.key, &fault.value, &fault.rule, "see the field's documentation");
        }
    }
}

/// The registry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RegistrySection {
    /// Base address of a Confluent-compatible schema registry.
    pub url: String,
    /// How long one question may take, its attempts included. 5 s: a start fails soon enough to be seen.
    pub timeout_ms: u64,
}

impl Default for RegistrySection {
    fn default() -> Self {
        Self { url: "http://127.0.0.1:8081".to_owned(), timeout_ms: 5_000 }
    }
}

impl Validate for RegistrySection {
    fn faults(&self, faults: &mut FaultList) {
        let is_http = self.url.starts_with("http://") || self.url.starts_with("https://");
        faults.check(is_http, "url", &self.url, "an http or https address", "http://registry:8081");
        faults.check(self.timeout_ms >= 1, "timeout_ms", self.timeout_ms, "at least 1", "5000");
    }
}

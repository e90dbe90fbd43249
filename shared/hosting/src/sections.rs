//! Configuration sections for Kafka and the schema registry. They report the errors of `kafka-io` to the chassis.

use chassis::config::{ErrorCollector, Validate};
use kafka_io::{KafkaConfig, RegistryConfig};
use serde::{Deserialize, Serialize};

/// The section `kafka`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KafkaSection(pub KafkaConfig);

impl Validate for KafkaSection {
    fn validate(&self, errors: &mut ErrorCollector) {
        let examples = KafkaConfig::default();
        for error in self.0.errors() {
            let example = match error.key.as_str() {
                "brokers" => examples.brokers.clone(),
                key if key.starts_with("security.") => "the section kafka.security in README.md".to_owned(),
                "drain_budget_ms" => examples.drain_budget_ms.to_string(),
                _ => "omit it".to_owned(),
            };
            errors.check(false, &error.key, &error.value, &error.rule, &example);
        }
    }
}

/// The section `registry`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RegistrySection(pub RegistryConfig);

impl Validate for RegistrySection {
    fn validate(&self, errors: &mut ErrorCollector) {
        let examples = RegistryConfig::default();
        for error in self.0.errors() {
            let example = match error.key.as_str() {
                "url" => "http://registry:8081".to_owned(),
                "timeout_ms" => examples.timeout_ms.to_string(),
                "breaker_failures" => examples.breaker_failures.to_string(),
                _ => "the section registry in README.md".to_owned(),
            };
            errors.check(false, &error.key, &error.value, &error.rule, &example);
        }
    }
}

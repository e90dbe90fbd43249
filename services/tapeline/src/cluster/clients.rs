//! Clients of Kafka and the registry, configured from flags, environment and file.

use std::sync::Arc;

use chassis::config;
use contracts::Topic;
use kafka_io::{KafkaConfig, Registry, RegistryConfig, RegistryError, RegistryErrorKind, SchemaIds, Wire};
use tokio::runtime::Handle;

use super::args::ClusterArgs;
use super::settings::{BROKERS_VARIABLE, PREFIX, REGISTRY_VARIABLE, Settings};
use crate::exit::{Cause, Failure};

/// Time that a command retries an unavailable registry, milliseconds. Short, because a person is waiting.
const REGISTRY_RETRY_MS: u32 = 10_000;

/// Returns the Kafka configuration. Flags override the environment, the environment overrides the file.
///
/// # Errors
/// [`Failure::Usage`] with every configuration error, a line each.
pub fn kafka(cluster: &ClusterArgs) -> Result<KafkaConfig, Failure> {
    settings(cluster).map(|settings| settings.kafka.0)
}

/// Returns the registry configuration, with the precedence of [`kafka`].
///
/// # Errors
/// As for [`kafka`].
pub fn registry_config(cluster: &ClusterArgs) -> Result<RegistryConfig, Failure> {
    settings(cluster).map(|settings| settings.registry.0)
}

fn settings(cluster: &ClusterArgs) -> Result<Settings, Failure> {
    let mut env: Vec<_> = config::system_env().collect();
    for (variable, flag) in [(BROKERS_VARIABLE, &cluster.brokers), (REGISTRY_VARIABLE, &cluster.registry)] {
        if let Some(value) = flag {
            env.retain(|(name, _)| name != variable);
            env.push((variable.to_owned(), value.clone()));
        }
    }
    config::load(PREFIX, cluster.kafka_config.as_deref(), env.into_iter()).map_err(Failure::usage)
}

/// Returns a client of the configured registry.
///
/// # Errors
/// As for [`registry_config`], and if the URL is invalid.
pub fn registry(cluster: &ClusterArgs) -> Result<Registry, Failure> {
    registry_client(registry_config(cluster)?)
}

/// Returns a client of the registry of this configuration, with the short retry time of a command.
///
/// # Errors
/// [`Failure::Usage`] if the URL is invalid.
pub fn registry_client(config: RegistryConfig) -> Result<Registry, Failure> {
    let config = RegistryConfig {
        start_patience_ms: REGISTRY_RETRY_MS.into(),
        // A command has nothing else to do while it looks up a schema.
        lookup_wait_ms: config.timeout_ms.saturating_add(500.into()),
        ..config
    };
    Registry::new(&config, Handle::current()).map_err(Failure::usage)
}

/// Registers the schema of a topic and returns its id.
///
/// # Errors
/// If the registry is unreachable or rejects the schema.
pub async fn register(registry: &Registry, topic: Topic) -> Result<u32, Failure> {
    registry.register(&[topic]).await.map_err(registry_failure)?;
    registry.id(topic).map_err(registry_failure)
}

fn registry_failure(error: RegistryError) -> Failure {
    match error.kind() {
        RegistryErrorKind::Config => Failure::usage(error),
        RegistryErrorKind::Unavailable => Failure::unreachable(error),
        RegistryErrorKind::Rejected => Failure::AccessDenied(Cause::Error(Box::new(error))),
        RegistryErrorKind::Defect => Failure::not_ok(error),
    }
}

/// Registers the schemas of these topics and returns the [`Wire`] by which the command itself writes them.
///
/// # Errors
/// As for [`register`].
pub async fn wire(registry: &Registry, topics: &[Topic], partitions: i32) -> Result<Wire, Failure> {
    let mut ids = SchemaIds::new();
    for topic in topics {
        ids.insert(*topic, register(registry, *topic).await?);
    }
    let dead_letters = Topic::PublisherDeadLetter;
    Ok(Wire::new("tapeline", dead_letters, partitions, ids, Arc::new(registry.clone())))
}

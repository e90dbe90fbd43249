//! Clients of Kafka and the registry, configured from flags, environment and file.

use std::sync::Arc;

use chassis::config::{self, ConfigError, ConfigErrors, Origin};
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
    let flags = [
        ("--brokers", BROKERS_VARIABLE, &cluster.brokers),
        ("--registry", REGISTRY_VARIABLE, &cluster.registry),
    ];
    for (_, variable, value) in &flags {
        if let Some(value) = value {
            env.retain(|(name, _)| name != variable);
            env.push(((*variable).to_owned(), value.clone()));
        }
    }
    let loaded = config::load(PREFIX, cluster.kafka_config.as_deref(), env.into_iter());
    loaded.map_err(|errors| {
        let given = flags.iter().filter(|(_, _, value)| value.is_some());
        let origins: Vec<(&str, &str)> = given.map(|(flag, variable, _)| (*flag, *variable)).collect();
        Failure::usage(of_flags(&errors, &origins))
    })
}

/// Names the flag as the origin of a value that it set, instead of the variable that it overrides.
fn of_flags(errors: &ConfigErrors, origins: &[(&str, &str)]) -> ConfigErrors {
    let of_flag = |error: &ConfigError| {
        let Origin::Variable(name) = &error.origin else { return error.clone() };
        let flag = origins.iter().find(|(_, variable)| variable == name);
        let origin =
            flag.map_or_else(|| error.origin.clone(), |(flag, _)| Origin::Variable((*flag).to_owned()));
        ConfigError { origin, ..error.clone() }
    };
    errors.iter().map(of_flag).collect::<Vec<_>>().into()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invalid_flag_is_the_origin_of_its_error() {
        let cluster =
            ClusterArgs { brokers: Some("localhost".to_owned()), kafka_config: None, registry: None };
        let error = kafka(&cluster).unwrap_err().to_string();
        assert!(error.contains("kafka.brokers = localhost (--brokers): "), "{error}");
        assert!(!error.contains(BROKERS_VARIABLE), "{error}");
    }
}

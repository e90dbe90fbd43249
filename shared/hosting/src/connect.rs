//! What a service does before it starts its stages: the cluster answers, the registry has our schemas.

use std::sync::Arc;

use chassis::{Context, Exit, Failure};
use contracts::Topic;
use kafka_io::{KafkaConfig, Registry, SchemaIds, Wire, cluster};

use crate::sections::RegistrySection;

/// A service's way to Kafka.
#[derive(Clone)]
pub struct Connection {
    /// Between records and events.
    pub wire: Wire,
}

/// Checks the cluster, registers the schemas of the topics that the service `writes`, and gives its [`Wire`].
///
/// # Errors
/// [`Exit::Unreachable`] when the cluster or the registry doesn't answer, or isn't what the contract says.
pub async fn connect(
    context: &Context,
    kafka: &KafkaConfig,
    registry: &RegistrySection,
    dead_letters: Topic,
    writes: &[Topic],
) -> Result<Connection, Failure> {
    let topics: Vec<Topic> = writes.iter().copied().chain([dead_letters]).collect();
    let config = kafka.clone();
    let checked = tokio::task::spawn_blocking(move || cluster::check(&config, &topics)).await;
    checked?.map_err(|error| Failure::with(Exit::Unreachable, error))?;
    let registry = Registry::new(&registry.0, context.runtime.clone())
        .map_err(|error| Failure::with(Exit::Usage, error))?;
    registry.register(writes).await.map_err(|error| Failure::with(Exit::Unreachable, error))?;
    let mut ids = SchemaIds::new();
    for topic in writes {
        ids.insert(*topic, registry.id(*topic)?);
    }
    let wire = Wire::new(context.service, dead_letters, kafka.partitions, ids, Arc::new(registry));
    Ok(Connection { wire })
}

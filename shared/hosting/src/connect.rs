//! What a service does before it starts its stages: the cluster answers, the registry has our schemas.

use std::sync::Arc;

use chassis::{Context, Exit, Failure, Fate};
use contracts::Topic;
use kafka_io::cluster::{self, ClusterError};
use kafka_io::{
    ErrorChain, KafkaConfig, MaybeAccessDenied, Registry, RegistryError, SchemaIds, Started, Wire,
};

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
/// [`Exit::Refused`] when the cluster or the registry doesn't let us in, [`Exit::Unreachable`] when one of them doesn't answer, or
/// isn't what the contract says.
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
    checked?.map_err(|error| {
        let exit =
            if matches!(error, ClusterError::AccessDenied(_)) { Exit::Refused } else { Exit::Unreachable };
        Failure::with(exit, error)
    })?;
    let registry = Registry::of_service(context.service, &registry.0, context.runtime.clone())
        .map_err(|error| Failure::with(Exit::Usage, error))?;
    start(context, &registry, writes).await?;
    let mut ids = SchemaIds::new();
    for topic in writes {
        ids.insert(*topic, registry.id(*topic)?);
    }
    let wire = Wire::new(context.service, dead_letters, kafka.partitions, ids, Arc::new(registry));
    Ok(Connection { wire })
}

/// Registers what the service writes. Where the registry is away and the cache folder knows the ids, the service starts with these,
/// and ends when the registry says otherwise later.
async fn start(context: &Context, registry: &Registry, writes: &[Topic]) -> Result<(), Failure> {
    let ends = |otherwise| {
        move |error: RegistryError| {
            Failure::with(if error.is_access_denied() { Exit::Refused } else { otherwise }, error)
        }
    };
    let started = registry.start(writes).await.map_err(ends(Exit::Unreachable))?;
    if let Started::Cached(away) = started {
        tracing::warn!(error = %ErrorChain(&away), "started with the schema ids of the cache folder");
        let (registry, writes) = (registry.clone(), writes.to_vec());
        context.tasks.spawn("registry-confirm", Fate::UntilShutdown, async move {
            registry.confirm(&writes).await.map_err(ends(Exit::Failed))?;
            tracing::info!(url = registry.url(), "the registry confirms the schema ids of the cache folder");
            std::future::pending().await
        });
    }
    Ok(())
}

//! Connection of a service at start: checks the cluster and registers the schemas.

use std::sync::Arc;

use chassis::{Context, EndPolicy, Exit, Failure};
use contracts::Topic;
use kafka_io::cluster::{self, ClusterError};
use kafka_io::{
    ErrorChain, KafkaConfig, MaybeAccessDenied, Registry, RegistryError, SchemaIds, Started, Wire,
};

use crate::sections::RegistrySection;

/// The result of [`connect`].
#[derive(Clone)]
pub struct Connection {
    /// Converts between records and events.
    pub wire: Wire,
}

/// Checks the cluster, registers the schemas of the topics that the service `writes`, and returns its [`Wire`].
///
/// # Errors
/// [`Exit::Refused`] if the cluster or the registry denies access; [`Exit::Unreachable`] if one of them is unavailable or differs from the
/// contract.
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
    register(context, &registry, writes).await?;
    let mut ids = SchemaIds::new();
    for topic in writes {
        ids.insert(*topic, registry.id(*topic)?);
    }
    let wire = Wire::new(context.service, dead_letters, kafka.partitions, ids, Arc::new(registry));
    Ok(Connection { wire })
}

/// Registers the schemas of the topics that the service writes. If the registry is unavailable and the cache folder contains the ids, the
/// service starts with these ids. It fails if the registry later returns other ids.
async fn register(context: &Context, registry: &Registry, writes: &[Topic]) -> Result<(), Failure> {
    let failure = |exit| {
        move |error: RegistryError| {
            Failure::with(if error.is_access_denied() { Exit::Refused } else { exit }, error)
        }
    };
    let started = registry.start(writes).await.map_err(failure(Exit::Unreachable))?;
    if let Started::Cached(error) = started {
        tracing::warn!(error = %ErrorChain(&error), "schema registry unavailable: starting with cached schema ids");
        let (registry, writes) = (registry.clone(), writes.to_vec());
        context.tasks.spawn("registry-confirm", EndPolicy::UntilShutdown, async move {
            registry.confirm(&writes).await.map_err(failure(Exit::Failed))?;
            tracing::info!(url = registry.url(), "schema registry confirmed the cached schema ids");
            std::future::pending().await
        });
    }
    Ok(())
}

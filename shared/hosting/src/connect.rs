//! Connection of a service at start: checks the cluster and registers the schemas.

use std::sync::Arc;

use chassis::health::Latch;
use chassis::{Context, EndPolicy, Exit, Failure};
use contracts::Topic;
use kafka_io::{
    ErrorChain, KafkaConfig, Registry, RegistryCallError, RegistryError, RegistryErrorKind, SchemaIds,
    Started, Wire,
};

use crate::sections::RegistrySection;
use crate::topic_wait;

/// The result of [`connect`].
#[derive(Clone)]
pub struct Connection {
    /// Converts between records and events.
    pub wire: Wire,
}

/// Checks the cluster, registers the schemas of the topics that the service `writes`, and returns its [`Wire`].
///
/// Waits up to `kafka.topics_wait_ms` for topics that it `reads` or `writes` and that do not exist yet, or may not be accessed yet.
/// Meanwhile `/ready` lists what the start waits for.
///
/// # Errors
/// [`Exit::Refused`] if the cluster or the registry denies access, rejects a schema or is no registry; [`Exit::Unreachable`] if one of
/// them is unavailable, or the cluster differs from the contract.
pub async fn connect(
    context: &Context,
    kafka: &KafkaConfig,
    registry: &RegistrySection,
    dead_letters: Topic,
    writes: &[Topic],
    reads: &[Topic],
) -> Result<Connection, Failure> {
    let start = context.health.component("connection");
    start.not_ready(format!("kafka: waiting for {}", kafka.shown_brokers()));
    let topics: Vec<Topic> = reads.iter().chain(writes).copied().chain([dead_letters]).collect();
    topic_wait::wait(kafka, &topics, &start).await?;
    let registry = Registry::of_service(context.service, &registry.0, context.runtime.clone())
        .map_err(|error| Failure::with(registry_exit(&error), error))?;
    register(context, &registry, writes, start.clone()).await?;
    let mut ids = SchemaIds::new();
    for topic in writes {
        ids.insert(*topic, registry.id(*topic)?);
    }
    start.ready();
    let wire = Wire::new(context.service, dead_letters, kafka.partitions, ids, Arc::new(registry));
    Ok(Connection { wire })
}

/// Registers the schemas of the topics that the service writes. If the registry is unavailable and the cache folder contains the ids, the
/// service starts with these ids. It fails if the registry later returns other ids.
async fn register(
    context: &Context,
    registry: &Registry,
    writes: &[Topic],
    start: Latch,
) -> Result<(), Failure> {
    let failure = |error: RegistryError| Failure::with(registry_exit(&error), error);
    let url = registry.url().to_owned();
    start.not_ready(format!("registry: waiting for {url}"));
    let waiting = move |error: &RegistryCallError| {
        start.not_ready(format!("registry: waiting for {url}: {error}"));
    };
    let started = registry.start(writes, &waiting).await.map_err(failure)?;
    if let Started::Cached(error) = started {
        tracing::warn!(error = %ErrorChain(&error), "schema registry unavailable: starting with cached schema ids");
        let (registry, writes) = (registry.clone(), writes.to_vec());
        context.tasks.spawn("registry-confirm", EndPolicy::UntilShutdown, async move {
            registry.confirm(&writes).await.map_err(failure)?;
            tracing::info!(url = registry.url(), "schema registry confirmed the cached schema ids");
            std::future::pending().await
        });
    }
    Ok(())
}

/// Returns the exit code of a start that fails with this error of the registry.
pub fn registry_exit(error: &RegistryError) -> Exit {
    match error.kind() {
        RegistryErrorKind::Config => Exit::Usage,
        RegistryErrorKind::Unavailable => Exit::Unreachable,
        RegistryErrorKind::Rejected => Exit::Refused,
        RegistryErrorKind::Defect => Exit::Failed,
    }
}

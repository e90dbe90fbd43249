//! The cluster and the registry, as the command line names them; and the commands that make both what the contract says.

use std::sync::Arc;

use contracts::Topic;
use contracts::catalogue::contracts;
use kafka_io::{KafkaConfig, Registry, RegistryConfig, RegistryError, SchemaIds, Wire, admin};
use tokio::runtime::Handle;

use crate::cli::ClusterArgs;
use crate::exit::Failure;

/// How long a command waits for a registry that doesn't answer: a person is watching.
const PATIENCE_MS: u32 = 10_000;

/// A real cluster at these brokers.
#[must_use]
pub fn kafka(brokers: &str) -> KafkaConfig {
    KafkaConfig { brokers: brokers.to_owned(), ..KafkaConfig::default() }
}

/// `tapeline topics apply`
///
/// # Errors
/// When the cluster can't be reached, refuses, or has topics that differ from the contract.
pub async fn apply_topics(cluster: &ClusterArgs, replication: i32) -> Result<(), Failure> {
    let report = admin::topics_apply(&kafka(&cluster.brokers), Topic::ALL, replication)
        .await
        .map_err(|e| Failure::Unreachable(e.to_string()))?;
    for topic in &report.created {
        println!("created    {topic}");
    }
    for topic in &report.unchanged {
        println!("unchanged  {topic}");
    }
    for difference in &report.differences {
        let admin::TopicDifference { topic, key, found, expected } = difference;
        println!("differs    {topic}: {key} is {found}, the contract says {expected}");
    }
    if report.differences.is_empty() {
        return Ok(());
    }
    Err(Failure::NotOk("some topics differ from the contract; they are left as they are".to_owned()))
}

/// `tapeline schemas register`
///
/// # Errors
/// When the registry can't be reached or refuses a schema.
pub async fn register_schemas(cluster: &ClusterArgs) -> Result<(), Failure> {
    let registry = registry(&cluster.registry)?;
    for contract in contracts() {
        let id = register(&registry, contract.topic).await?;
        println!("{id:>6}  {}", contract.topic.subject().unwrap_or_default());
    }
    Ok(())
}

/// Registers the schema of one topic and gives its id.
///
/// # Errors
/// When the registry can't be reached, with its address, or refuses the schema.
pub async fn register(registry: &Registry, topic: Topic) -> Result<u32, Failure> {
    let unreachable = |e: RegistryError| Failure::Unreachable(e.to_string());
    registry.register(&[topic]).await.map_err(unreachable)?;
    registry.id(topic).map_err(unreachable)
}

/// A way to Kafka for the command itself, which writes these topics.
///
/// # Errors
/// When the registry can't be reached, with its address, or refuses a schema.
pub async fn wire(registry: &Registry, topics: &[Topic], partitions: i32) -> Result<Wire, Failure> {
    let mut ids = SchemaIds::new();
    for topic in topics {
        ids.insert(*topic, register(registry, *topic).await?);
    }
    let dead_letters = Topic::PublisherDeadLetter;
    Ok(Wire::new("tapeline", dead_letters, partitions, ids, Arc::new(registry.clone())))
}

/// A client of the registry at this address.
///
/// # Errors
/// When the address is none.
pub fn registry(url: &str) -> Result<Registry, Failure> {
    let config =
        RegistryConfig { url: url.to_owned(), start_patience_ms: PATIENCE_MS, ..RegistryConfig::default() };
    Registry::new(&config, Handle::current()).map_err(|e| Failure::Usage(e.to_string()))
}

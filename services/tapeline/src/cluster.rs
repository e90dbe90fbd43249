//! The cluster and the registry, as the command line names them; and the commands that make both what the contract says.

use std::sync::Arc;

use contracts::Topic;
use contracts::catalogue::contracts;
use kafka_io::{KafkaConfig, Registry, admin};

use crate::cli::{BrokerArgs, RegistryArgs};
use crate::exit::Failure;

/// A real cluster at these brokers.
#[must_use]
pub fn kafka(brokers: &str) -> KafkaConfig {
    KafkaConfig { brokers: brokers.to_owned(), ..KafkaConfig::default() }
}

/// `tapeline topics apply`
///
/// # Errors
/// When the cluster can't be reached, refuses, or has topics that differ from the contract.
pub async fn apply_topics(cluster: &BrokerArgs, replication: i32) -> Result<(), Failure> {
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
pub async fn register_schemas(args: &RegistryArgs) -> Result<(), Failure> {
    let registry = registry(&args.registry).await?;
    for contract in contracts() {
        let id = registry
            .register(contract.topic)
            .await
            .map_err(|e| Failure::Unreachable(format!("{}: {e}", contract.topic)))?;
        println!("{id:>6}  {}", contract.topic.subject().unwrap_or_default());
    }
    Ok(())
}

/// A client of the registry, which answers.
///
/// # Errors
/// When it can't be reached, with its address.
pub async fn registry(url: &str) -> Result<Arc<Registry>, Failure> {
    todo_registry(url).await
}

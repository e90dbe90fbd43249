//! The cluster and the registry, as the command line names them; and the commands that make both what the contract says.

use std::sync::Arc;

use chassis::config;
use contracts::Topic;
use contracts::catalogue::contracts;
use kafka_io::{KafkaConfig, Registry, RegistryConfig, SchemaIds, Wire, admin};
use tokio::runtime::Handle;

use crate::cli::ClusterArgs;
use crate::exit::Failure;
use crate::say::say;
use crate::schemas_check;
use crate::settings::{BROKERS_VARIABLE, PREFIX, REGISTRY_VARIABLE, Settings};

/// How long a command waits for a registry that doesn't answer: a person is watching.
const PATIENCE_MS: u32 = 10_000;

/// How the command reaches its cluster: the flags over the environment over the file.
///
/// # Errors
/// Every fault of the three, a line each.
pub fn kafka(cluster: &ClusterArgs) -> Result<KafkaConfig, Failure> {
    settings(cluster).map(|settings| settings.kafka.0)
}

fn settings(cluster: &ClusterArgs) -> Result<Settings, Failure> {
    let mut env: Vec<_> = config::system_env().collect();
    for (variable, flag) in [(BROKERS_VARIABLE, &cluster.brokers), (REGISTRY_VARIABLE, &cluster.registry)] {
        if let Some(value) = flag {
            env.retain(|(name, _)| name != variable);
            env.push((variable.to_owned(), value.clone()));
        }
    }
    config::load(PREFIX, cluster.kafka_config.as_deref(), env.into_iter())
        .map_err(|faults| Failure::Usage(faults.to_string()))
}

/// `tapeline topics apply`
///
/// # Errors
/// When the cluster can't be reached, refuses, or has topics that differ from the contract.
pub async fn apply_topics(cluster: &ClusterArgs, replication: i32) -> Result<(), Failure> {
    let report = admin::topics_apply(&kafka(cluster)?, Topic::ALL, replication).await.map_err(Failure::of)?;
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

/// `tapeline topics check`
///
/// # Errors
/// When the cluster can't be reached, or has topics that are missing or differ from the contract.
pub async fn check_topics(cluster: &ClusterArgs, replication: i32) -> Result<(), Failure> {
    let differences =
        admin::topics_check(&kafka(cluster)?, Topic::ALL, replication).await.map_err(Failure::of)?;
    if differences.is_empty() {
        say(&format!("{} topics are as the contract says\n", Topic::ALL.len()));
        return Ok(());
    }
    let lines = differences.iter().map(|difference| format!("differs    {difference}\n"));
    say(&lines.collect::<String>());
    Err(Failure::NotOk(format!("{} differences from the contract", differences.len())))
}

/// `tapeline schemas register`: from then on the registry refuses what doesn't follow every earlier version, and precede it.
///
/// # Errors
/// When the registry can't be reached or refuses a schema.
pub async fn register_schemas(cluster: &ClusterArgs) -> Result<(), Failure> {
    let registry = registry(cluster)?;
    let levels = schemas_check::Asker::new(cluster)?;
    for contract in contracts() {
        let Some(subject) = contract.topic.subject() else { continue };
        let id = register(&registry, contract.topic).await?;
        levels.hold(&subject).await?;
        println!("{id:>6}  {subject}");
    }
    Ok(())
}

/// Registers the schema of one topic and gives its id.
///
/// # Errors
/// When the registry can't be reached, with its address, or refuses the schema.
pub async fn register(registry: &Registry, topic: Topic) -> Result<u32, Failure> {
    registry.register(&[topic]).await.map_err(Failure::of)?;
    registry.id(topic).map_err(Failure::of)
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

/// How the command reaches its registry: the flag over the environment over the file.
///
/// # Errors
/// Every fault of the three, a line each.
pub fn registry_config(cluster: &ClusterArgs) -> Result<RegistryConfig, Failure> {
    settings(cluster).map(|settings| settings.registry.0)
}

/// A client of the registry.
///
/// # Errors
/// As for [`registry_config`], and when the address is none.
pub fn registry(cluster: &ClusterArgs) -> Result<Registry, Failure> {
    registry_client(registry_config(cluster)?)
}

/// A client of the registry of this configuration, as patient as a command is.
///
/// # Errors
/// When the address is none.
pub fn registry_client(config: RegistryConfig) -> Result<Registry, Failure> {
    let config = RegistryConfig {
        start_patience_ms: PATIENCE_MS,
        // A command has nothing else to do while a schema is looked up.
        lookup_wait_ms: config.timeout_ms + 500,
        ..config
    };
    Registry::new(&config, Handle::current()).map_err(|e| Failure::Usage(e.to_string()))
}

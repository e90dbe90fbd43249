//! What a service asks of the cluster before it starts: does it answer, and are the topics those of the contract.

use std::time::Duration;

use contracts::Topic;
use rdkafka::error::KafkaError;

use crate::access_denied::{AccessDenied, MaybeAccessDenied};
use crate::client::{self, ClientError};
use crate::config::{KafkaConfig, Profile};
use crate::topics_seen::{self, Unseen};

/// The cluster isn't there, or isn't what the contract says.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// No client.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// It doesn't let us in, or not at a topic; trying again won't help.
    #[error(transparent)]
    AccessDenied(#[from] AccessDenied),
    /// Nobody answered.
    #[error("no broker of {brokers} answered within {waited_ms} ms: {cause}")]
    Unreachable {
        /// The bootstrap servers.
        brokers: String,
        /// How long it was tried.
        waited_ms: u32,
        /// What librdkafka says.
        cause: Box<KafkaError>,
    },
    /// A topic doesn't exist.
    #[error("topic {topic} does not exist on {brokers}: create it with `tapeline topics apply`")]
    MissingTopic {
        /// Its name.
        topic: &'static str,
        /// The bootstrap servers.
        brokers: String,
    },
    /// A topic has another number of partitions than the contract says.
    #[error(
        "topic {topic} has {found} partitions, the contract says {expected}: symbols would change their partition"
    )]
    PartitionCount {
        /// Its name.
        topic: &'static str,
        /// On the cluster.
        found: usize,
        /// In the configuration.
        expected: i32,
    },
}

impl MaybeAccessDenied for ClusterError {
    fn is_access_denied(&self) -> bool {
        matches!(self, Self::AccessDenied(_))
    }
}

/// Checks that the cluster answers and that these topics exist with the partitions of the contract. Blocks up to
/// `query_timeout_ms`.
///
/// # Errors
/// The first thing that isn't so.
pub fn check(config: &KafkaConfig, topics: &[Topic]) -> Result<(), ClusterError> {
    let inquirer = client::end_inquirer(config)?;
    let timeout = Duration::from_millis(config.query_timeout_ms.into());
    let metadata = topics_seen::all(&inquirer, config, timeout).map_err(|unseen| match unseen {
        Unseen::AccessDenied(refusal) => ClusterError::AccessDenied(refusal),
        Unseen::Unanswered(cause) => ClusterError::Unreachable {
            brokers: config.brokers.clone(),
            waited_ms: config.query_timeout_ms,
            cause: Box::new(cause),
        },
    })?;
    for topic in topics {
        let found = metadata.topics().iter().find(|found| found.name() == topic.name());
        let Some(found) = found.filter(|found| !found.partitions().is_empty()) else {
            if config.profile == Profile::Real
                && let Some(refusal) = topics_seen::hidden(&inquirer, config, topic.name(), timeout)
            {
                return Err(refusal.into());
            }
            return Err(ClusterError::MissingTopic { topic: topic.name(), brokers: config.brokers.clone() });
        };
        if i32::try_from(found.partitions().len()) != Ok(config.partitions) {
            return Err(ClusterError::PartitionCount {
                topic: topic.name(),
                found: found.partitions().len(),
                expected: config.partitions,
            });
        }
    }
    Ok(())
}

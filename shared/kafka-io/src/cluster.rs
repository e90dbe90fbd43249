//! Check of the cluster before a service starts: it is reachable, and its topics have the partitions of the contract.

use contracts::Topic;

use crate::access_denied::{AccessDenied, MaybeAccessDenied};
use crate::client::{self, ClientError};
use crate::config::{KafkaConfig, Profile};
use crate::librdkafka_error::LibrdkafkaError;
use crate::topic_metadata::{self, MetadataError};

/// The cluster is unavailable or differs from the contract.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// A client could not be created.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The cluster denies access, or access to a topic; no retry succeeds.
    #[error(transparent)]
    AccessDenied(#[from] AccessDenied),
    /// No broker responded.
    #[error("no broker of {brokers} available within {waited_ms} ms")]
    Unreachable {
        /// The bootstrap servers.
        brokers: String,
        /// The timeout, milliseconds.
        waited_ms: u32,
        /// The error of the metadata request.
        source: LibrdkafkaError,
    },
    /// A topic does not exist.
    #[error("topic {topic} does not exist on {brokers}: create it with `tapeline topics apply`")]
    MissingTopic {
        /// The topic's name.
        topic: &'static str,
        /// The bootstrap servers.
        brokers: String,
    },
    /// A topic's partition count differs from the configuration.
    #[error(
        "topic {topic} has {found} partitions, expected {expected}: symbols would change their partition"
    )]
    PartitionCount {
        /// The topic's name.
        topic: &'static str,
        /// Partitions on the cluster.
        found: usize,
        /// Partitions in the configuration.
        expected: i32,
    },
}

impl MaybeAccessDenied for ClusterError {
    fn is_access_denied(&self) -> bool {
        matches!(self, Self::AccessDenied(_))
    }
}

/// Checks that the cluster responds and that these topics exist with the configured partitions. Blocks up to `query_timeout_ms`.
///
/// # Errors
/// The first check that fails.
pub fn check(config: &KafkaConfig, topics: &[Topic]) -> Result<(), ClusterError> {
    let client = client::topic_query_client(config)?;
    let timeout = config.query_timeout_ms.as_duration();
    let metadata = topic_metadata::fetch_all(&client, config, timeout).map_err(|error| match error {
        MetadataError::AccessDenied(denied) => ClusterError::AccessDenied(denied),
        MetadataError::Unavailable(error) => ClusterError::Unreachable {
            brokers: config.brokers.clone(),
            waited_ms: config.query_timeout_ms.get(),
            source: error,
        },
    })?;
    for topic in topics {
        let found = metadata.topics().iter().find(|found| found.name() == topic.name());
        let Some(found) = found.filter(|found| !found.partitions().is_empty()) else {
            if config.profile == Profile::Real
                && let Some(denied) = topic_metadata::describe_denied(&client, config, topic.name(), timeout)
            {
                return Err(denied.into());
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

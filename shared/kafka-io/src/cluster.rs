//! Check of the cluster before a service starts: it is reachable, and its topics have the partitions of the contract.

use std::time::{Duration, Instant};

use contracts::Topic;
use kit::SaturatingFrom;

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

/// The least timeout of a request: one without any never gets a response.
const REQUEST_TIMEOUT_MIN: Duration = Duration::from_millis(1);

/// A topic that does not exist, or that the principal may not describe.
#[derive(Debug)]
pub struct AbsentTopic {
    /// The topic.
    pub topic: Topic,
    /// The error of a check that does not wait for it.
    pub error: ClusterError,
}

impl MaybeAccessDenied for ClusterError {
    fn is_access_denied(&self) -> bool {
        matches!(self, Self::AccessDenied(_))
    }
}

/// Checks that the cluster responds and that these topics exist with the configured partitions. Blocks up to twice `query_timeout_ms`.
///
/// # Errors
/// The first check that fails.
pub fn check(config: &KafkaConfig, topics: &[Topic]) -> Result<(), ClusterError> {
    absent(config, topics)?.into_iter().next().map_or(Ok(()), |absent| Err(absent.error))
}

/// As [`check`], but returns the topics that may appear later, because an operator creates topics and permissions in addition to the service: those
/// that are missing, and those that the principal may not describe.
///
/// # Errors
/// Any other check that fails.
pub fn absent(config: &KafkaConfig, topics: &[Topic]) -> Result<Vec<AbsentTopic>, ClusterError> {
    let client = client::topic_query_client(config)?;
    let timeout = config.query_timeout_ms.as_duration();
    let metadata = topic_metadata::fetch_all(&client, config, timeout).map_err(|error| match error {
        MetadataError::AccessDenied(denied) => ClusterError::AccessDenied(denied),
        MetadataError::Unavailable(error) => ClusterError::Unreachable {
            brokers: config.shown_brokers(),
            waited_ms: config.query_timeout_ms.get(),
            source: error,
        },
    })?;
    let mut missing = Vec::new();
    for topic in topics {
        let found = metadata.topics().iter().find(|found| found.name() == topic.name());
        match found.map_or(0, |found| found.partitions().len()) {
            0 => missing.push(*topic),
            found if i32::try_from(found) == Ok(config.partitions) => {}
            found => {
                let expected = config.partitions;
                return Err(ClusterError::PartitionCount { topic: topic.name(), found, expected });
            }
        }
    }
    let deadline = Instant::now() + timeout;
    let count = missing.len();
    let absent = missing.into_iter().enumerate().map(|(at, topic)| {
        let left = deadline.saturating_duration_since(Instant::now());
        let denied = match config.profile {
            Profile::Real => topic_metadata::describe_denied(
                &client,
                config,
                topic.name(),
                request_timeout(left, count - at),
            ),
            Profile::Embedded => None,
        };
        let missing = || ClusterError::MissingTopic { topic: topic.name(), brokers: config.shown_brokers() };
        AbsentTopic { topic, error: denied.map_or_else(missing, ClusterError::from) }
    });
    Ok(absent.collect())
}

/// Returns the timeout of the next of this number of requests that share the time left: none of them uses up that of the others, whose
/// denied topics would be reported as missing.
fn request_timeout(left: Duration, requests: usize) -> Duration {
    (left / u32::saturating_from(requests.max(1))).max(REQUEST_TIMEOUT_MIN)
}

#[cfg(test)]
mod tests {
    use kit::ErrorChain;

    use super::*;

    #[test]
    fn request_without_a_response_leaves_the_others_their_time() {
        let timeout = Duration::from_secs(6);
        let mut left = timeout;
        for requests in (1..=3).rev() {
            let wait = request_timeout(left, requests);
            assert_eq!(wait, timeout / 3, "{requests}");
            left -= wait;
        }
        assert_eq!(request_timeout(timeout, 1), timeout, "the last one has all that is left");
        assert_eq!(request_timeout(Duration::ZERO, 3), REQUEST_TIMEOUT_MIN);
    }

    #[test]
    fn unreachable_broker_is_named_with_the_cause() {
        // A port that was free a moment ago.
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        for (brokers, cause) in [
            (format!("127.0.0.1:{port}"), "Connection refused"),
            ("nosuch.invalid:9092".to_owned(), "Failed to resolve 'nosuch.invalid:9092'"),
        ] {
            let config = KafkaConfig { query_timeout_ms: 1_000.into(), ..KafkaConfig::embedded(&brokers) };
            let error = check(&config, &[]).unwrap_err();
            assert!(matches!(error, ClusterError::Unreachable { .. }), "{error:?}");
            let text = ErrorChain(&error).to_string();
            assert!(text.contains(&brokers) && text.contains(cause), "{text}");
        }
    }
}

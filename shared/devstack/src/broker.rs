//! Embedded broker: librdkafka's mock cluster on a port of the loopback address. It runs until the value is dropped.
//!
//! It is sufficient for the development mode and for tests of the data path: fast, in one process, without installation. It is not a
//! cluster: it does not isolate transactions, keeps 5 MiB per partition and deletes older records without notice (see
//! [`EmbeddedBroker::truncated`]), has no administration, compaction or retention, and stores nothing on disk.

use std::time::Duration;

use kafka_io::LibrdkafkaError;
use kafka_io::client::{self, ClientError, LogContext};
use rdkafka::producer::{BaseProducer, Producer};

/// Timeout of a request. The mock responds from memory.
const TIMEOUT: Duration = Duration::from_secs(2);

/// A broker in this process.
pub struct EmbeddedBroker {
    /// The client that hosts the cluster. Dropping it ends the cluster.
    host: BaseProducer<LogContext>,
    bootstrap: String,
    topics: Vec<(String, i32)>,
}

/// A partition whose first records were deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TruncatedPartition {
    pub topic: String,
    pub partition: i32,
    /// The number of deleted records, which is the offset of the first remaining one.
    pub records: i64,
}

#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error("failed to start the embedded broker: librdkafka created no mock cluster")]
    NoCluster,
    #[error("failed to create topic {topic} with {partitions} partitions on the embedded broker")]
    Topic {
        topic: String,
        partitions: i32,
        #[source]
        source: LibrdkafkaError,
    },
    #[error("failed to fetch the first offset of {topic}[{partition}] from the embedded broker")]
    FirstOffset {
        topic: String,
        partition: i32,
        #[source]
        source: LibrdkafkaError,
    },
}

impl EmbeddedBroker {
    /// Starts a broker with these topics and numbers of partitions. The mock creates unknown topics automatically, with four partitions.
    ///
    /// # Errors
    /// librdkafka fails to create the client or a topic.
    pub fn start(topics: &[(&str, i32)]) -> Result<Self, BrokerError> {
        let host = client::mock_host()?;
        let bootstrap = host.client().mock_cluster().ok_or(BrokerError::NoCluster)?.bootstrap_servers();
        let mut broker = Self { host, bootstrap, topics: Vec::new() };
        for (topic, partitions) in topics {
            broker.create_topic(topic, *partitions)?;
        }
        Ok(broker)
    }

    /// Creates a topic.
    ///
    /// # Errors
    /// It exists, or librdkafka fails to create it.
    pub fn create_topic(&mut self, topic: &str, partitions: i32) -> Result<(), BrokerError> {
        let cluster = self.host.client().mock_cluster().ok_or(BrokerError::NoCluster)?;
        cluster.create_topic(topic, partitions, 1).map_err(|source| BrokerError::Topic {
            topic: topic.to_owned(),
            partitions,
            source: source.into(),
        })?;
        self.topics.push((topic.to_owned(), partitions));
        Ok(())
    }

    /// Returns `host:port` for clients on this machine.
    #[must_use]
    pub fn bootstrap(&self) -> String {
        self.bootstrap.clone()
    }

    /// Returns the partitions whose first records were deleted because of the limit of 5 MiB. A later read from the start is incomplete: a
    /// run that needs all records has failed if the result is not empty. Blocks.
    ///
    /// # Errors
    /// The broker does not respond.
    pub fn truncated(&self) -> Result<Vec<TruncatedPartition>, BrokerError> {
        let mut truncated = Vec::new();
        for (topic, partitions) in &self.topics {
            for partition in 0..*partitions {
                let (low, _) =
                    self.host.client().fetch_watermarks(topic, partition, TIMEOUT).map_err(|source| {
                        BrokerError::FirstOffset { topic: topic.clone(), partition, source: source.into() }
                    })?;
                if low > 0 {
                    truncated.push(TruncatedPartition { topic: topic.clone(), partition, records: low });
                }
            }
        }
        Ok(truncated)
    }
}

impl std::fmt::Display for TruncatedPartition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}[{}] has lost its first {} records", self.topic, self.partition, self.records)
    }
}

//! The embedded broker: librdkafka's mock cluster, on a port of the loopback address, for as long as this value lives.
//!
//! It is Kafka enough for the dev mode and for tests of flow: quick, in one process, nothing to install. It is not a cluster: it
//! fakes transactions, keeps 5 MiB a partition (what is older vanishes without a word, see [`EmbeddedBroker::forgotten`]), knows no
//! administration, compaction or retention, and forgets everything at its end.

use std::time::Duration;

use kafka_io::client::{self, ClientError, LogContext};
use rdkafka::error::KafkaError;
use rdkafka::producer::{BaseProducer, Producer};

/// How long one question to the mock may take: it answers from memory.
const PATIENCE: Duration = Duration::from_secs(2);

/// A broker that lives in this process.
pub struct EmbeddedBroker {
    /// The client that hosts the cluster: dropping it ends the cluster.
    host: BaseProducer<LogContext>,
    bootstrap: String,
    topics: Vec<(String, i32)>,
}

/// A partition whose first records are gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forgotten {
    /// Its topic.
    pub topic: String,
    /// Its number.
    pub partition: i32,
    /// Records that are gone: the offset of the first that is kept.
    pub records: i64,
}

/// The embedded broker can't be had.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    /// librdkafka refuses a client.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// librdkafka made a client without a cluster.
    #[error("librdkafka gave no mock cluster")]
    NoCluster,
    /// A topic can't be made.
    #[error("the embedded broker did not make topic {topic} with {partitions} partitions: {cause}")]
    Topic {
        /// Its name.
        topic: String,
        /// Its partitions.
        partitions: i32,
        /// What librdkafka says.
        cause: KafkaError,
    },
    /// It doesn't answer.
    #[error("the embedded broker did not say where {topic}[{partition}] begins: {cause}")]
    Silent {
        /// The topic.
        topic: String,
        /// The partition.
        partition: i32,
        /// What librdkafka says.
        cause: KafkaError,
    },
}

impl EmbeddedBroker {
    /// A broker with these topics, each with its number of partitions: the mock would make an unknown one by itself, with four.
    ///
    /// # Errors
    /// When librdkafka refuses.
    pub fn start(topics: &[(&str, i32)]) -> Result<Self, BrokerError> {
        let host = client::mock_host()?;
        let bootstrap = {
            let cluster = host.client().mock_cluster().ok_or(BrokerError::NoCluster)?;
            for (topic, partitions) in topics {
                cluster.create_topic(topic, *partitions, 1).map_err(|cause| BrokerError::Topic {
                    topic: (*topic).to_owned(),
                    partitions: *partitions,
                    cause,
                })?;
            }
            cluster.bootstrap_servers()
        };
        let topics = topics.iter().map(|(topic, partitions)| ((*topic).to_owned(), *partitions)).collect();
        Ok(Self { host, bootstrap, topics })
    }

    /// `host:port` for clients, of this process and of others on this machine.
    #[must_use]
    pub fn bootstrap(&self) -> String {
        self.bootstrap.clone()
    }

    /// Partitions that have lost their first records to the limit of 5 MiB. Whoever reads from the start afterwards doesn't see all:
    /// a run that must be whole has failed once this isn't empty. Blocks.
    ///
    /// # Errors
    /// When the broker doesn't answer.
    pub fn forgotten(&self) -> Result<Vec<Forgotten>, BrokerError> {
        let mut forgotten = Vec::new();
        for (topic, partitions) in &self.topics {
            for partition in 0..*partitions {
                let (low, _) = self
                    .host
                    .client()
                    .fetch_watermarks(topic, partition, PATIENCE)
                    .map_err(|cause| BrokerError::Silent { topic: topic.clone(), partition, cause })?;
                if low > 0 {
                    forgotten.push(Forgotten { topic: topic.clone(), partition, records: low });
                }
            }
        }
        Ok(forgotten)
    }
}

impl std::fmt::Display for Forgotten {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}[{}] has lost its first {} records", self.topic, self.partition, self.records)
    }
}

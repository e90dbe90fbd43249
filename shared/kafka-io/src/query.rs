//! Queries about topics and groups that read no records: start and end offsets of partitions, committed offsets of a group.

use std::ops::Range;
use std::time::Duration;

use contracts::Topic;
use kit::SaturatingFrom;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::metadata::{Metadata, MetadataTopic};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use crate::access_denied::{AccessDenied, MaybeAccessDenied};
use crate::client::{self, ClientError, LogContext};
use crate::committed_offsets::committed_offsets;
use crate::config::{KafkaConfig, Profile};
use crate::librdkafka_error::LibrdkafkaError;
use crate::partition_ends::watermarks_of;
use crate::raw;
use crate::topic_metadata::{self, MetadataError};

/// The start of the cluster id that librdkafka's mock cluster reports.
const EMBEDDED_CLUSTER_ID: &str = "mockCluster";

/// A query failed.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// A client could not be created.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The cluster denies access; no retry succeeds.
    #[error(transparent)]
    AccessDenied(#[from] AccessDenied),
    /// The cluster does not respond, or responds with an error.
    #[error("failed to fetch {what} from {brokers}")]
    Failed {
        /// The bootstrap servers.
        brokers: String,
        /// The requested value, as `watermarks of feature.vector.computed.v1[3]`.
        what: String,
        /// The error of the request.
        source: LibrdkafkaError,
    },
    /// The cluster is an embedded broker, which does not list the members of groups.
    #[error("the embedded broker does not list the members of group {group}")]
    Embedded {
        /// The group.
        group: String,
    },
}

/// Start and end offset of a partition. Records of open transactions lie before the end, unless the query states otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watermarks {
    /// The partition.
    pub partition: i32,
    /// The offset of the first retained record.
    pub low: i64,
    /// The offset of the next record.
    pub high: i64,
}

/// A client that queries topics.
pub struct ClusterQuery {
    client: BaseConsumer<LogContext>,
    config: KafkaConfig,
    timeout: Duration,
}

/// A client that queries the committed offsets of a group.
pub struct GroupQuery {
    client: BaseConsumer<LogContext>,
    config: KafkaConfig,
    group: String,
    timeout: Duration,
}

impl MaybeAccessDenied for QueryError {
    fn is_access_denied(&self) -> bool {
        matches!(self, Self::AccessDenied(_))
    }
}

fn is_embedded(client: &BaseConsumer<LogContext>, timeout: Duration) -> bool {
    let id = client.client().fetch_cluster_id(timeout);
    id.is_some_and(|id| id.starts_with(EMBEDDED_CLUSTER_ID))
}

fn query_error(
    client: &BaseConsumer<LogContext>,
    config: &KafkaConfig,
    what: String,
    error: KafkaError,
) -> QueryError {
    match AccessDenied::of_query(client, config, &what, &error) {
        Some(denied) => QueryError::AccessDenied(denied),
        None => QueryError::Failed {
            brokers: config.shown_brokers(),
            what,
            source: client.context().connection().explain(error),
        },
    }
}

/// Fetches start and end of each of these partitions; `what` names them for errors.
fn fetch_watermarks(
    client: &BaseConsumer<LogContext>,
    config: &KafkaConfig,
    topic: Topic,
    partitions: Range<i32>,
    what: &str,
) -> Result<Vec<Watermarks>, QueryError> {
    let timeout = config.query_timeout_ms.as_duration();
    let of = |partition| {
        let (low, high) = watermarks_of(client, topic.name(), partition, timeout)
            .map_err(|error| query_error(client, config, format!("{what} of {topic}[{partition}]"), error))?;
        Ok(Watermarks { partition, low, high })
    };
    partitions.map(of).collect()
}

impl ClusterQuery {
    /// Creates a client for any number of queries.
    ///
    /// # Errors
    /// If librdkafka rejects an option.
    pub fn new(config: &KafkaConfig) -> Result<Self, ClientError> {
        let client = client::topic_query_client(config)?;
        Ok(Self { client, timeout: config.query_timeout_ms.as_duration(), config: config.clone() })
    }

    /// Returns the partition count of a topic, 0 if the topic does not exist. Blocks.
    ///
    /// # Errors
    /// If the cluster is unavailable or denies access to the topic.
    pub fn partitions(&self, topic: Topic) -> Result<i32, QueryError> {
        let metadata = self.metadata()?;
        let found = find(&metadata, topic);
        if found.is_none()
            && self.config.profile == Profile::Real
            && let Some(denied) =
                topic_metadata::describe_denied(&self.client, &self.config, topic.name(), self.timeout)
        {
            return Err(denied.into());
        }
        Ok(found.map_or(0, |found| i32::saturating_from(found.partitions().len())))
    }

    /// Returns whether the cluster is an embedded broker, which has no administration. Blocks.
    pub(crate) fn is_embedded(&self) -> bool {
        is_embedded(&self.client, self.timeout)
    }

    pub(crate) fn config(&self) -> &KafkaConfig {
        &self.config
    }

    /// Returns the lowest replica count among a topic's partitions, 0 if the topic does not exist. Blocks.
    ///
    /// # Errors
    /// If the cluster is unavailable.
    pub fn replicas(&self, topic: Topic) -> Result<i32, QueryError> {
        let metadata = self.metadata()?;
        let replicas = find(&metadata, topic)
            .and_then(|found| found.partitions().iter().map(|partition| partition.replicas().len()).min());
        Ok(replicas.map_or(0, i32::saturating_from))
    }

    /// Fetches all topics: a request for one topic would create it on the embedded broker.
    fn metadata(&self) -> Result<Metadata, QueryError> {
        topic_metadata::fetch_all(&self.client, &self.config, self.timeout).map_err(|error| match error {
            MetadataError::AccessDenied(denied) => QueryError::AccessDenied(denied),
            MetadataError::Unavailable(error) => QueryError::Failed {
                brokers: self.config.shown_brokers(),
                what: "topic metadata".to_owned(),
                source: error,
            },
        })
    }

    /// Fetches start and end of each partition of a topic. Blocks.
    ///
    /// # Errors
    /// If the cluster is unavailable or denies access.
    pub fn watermarks(&self, topic: Topic) -> Result<Vec<Watermarks>, QueryError> {
        fetch_watermarks(&self.client, &self.config, topic, 0..self.partitions(topic)?, "watermarks")
    }

    /// Fetches start and end of one partition of a topic. Blocks.
    ///
    /// # Errors
    /// If the cluster is unavailable or denies access, or the topic has no such partition.
    pub fn watermarks_of(&self, topic: Topic, partition: i32) -> Result<Watermarks, QueryError> {
        let fetched =
            fetch_watermarks(&self.client, &self.config, topic, partition..partition + 1, "watermarks")?;
        let of_none = Watermarks { partition, low: 0, high: 0 };
        Ok(fetched.first().copied().unwrap_or(of_none))
    }
}

impl GroupQuery {
    /// Fetches start and last stable offset of each of `partitions` partitions of a topic: the end for `read_committed` readers,
    /// before records of open transactions. Blocks.
    ///
    /// # Errors
    /// If the cluster is unavailable or denies access.
    pub fn stable_ends(&self, topic: Topic, partitions: i32) -> Result<Vec<Watermarks>, QueryError> {
        fetch_watermarks(&self.client, &self.config, topic, 0..partitions, "last stable offset")
    }

    /// Creates a client for any number of queries about one group.
    ///
    /// # Errors
    /// If librdkafka rejects an option.
    pub fn new(config: &KafkaConfig, group: &str) -> Result<Self, ClientError> {
        let client = client::group_query_client(config, group)?;
        let timeout = config.query_timeout_ms.as_duration();
        Ok(Self { client, config: config.clone(), group: group.to_owned(), timeout })
    }

    /// Fetches the members of the group, each with its client id and host. Blocks.
    ///
    /// # Errors
    /// If the cluster is unavailable, denies access or is an embedded broker.
    pub fn members(&self) -> Result<Vec<String>, QueryError> {
        if is_embedded(&self.client, self.timeout) {
            return Err(QueryError::Embedded { group: self.group.clone() });
        }
        raw::members(&self.client, &self.group, self.timeout).map_err(|error| {
            query_error(&self.client, &self.config, format!("members of group {}", self.group), error)
        })
    }

    /// Fetches the committed offset of each of `partitions` partitions of a topic; `None` if the group has committed none. Blocks.
    ///
    /// # Errors
    /// If the cluster is unavailable or denies access.
    pub fn committed(&self, topic: Topic, partitions: i32) -> Result<Vec<(i32, Option<i64>)>, QueryError> {
        let mut list = TopicPartitionList::new();
        if partitions < 1 {
            return Ok(Vec::new());
        }
        list.add_partition_range(topic.name(), 0, partitions - 1);
        let committed = committed_offsets(&self.client, &list, self.timeout).map_err(|error| {
            let what = format!("committed offsets of group {} in {topic}", self.group);
            query_error(&self.client, &self.config, what, error)
        })?;
        let elements = committed.elements();
        let offsets = elements.iter().map(|element| match element.offset() {
            Offset::Offset(offset) => (element.partition(), Some(offset)),
            _ => (element.partition(), None),
        });
        Ok(offsets.collect())
    }
}

fn find(metadata: &Metadata, topic: Topic) -> Option<&MetadataTopic> {
    metadata.topics().iter().find(|found| found.name() == topic.name())
}

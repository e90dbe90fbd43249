//! Questions about topics and groups that read nothing: where they begin and end, how far a group is.

use std::time::Duration;

use contracts::Topic;
use rdkafka::consumer::BaseConsumer;
use rdkafka::error::KafkaError;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use crate::access_denied::{AccessDenied, MaybeAccessDenied};
use crate::client::{self, ClientError, LogContext};
use crate::committed::committed_offsets;
use crate::config::{KafkaConfig, Profile};
use crate::ends::watermarks_of;
use crate::topics_seen::{self, Unseen};

/// A question wasn't answered.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// No client.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The cluster doesn't let us in; asking again won't help.
    #[error(transparent)]
    AccessDenied(#[from] AccessDenied),
    /// The cluster doesn't answer, or not with what was asked.
    #[error("brokers {brokers} did not say {what}: {cause}")]
    Unanswered {
        /// The bootstrap servers.
        brokers: String,
        /// What was asked.
        what: String,
        /// What librdkafka says.
        cause: Box<KafkaError>,
    },
}

/// Where a partition begins and ends, records of open transactions included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watermarks {
    /// The partition.
    pub partition: i32,
    /// The offset of its first record.
    pub low: i64,
    /// The offset of its next record.
    pub high: i64,
}

/// Asks about topics.
pub struct ClusterQuery {
    client: BaseConsumer<LogContext>,
    config: KafkaConfig,
    timeout: Duration,
}

/// Asks how far a group is.
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

/// Why a question about `what` wasn't answered.
fn unanswered(
    client: &BaseConsumer<LogContext>,
    config: &KafkaConfig,
    what: String,
    cause: KafkaError,
) -> QueryError {
    match AccessDenied::behind(client, config, &what, &cause) {
        Some(refusal) => QueryError::AccessDenied(refusal),
        None => QueryError::Unanswered { brokers: config.brokers.clone(), what, cause: Box::new(cause) },
    }
}

/// Where each of `partitions` partitions begins, and where it `ends` as this client sees it.
fn watermarks(
    client: &BaseConsumer<LogContext>,
    config: &KafkaConfig,
    topic: Topic,
    partitions: i32,
    ends: &str,
) -> Result<Vec<Watermarks>, QueryError> {
    let timeout = Duration::from_millis(config.query_timeout_ms.into());
    let of = |partition| {
        let (low, high) = watermarks_of(client, topic.name(), partition, timeout).map_err(|cause| {
            unanswered(client, config, format!("where {topic}[{partition}] {ends}"), cause)
        })?;
        Ok(Watermarks { partition, low, high })
    };
    (0..partitions).map(of).collect()
}

impl ClusterQuery {
    /// One client for any number of questions.
    ///
    /// # Errors
    /// When librdkafka refuses an option.
    pub fn new(config: &KafkaConfig) -> Result<Self, ClientError> {
        let client = client::end_inquirer(config)?;
        let timeout = Duration::from_millis(config.query_timeout_ms.into());
        Ok(Self { client, config: config.clone(), timeout })
    }

    /// How many partitions a topic has; 0 when it doesn't exist.
    ///
    /// # Errors
    /// When the cluster doesn't answer, or hides the topic from us.
    pub fn partitions(&self, topic: Topic) -> Result<i32, QueryError> {
        let metadata = self.metadata()?;
        let found = metadata.topics().iter().find(|found| found.name() == topic.name());
        if found.is_none()
            && self.config.profile == Profile::Real
            && let Some(refusal) = topics_seen::hidden(&self.client, &self.config, topic.name(), self.timeout)
        {
            return Err(refusal.into());
        }
        Ok(found.map_or(0, |found| i32::try_from(found.partitions().len()).unwrap_or(i32::MAX)))
    }

    pub(crate) fn config(&self) -> &KafkaConfig {
        &self.config
    }

    /// The fewest replicas that a partition of a topic has; 0 when it doesn't exist.
    ///
    /// # Errors
    /// When the cluster doesn't answer.
    pub fn replicas(&self, topic: Topic) -> Result<i32, QueryError> {
        let metadata = self.metadata()?;
        let found = metadata.topics().iter().find(|found| found.name() == topic.name());
        let replicas =
            found.and_then(|found| found.partitions().iter().map(|one| one.replicas().len()).min());
        Ok(replicas.map_or(0, |count| i32::try_from(count).unwrap_or(i32::MAX)))
    }

    /// All topics: asking for one by name would create it on the embedded broker.
    fn metadata(&self) -> Result<rdkafka::metadata::Metadata, QueryError> {
        topics_seen::all(&self.client, &self.config, self.timeout).map_err(|unseen| match unseen {
            Unseen::AccessDenied(refusal) => QueryError::AccessDenied(refusal),
            Unseen::Unanswered(cause) => QueryError::Unanswered {
                brokers: self.config.brokers.clone(),
                what: "which topics there are".to_owned(),
                cause: Box::new(cause),
            },
        })
    }

    /// Where each partition of a topic begins and ends. Blocks.
    ///
    /// # Errors
    /// When the cluster doesn't answer.
    pub fn watermarks(&self, topic: Topic) -> Result<Vec<Watermarks>, QueryError> {
        watermarks(&self.client, &self.config, topic, self.partitions(topic)?, "ends")
    }
}

impl GroupQuery {
    /// Where each of `partitions` partitions of a topic ends for committed readers: before records of open transactions. Blocks.
    ///
    /// # Errors
    /// When the cluster doesn't answer.
    pub fn stable_ends(&self, topic: Topic, partitions: i32) -> Result<Vec<Watermarks>, QueryError> {
        watermarks(&self.client, &self.config, topic, partitions, "is stable")
    }

    /// One client for any number of questions about one group.
    ///
    /// # Errors
    /// When librdkafka refuses an option.
    pub fn new(config: &KafkaConfig, group: &str) -> Result<Self, ClientError> {
        let client = client::group_inquirer(config, group)?;
        let timeout = Duration::from_millis(config.query_timeout_ms.into());
        Ok(Self { client, config: config.clone(), group: group.to_owned(), timeout })
    }

    /// The committed offset of each of `partitions` partitions of a topic; none where nothing was committed. Blocks.
    ///
    /// # Errors
    /// When the cluster doesn't answer.
    pub fn committed(&self, topic: Topic, partitions: i32) -> Result<Vec<(i32, Option<i64>)>, QueryError> {
        let mut list = TopicPartitionList::new();
        if partitions < 1 {
            return Ok(Vec::new());
        }
        list.add_partition_range(topic.name(), 0, partitions - 1);
        let committed = committed_offsets(&self.client, &list, self.timeout).map_err(|cause| {
            let what = format!("what group {} has committed of {topic}", self.group);
            unanswered(&self.client, &self.config, what, cause)
        })?;
        let offset =
            |element: &rdkafka::topic_partition_list::TopicPartitionListElem<'_>| match element.offset() {
                Offset::Offset(offset) => Some(offset),
                _ => None,
            };
        Ok(committed.elements().iter().map(|element| (element.partition(), offset(element))).collect())
    }
}

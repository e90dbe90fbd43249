//! Committed offsets of a group, read and written by a caller that is not a member: for the replay of dead letters.

use std::collections::BTreeMap;
use std::time::Duration;

use contracts::Topic;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use crate::access_denied::{AccessDenied, MaybeAccessDenied};
use crate::client::{self, ClientError, LogContext};
use crate::committed_offsets::committed_offsets;
use crate::config::KafkaConfig;
use crate::librdkafka_error::LibrdkafkaError;
use crate::raw;

/// A group's offsets could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum GroupOffsetsError {
    /// A client could not be created.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The cluster denies access; no retry succeeds.
    #[error(transparent)]
    AccessDenied(#[from] AccessDenied),
    /// The committed offsets are not available.
    #[error("failed to fetch committed offsets of group {group} from {brokers}")]
    Fetch {
        /// The bootstrap servers.
        brokers: String,
        /// The group.
        group: String,
        /// The error of the request.
        source: LibrdkafkaError,
    },
    /// The cluster rejected a commit; a group that has members accepts none from outside.
    #[error("failed to commit offsets of group {group} to {brokers}")]
    Commit {
        /// The bootstrap servers.
        brokers: String,
        /// The group.
        group: String,
        /// The error of the request.
        source: LibrdkafkaError,
    },
}

impl MaybeAccessDenied for GroupOffsetsError {
    fn is_access_denied(&self) -> bool {
        matches!(self, Self::AccessDenied(_))
    }
}

/// A committed offset of a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommittedOffset {
    /// The offset of the next record to read.
    pub offset: i64,
    /// The commit metadata. Invalid UTF-8 is replaced by U+FFFD.
    pub metadata: String,
}

/// A client that reads and commits a group's offsets, without a subscription.
pub struct GroupOffsets {
    client: BaseConsumer<LogContext>,
    config: KafkaConfig,
    group: String,
    timeout: Duration,
}

impl GroupOffsets {
    /// Creates a client for one group.
    ///
    /// # Errors
    /// If librdkafka rejects an option.
    pub fn new(config: &KafkaConfig, group: &str) -> Result<Self, ClientError> {
        let client = client::group_query_client(config, group)?;
        let timeout = config.query_timeout_ms.as_duration();
        Ok(Self { client, config: config.clone(), group: group.to_owned(), timeout })
    }

    /// Fetches the committed offsets of these partitions; partitions without one are left out. Blocks.
    ///
    /// # Errors
    /// If the cluster is unavailable or denies access.
    pub fn committed(
        &self,
        partitions: impl IntoIterator<Item = (Topic, i32)>,
    ) -> Result<BTreeMap<(Topic, i32), CommittedOffset>, GroupOffsetsError> {
        let mut list = TopicPartitionList::new();
        for (topic, partition) in partitions {
            list.add_partition(topic.name(), partition);
        }
        let committed = committed_offsets(&self.client, &list, self.timeout).map_err(|error| {
            self.access_denied("committed offsets", &error).unwrap_or_else(|| GroupOffsetsError::Fetch {
                brokers: self.config.shown_brokers(),
                group: self.group.clone(),
                source: error.into(),
            })
        })?;
        let elements = committed.elements();
        let offsets = elements.iter().zip(raw::metadata(&committed)).filter_map(|(element, metadata)| {
            let Offset::Offset(offset) = element.offset() else { return None };
            let partition = (Topic::from_name(element.topic())?, element.partition());
            let metadata = String::from_utf8_lossy(&metadata).into_owned();
            Some((partition, CommittedOffset { offset, metadata }))
        });
        Ok(offsets.collect())
    }

    /// Commits the offsets of the next records to read, each with this commit metadata, and waits for the acknowledgement. Blocks.
    ///
    /// # Errors
    /// If the cluster is unavailable or rejects the commit.
    pub fn commit(
        &self,
        offsets: &BTreeMap<(Topic, i32), i64>,
        metadata: &str,
    ) -> Result<(), GroupOffsetsError> {
        self.try_commit(offsets, metadata).map_err(|error| {
            self.access_denied("commit", &error).unwrap_or_else(|| GroupOffsetsError::Commit {
                brokers: self.config.shown_brokers(),
                group: self.group.clone(),
                source: error.into(),
            })
        })
    }

    fn access_denied(&self, what: &str, error: &KafkaError) -> Option<GroupOffsetsError> {
        let what = format!("group {}: {what}", self.group);
        AccessDenied::of_query(&self.client, &self.config, &what, error).map(GroupOffsetsError::AccessDenied)
    }

    fn try_commit(&self, offsets: &BTreeMap<(Topic, i32), i64>, metadata: &str) -> Result<(), KafkaError> {
        let mut list = TopicPartitionList::new();
        for ((topic, partition), offset) in offsets {
            let mut element = list.add_partition(topic.name(), *partition);
            element.set_offset(Offset::Offset(*offset))?;
            element.set_metadata(metadata);
        }
        self.client.commit(&list, CommitMode::Sync)
    }
}

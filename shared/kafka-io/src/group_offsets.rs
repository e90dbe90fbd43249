//! A group's offsets for a caller that reads without being a member: how far it is, and a commit with a word beside it.

use std::collections::BTreeMap;
use std::time::Duration;

use contracts::Topic;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use crate::access_denied::{AccessDenied, MaybeAccessDenied};
use crate::client::{self, ClientError, LogContext};
use crate::committed::committed_offsets;
use crate::config::KafkaConfig;
use crate::raw;

/// A group's offsets weren't told or taken.
#[derive(Debug, thiserror::Error)]
pub enum GroupOffsetsError {
    /// No client.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The cluster doesn't let us; asking again won't help.
    #[error(transparent)]
    NoAdmission(#[from] AccessDenied),
    /// The cluster doesn't answer.
    #[error("brokers {brokers} did not say what group {group} has committed: {cause}")]
    Unanswered {
        /// The bootstrap servers.
        brokers: String,
        /// The group.
        group: String,
        /// What librdkafka says.
        cause: Box<KafkaError>,
    },
    /// The cluster doesn't take a commit; a group that has members takes none from outside.
    #[error("brokers {brokers} did not take a commit of group {group}: {cause}")]
    Refused {
        /// The bootstrap servers.
        brokers: String,
        /// The group.
        group: String,
        /// What librdkafka says.
        cause: Box<KafkaError>,
    },
}

impl MaybeAccessDenied for GroupOffsetsError {
    fn is_access_denied(&self) -> bool {
        matches!(self, Self::NoAdmission(_))
    }
}

/// What a group has committed of a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommittedOffset {
    /// The next offset to read.
    pub offset: i64,
    /// What was said beside it.
    pub metadata: String,
}

/// Asks for a group's offsets and commits them, without a subscription.
pub struct GroupOffsets {
    client: BaseConsumer<LogContext>,
    config: KafkaConfig,
    group: String,
    timeout: Duration,
}

impl GroupOffsets {
    /// One client for one group.
    ///
    /// # Errors
    /// When librdkafka refuses an option.
    pub fn new(config: &KafkaConfig, group: &str) -> Result<Self, ClientError> {
        let client = client::group_inquirer(config, group)?;
        let timeout = Duration::from_millis(config.query_timeout_ms.into());
        Ok(Self { client, config: config.clone(), group: group.to_owned(), timeout })
    }

    /// What is committed of these partitions; those of which nothing is are left out. Blocks.
    ///
    /// # Errors
    /// When the cluster doesn't answer.
    pub fn committed(
        &self,
        partitions: impl IntoIterator<Item = (Topic, i32)>,
    ) -> Result<BTreeMap<(Topic, i32), CommittedOffset>, GroupOffsetsError> {
        let mut list = TopicPartitionList::new();
        for (topic, partition) in partitions {
            list.add_partition(topic.name(), partition);
        }
        let committed = committed_offsets(&self.client, &list, self.timeout).map_err(|cause| {
            self.refusal("what is committed", &cause).unwrap_or_else(|| GroupOffsetsError::Unanswered {
                brokers: self.config.brokers.clone(),
                group: self.group.clone(),
                cause: Box::new(cause),
            })
        })?;
        let elements = committed.elements();
        let said = elements.iter().zip(raw::metadata(&committed)).filter_map(|(element, metadata)| {
            let Offset::Offset(offset) = element.offset() else { return None };
            let place = (Topic::from_name(element.topic())?, element.partition());
            let metadata = String::from_utf8_lossy(&metadata).into_owned();
            Some((place, CommittedOffset { offset, metadata }))
        });
        Ok(said.collect())
    }

    /// Commits the next offsets to read, each with these words beside it, and waits until they are taken. Blocks.
    ///
    /// # Errors
    /// When the cluster doesn't take them.
    pub fn commit(
        &self,
        offsets: &BTreeMap<(Topic, i32), i64>,
        metadata: &str,
    ) -> Result<(), GroupOffsetsError> {
        self.try_commit(offsets, metadata).map_err(|cause| {
            self.refusal("a commit", &cause).unwrap_or_else(|| GroupOffsetsError::Refused {
                brokers: self.config.brokers.clone(),
                group: self.group.clone(),
                cause: Box::new(cause),
            })
        })
    }

    fn refusal(&self, what: &str, cause: &KafkaError) -> Option<GroupOffsetsError> {
        let what = format!("group {}: {what}", self.group);
        AccessDenied::behind(&self.client, &self.config, &what, cause).map(GroupOffsetsError::NoAdmission)
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

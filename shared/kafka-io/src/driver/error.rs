//! Errors that end a driver, and those that end a session.

use std::error::Error;

use rdkafka::error::KafkaError;

use crate::access_denied::AccessDenied;
use crate::client::ClientError;
use crate::cluster::ClusterError;
use crate::config_error::ConfigError;

/// The cause of a [`DriverError`]: an error of librdkafka or of a broker.
type Cause = Box<dyn Error + Send + Sync>;

/// Ends a driver without a shutdown request. Each kind has an exit code of its own.
#[derive(Debug, thiserror::Error)]
pub enum DriverError {
    /// The configuration is invalid.
    #[error("invalid kafka configuration: {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Config(Vec<ConfigError>),
    /// A client could not be created.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The cluster is unavailable, or its topics differ from the contract.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// The cluster denies access to it, or to something that the stage needs.
    #[error(transparent)]
    AccessDenied(#[from] AccessDenied),
    /// The partition does not contain the committed offset of the group: records were deleted before they were read, or the topic was
    /// recreated. To continue would skip or repeat records silently.
    #[error(
        "committed offset {offset} of group {group} is out of range in {topic}[{partition}]: reset the offset of the group deliberately"
    )]
    MissingOffset {
        /// The group.
        group: String,
        /// The topic.
        topic: String,
        /// The partition.
        partition: i32,
        /// The committed offset; negative if it is unknown.
        offset: i64,
    },
    /// Another instance uses the same transactional id.
    #[error(
        "fenced: another instance uses the transactional id {transactional_id}, each needs its own ordinal"
    )]
    Fenced {
        /// The id.
        transactional_id: String,
        /// The error of librdkafka.
        #[source]
        cause: Cause,
    },
    /// No transaction can begin: its coordinator does not respond.
    #[error("transaction coordinator unavailable: group {group}, {waited_s} s")]
    NoCoordinator {
        /// The group.
        group: String,
        /// Time that the driver waited for it, in seconds.
        waited_s: u64,
        /// The error of librdkafka.
        #[source]
        cause: Cause,
    },
    /// Calls of several clients have not returned: librdkafka hangs, and only a new process is free of the clients left running.
    #[error("{hung} abandoned clients hang: group {group}")]
    ClientsAbandoned {
        /// The group.
        group: String,
        /// The number of abandoned clients of the process whose calls have not returned.
        hung: u32,
        /// The last call.
        #[source]
        cause: Cause,
    },
    /// A client failed, was recreated, and failed again before anything was delivered.
    #[error("unrecoverable client error")]
    Fatal {
        /// The error of librdkafka.
        #[source]
        cause: Cause,
    },
    /// The cluster will never accept a record, or never from this client.
    #[error("failed to produce a record: rejected permanently")]
    Unproducible {
        /// The topic and the partition of the record, and the error of librdkafka or of the broker.
        #[source]
        cause: Cause,
    },
}

/// A consumer of a session failed: the clients are recreated.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConsumerError {
    #[error(transparent)]
    Call(#[from] KafkaError),
    /// librdkafka reported a fatal error.
    #[error("{0}")]
    Fatal(String),
}

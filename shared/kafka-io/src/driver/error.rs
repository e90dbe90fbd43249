//! Why a driver ends without having been asked to.

use crate::access_denied::AccessDenied;
use crate::client::ClientError;
use crate::cluster::ClusterError;
use crate::config_error::ConfigError;

/// A driver can't go on. Each kind has an exit code of its own.
#[derive(Debug, thiserror::Error)]
pub enum DriverError {
    /// The configuration is wrong.
    #[error("kafka configuration: {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Config(Vec<ConfigError>),
    /// A client couldn't be made.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The cluster isn't there, or isn't what the contract says.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// The cluster doesn't let us in any more, or doesn't let us do what the stage needs.
    #[error(transparent)]
    AccessDenied(#[from] AccessDenied),
    /// The group has committed an offset that the partition no longer holds: records were deleted unread, or the topic was made
    /// anew. Going on would skip or repeat them without a word.
    #[error(
        "group {group} stands at offset {offset} of {topic}[{partition}], which the partition does not hold: reset the group's offset knowingly"
    )]
    MissingOffset {
        /// The group.
        group: String,
        /// The topic.
        topic: String,
        /// The partition.
        partition: i32,
        /// Where the group stands; negative when even that is unknown.
        offset: i64,
    },
    /// Another instance works under the same transactional id.
    #[error("another instance works as {transactional_id}, give each its own ordinal: {cause}")]
    Fenced {
        /// The id.
        transactional_id: String,
        /// What librdkafka says.
        cause: String,
    },
    /// No transaction can begin: its coordinator doesn't answer.
    #[error("the transaction coordinator of group {group} was not there for {waited_s} s: {cause}")]
    NoCoordinator {
        /// The group.
        group: String,
        /// How long it was waited for.
        waited_s: u64,
        /// What librdkafka says.
        cause: String,
    },
    /// The client failed for good, was made anew, and failed for good again before anything was delivered.
    #[error("the client failed again right after it was made anew: {cause}")]
    Fatal {
        /// What librdkafka says.
        cause: String,
    },
    /// A record that the cluster will never take, or never from us.
    #[error("a record can never be produced: {cause}")]
    Unproducible {
        /// Its topic and partition, and what librdkafka or the broker says.
        cause: String,
    },
}

//! Durations of the Kafka configuration.

use std::time::Duration;

use crate::config::KafkaConfig;

/// Bound of one query to the cluster.
pub(super) fn query(config: &KafkaConfig) -> Duration {
    Duration::from_millis(config.query_timeout_ms.into())
}

/// Bound of a transaction, from its begin to its end.
pub(super) fn transaction(config: &KafkaConfig) -> Duration {
    Duration::from_millis(config.transaction_timeout_ms.into())
}

/// Bound of the last offset commit during a shutdown.
pub(super) fn commit(config: &KafkaConfig) -> Duration {
    Duration::from_millis(config.commit_timeout_ms.into())
}

/// Time without fetched records after which the stall watchdog checks a partition.
pub(super) fn watchdog(config: &KafkaConfig) -> Duration {
    Duration::from_millis(config.watchdog_ms.into())
}

/// Time that a drain may take.
pub(super) fn drain(config: &KafkaConfig) -> Duration {
    Duration::from_millis(config.drain_budget_ms.into())
}

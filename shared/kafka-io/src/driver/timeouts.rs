//! Durations of the Kafka configuration.

use std::time::Duration;

use crate::config::KafkaConfig;

/// Bound of one query to the cluster.
pub(super) fn query(config: &KafkaConfig) -> Duration {
    config.query_timeout_ms.as_duration()
}

/// Bound of a transaction, from its begin to its end.
pub(super) fn transaction(config: &KafkaConfig) -> Duration {
    config.transaction_timeout_ms.as_duration()
}

/// Bound of the last offset commit during a shutdown.
pub(super) fn commit(config: &KafkaConfig) -> Duration {
    config.commit_timeout_ms.as_duration()
}

/// Time without fetched records after which the stall watchdog checks a partition.
pub(super) fn watchdog(config: &KafkaConfig) -> Duration {
    config.watchdog_ms.as_duration()
}

/// Time that a drain may take.
pub(super) fn drain(config: &KafkaConfig) -> Duration {
    config.drain_budget_ms.as_duration()
}

//! Creation of the topics of the contract, their comparison with a cluster, and changes of their settings in place.

mod plan;

use std::collections::BTreeMap;
use std::sync::Arc;

use contracts::Topic;
use rdkafka::admin::{
    AdminClient, AdminOptions, ConfigResource, NewTopic, ResourceSpecifier, TopicReplication,
};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use crate::access_denied::{AccessDenied, MaybeAccessDenied};
use crate::client::{self, ClientError, LogContext};
use crate::config::{KafkaConfig, Profile};
use crate::librdkafka_error::LibrdkafkaError;
use crate::query::{ClusterQuery, QueryError};
use crate::raw;

pub use self::plan::{Permitted, TopicDifference, TopicsPlan};

/// Topics could not be created or compared.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// The embedded broker has no administration.
    #[error("not available on the embedded broker: it creates its topics itself, at start")]
    Embedded,
    /// A client could not be created.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// A query failed.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// The cluster denies access; no retry succeeds.
    #[error(transparent)]
    AccessDenied(#[from] AccessDenied),
    /// A call failed for all topics.
    #[error("failed to {what} on {brokers}")]
    Call {
        /// The bootstrap servers.
        brokers: String,
        /// The call, as `create topics`.
        what: &'static str,
        /// The error of the call.
        source: LibrdkafkaError,
    },
    /// A call failed for one topic.
    #[error("failed to {what} topic {topic} on {brokers}: {code}")]
    Topic {
        /// The bootstrap servers.
        brokers: String,
        /// The call, as `create`.
        what: &'static str,
        /// The topic.
        topic: String,
        /// The error code.
        code: RDKafkaErrorCode,
    },
}

impl AdminError {
    /// Returns whether fewer brokers than the requested replicas are registered and running: Kafka counts neither a broker that is down nor
    /// one that is starting.
    #[must_use]
    pub fn is_replication(&self) -> bool {
        matches!(self, Self::Topic { code: RDKafkaErrorCode::InvalidReplicationFactor, .. })
    }

    fn of_call(config: &KafkaConfig, what: &'static str, error: KafkaError) -> Self {
        match AccessDenied::of(config, what, &error) {
            Some(denied) => Self::AccessDenied(denied),
            None => Self::Call { brokers: config.shown_brokers(), what, source: error.into() },
        }
    }

    fn of_topic(config: &KafkaConfig, what: &'static str, topic: String, code: RDKafkaErrorCode) -> Self {
        match AccessDenied::of(config, &format!("{what} {topic}"), &KafkaError::AdminOp(code)) {
            Some(denied) => Self::AccessDenied(denied),
            None => Self::Topic { brokers: config.shown_brokers(), what, topic, code },
        }
    }
}

impl MaybeAccessDenied for AdminError {
    fn is_access_denied(&self) -> bool {
        match self {
            Self::AccessDenied(_) => true,
            Self::Query(query) => query.is_access_denied(),
            Self::Embedded | Self::Client(_) | Self::Call { .. } | Self::Topic { .. } => false,
        }
    }
}

/// Creates the missing ones of `topics` with the settings of the contract, and changes settings of the others where no record is lost by
/// it. `replication` is 3 on a production cluster, 1 with a single broker.
///
/// # Errors
/// See [`AdminError`].
pub async fn topics_apply(
    config: &KafkaConfig,
    topics: &[Topic],
    replication: i32,
) -> Result<TopicsPlan, AdminError> {
    let plan = topics_plan(config, topics, replication, Permitted::Lossless).await?;
    execute(config, &plan, replication, |_| {}).await?;
    Ok(plan)
}

/// Returns what [`execute`] does to bring `topics` to the contract.
///
/// # Errors
/// See [`AdminError`].
pub async fn topics_plan(
    config: &KafkaConfig,
    topics: &[Topic],
    replication: i32,
    permitted: Permitted,
) -> Result<TopicsPlan, AdminError> {
    if config.profile == Profile::Embedded {
        return Err(AdminError::Embedded);
    }
    let admin = client::administrator(config)?;
    let options = options(config);
    let mut plan = TopicsPlan::default();
    for (topic, partitions, replicas) in layouts(config, topics).await? {
        if partitions == 0 {
            plan.missing.push(topic);
            continue;
        }
        let mut differences = Vec::new();
        if partitions != config.partitions {
            let (found, expected) = (partitions.to_string(), config.partitions.to_string());
            differences.push(TopicDifference { topic, key: "partitions".to_owned(), found, expected });
        }
        differences.extend(compare(&admin, config, topic, &settings(topic, replication), &options).await?);
        plan.add(topic, replicas, differences, permitted);
    }
    Ok(plan)
}

/// Creates the missing topics of a plan, then makes its changes, and calls `changed` with each topic whose settings were changed. A topic that
/// was created meanwhile is left as it is.
///
/// # Errors
/// See [`AdminError`]. The topics before the one of the error are created or changed.
pub async fn execute(
    config: &KafkaConfig,
    plan: &TopicsPlan,
    replication: i32,
    mut changed: impl FnMut(Topic),
) -> Result<(), AdminError> {
    let admin = client::administrator(config)?;
    create(&admin, config, &plan.missing, replication, &options(config)).await?;
    let mut changes = BTreeMap::<Topic, Vec<(String, String)>>::new();
    for change in &plan.changes {
        changes.entry(change.topic).or_default().push((change.key.clone(), change.expected.clone()));
    }
    let (admin, timeout) = (Arc::new(admin), config.query_timeout_ms.as_duration());
    for (topic, settings) in changes {
        let admin = Arc::clone(&admin);
        let change = move || raw::change_settings(&admin, topic.name(), &settings, timeout);
        match tokio::task::spawn_blocking(change).await {
            Ok(Ok(())) => changed(topic),
            Ok(Err(KafkaError::AdminOp(code))) => {
                return Err(AdminError::of_topic(config, "change", topic.name().to_owned(), code));
            }
            Ok(Err(error)) => return Err(AdminError::of_call(config, "change topics", error)),
            // The closure does not panic, and only the end of the runtime aborts it.
            Err(_) => return Ok(()),
        }
    }
    Ok(())
}

fn options(config: &KafkaConfig) -> AdminOptions {
    AdminOptions::new().operation_timeout(Some(config.query_timeout_ms.as_duration()))
}

/// Returns the differences between the cluster's topics and the contract, missing topics included. Changes nothing.
///
/// # Errors
/// See [`AdminError`].
pub async fn topics_check(
    config: &KafkaConfig,
    topics: &[Topic],
    replication: i32,
) -> Result<Vec<TopicDifference>, AdminError> {
    if config.profile == Profile::Embedded {
        return Err(AdminError::Embedded);
    }
    let admin = client::administrator(config)?;
    let options = options(config);
    let mut differences = Vec::new();
    for (topic, partitions, replicas) in layouts(config, topics).await? {
        let mut differs = |key: &str, found: String, expected: String| {
            differences.push(TopicDifference { topic, key: key.to_owned(), found, expected });
        };
        if partitions == 0 {
            differs("existence", "missing".to_owned(), "there".to_owned());
            continue;
        }
        for (key, found, expected) in
            [("partitions", partitions, config.partitions), ("replication", replicas, replication)]
        {
            if found != expected {
                differs(key, found.to_string(), expected.to_string());
            }
        }
        differences.extend(compare(&admin, config, topic, &settings(topic, replication), &options).await?);
    }
    Ok(differences)
}

/// Returns the partition count and the lowest replica count of each topic; 0 if it is missing.
async fn layouts(config: &KafkaConfig, topics: &[Topic]) -> Result<Vec<(Topic, i32, i32)>, AdminError> {
    let (config, topics) = (config.clone(), topics.to_vec());
    let queried = tokio::task::spawn_blocking(move || {
        let query = ClusterQuery::new(&config)?;
        let layout = |topic: &Topic| Ok((*topic, query.partitions(*topic)?, query.replicas(*topic)?));
        unless_embedded(topics.iter().map(layout).collect(), || query.is_embedded())
    });
    match queried.await {
        Ok(layouts) => layouts,
        // The closure does not panic, and only the end of the runtime aborts it.
        Err(_) => Ok(Vec::new()),
    }
}

/// Returns the result of a query, or an error if the cluster is an embedded broker. Finds that out only after a successful query:
/// otherwise an unreachable cluster would be waited for twice.
fn unless_embedded<T>(
    queried: Result<T, AdminError>,
    is_embedded: impl FnOnce() -> bool,
) -> Result<T, AdminError> {
    let queried = queried?;
    if is_embedded() { Err(AdminError::Embedded) } else { Ok(queried) }
}

async fn create(
    admin: &AdminClient<LogContext>,
    config: &KafkaConfig,
    topics: &[Topic],
    replication: i32,
    options: &AdminOptions,
) -> Result<(), AdminError> {
    if topics.is_empty() {
        return Ok(());
    }
    let with_settings: Vec<_> = topics.iter().map(|topic| (*topic, settings(*topic, replication))).collect();
    let new: Vec<NewTopic<'_>> = with_settings
        .iter()
        .map(|(topic, settings)| {
            let new = NewTopic::new(topic.name(), config.partitions, TopicReplication::Fixed(replication));
            settings.iter().fold(new, |new, (key, value)| new.set(key, value))
        })
        .collect();
    let failed = |error| AdminError::of_call(config, "create topics", error);
    for result in admin.create_topics(&new, options).await.map_err(failed)? {
        if let Err((topic, code)) = result
            && code != RDKafkaErrorCode::TopicAlreadyExists
        {
            return Err(AdminError::of_topic(config, "create", topic, code));
        }
    }
    Ok(())
}

async fn compare(
    admin: &AdminClient<LogContext>,
    config: &KafkaConfig,
    topic: Topic,
    settings: &[(&'static str, String)],
    options: &AdminOptions,
) -> Result<Vec<TopicDifference>, AdminError> {
    let failed = |error| match error {
        KafkaError::AdminOp(RDKafkaErrorCode::UnsupportedFeature) => AdminError::Embedded,
        error => AdminError::of_call(config, "describe topics", error),
    };
    let described =
        admin.describe_configs([&ResourceSpecifier::Topic(topic.name())], options).await.map_err(failed)?;
    let mut differences = Vec::new();
    for resource in described {
        let resource: ConfigResource = resource
            .map_err(|code| AdminError::of_topic(config, "describe", topic.name().to_owned(), code))?;
        for (key, expected) in settings {
            let found = resource.get(key).and_then(|entry| entry.value.clone()).unwrap_or_default();
            if found != *expected {
                let key = (*key).to_owned();
                differences.push(TopicDifference { topic, key, found, expected: expected.clone() });
            }
        }
    }
    Ok(differences)
}

/// Returns a topic's settings for this replication. Two in-sync replicas survive the loss of one of three brokers.
fn settings(topic: Topic, replication: i32) -> Vec<(&'static str, String)> {
    let mut settings = topic.config();
    settings.push(("min.insync.replicas", replication.clamp(1, 2).to_string()));
    settings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failed_query_does_not_wait_for_the_cluster_again() {
        let topic = Topic::AlertRaised.name().to_owned();
        let failed = || AdminError::Topic {
            brokers: "kafka:9092".to_owned(),
            what: "describe",
            topic: topic.clone(),
            code: RDKafkaErrorCode::BrokerTransportFailure,
        };
        let mut queries = 0;
        let mut unless_embedded = |queried, is_embedded| {
            super::unless_embedded(queried, || {
                queries += 1;
                is_embedded
            })
        };
        assert!(matches!(unless_embedded(Err(failed()), true), Err(AdminError::Topic { .. })));
        assert!(matches!(unless_embedded(Ok(12), true), Err(AdminError::Embedded)));
        assert!(matches!(unless_embedded(Ok(12), false), Ok(12)));
        assert_eq!(queries, 2);
    }
}

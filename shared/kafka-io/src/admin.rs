//! Makes the topics as the contract says, and says where a cluster differs.

use std::time::Duration;

use contracts::Topic;
use rdkafka::admin::{
    AdminClient, AdminOptions, ConfigResource, NewTopic, ResourceSpecifier, TopicReplication,
};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use crate::access_denied::{AccessDenied, MaybeAccessDenied};
use crate::client::{self, ClientError, LogContext};
use crate::config::{KafkaConfig, Profile};
use crate::query::{ClusterQuery, QueryError};

/// What [`topics_apply`] did and found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TopicsReport {
    /// Topics that it created.
    pub created: Vec<Topic>,
    /// Topics that were there and are as the contract says.
    pub unchanged: Vec<Topic>,
    /// Where a topic that was there differs; nothing was changed.
    pub differences: Vec<TopicDifference>,
}

/// A topic that isn't as the contract says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicDifference {
    /// The topic.
    pub topic: Topic,
    /// `partitions`, or the name of a topic's configuration.
    pub key: String,
    /// What the cluster has.
    pub found: String,
    /// What the contract says.
    pub expected: String,
}

/// The topics couldn't be made or compared.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// The mock has no administration.
    #[error("not available on the embedded broker: it makes its topics itself, at start")]
    Embedded,
    /// No client.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The cluster didn't answer.
    #[error(transparent)]
    Inquiry(#[from] QueryError),
    /// The cluster doesn't let us; asking again won't help.
    #[error(transparent)]
    NoAdmission(#[from] AccessDenied),
    /// The cluster refused a call as a whole.
    #[error("brokers {brokers} refused to {what}: {cause}")]
    Refused {
        /// The bootstrap servers.
        brokers: String,
        /// The call.
        what: &'static str,
        /// What librdkafka says.
        cause: KafkaError,
    },
    /// The cluster refused a topic.
    #[error("brokers {brokers} refused to {what} {topic}: {code}")]
    Topic {
        /// The bootstrap servers.
        brokers: String,
        /// The call.
        what: &'static str,
        /// The topic.
        topic: String,
        /// What the cluster says.
        code: RDKafkaErrorCode,
    },
}

impl AdminError {
    fn of_call(config: &KafkaConfig, what: &'static str, cause: KafkaError) -> Self {
        match AccessDenied::of(config, what, &cause) {
            Some(refusal) => Self::NoAdmission(refusal),
            None => Self::Refused { brokers: config.brokers.clone(), what, cause },
        }
    }

    fn of_topic(config: &KafkaConfig, what: &'static str, topic: String, code: RDKafkaErrorCode) -> Self {
        match AccessDenied::of(config, &format!("{what} {topic}"), &KafkaError::AdminOp(code)) {
            Some(refusal) => Self::NoAdmission(refusal),
            None => Self::Topic { brokers: config.brokers.clone(), what, topic, code },
        }
    }
}

impl MaybeAccessDenied for AdminError {
    fn is_access_denied(&self) -> bool {
        match self {
            Self::NoAdmission(_) => true,
            Self::Inquiry(inquiry) => inquiry.is_access_denied(),
            Self::Embedded | Self::Client(_) | Self::Refused { .. } | Self::Topic { .. } => false,
        }
    }
}

/// Creates those of `topics` that are missing, with the configuration of the contract, and compares the others with it.
/// `replication` is 3 on a production cluster, 1 where there is one broker.
///
/// # Errors
/// See [`AdminError`].
pub async fn topics_apply(
    config: &KafkaConfig,
    topics: &[Topic],
    replication: i32,
) -> Result<TopicsReport, AdminError> {
    if config.profile == Profile::Embedded {
        return Err(AdminError::Embedded);
    }
    let admin = client::administrator(config)?;
    let existing = existing(config, topics).await?;
    let options =
        AdminOptions::new().operation_timeout(Some(Duration::from_millis(config.query_timeout_ms.into())));
    let mut report = TopicsReport::default();
    let missing: Vec<Topic> =
        existing.iter().filter(|(_, count)| *count == 0).map(|(topic, _)| *topic).collect();
    create(&admin, config, &missing, replication, &options).await?;
    report.created = missing;
    for (topic, partitions) in existing.into_iter().filter(|(_, count)| *count > 0) {
        let mut differences = Vec::new();
        if partitions != config.partitions {
            let (found, expected) = (partitions.to_string(), config.partitions.to_string());
            differences.push(TopicDifference { topic, key: "partitions".to_owned(), found, expected });
        }
        differences.extend(compare(&admin, config, topic, &wanted(topic, replication), &options).await?);
        match differences.is_empty() {
            true => report.unchanged.push(topic),
            false => report.differences.append(&mut differences),
        }
    }
    Ok(report)
}

/// Where the cluster's topics differ from the contract: those that are missing, and those that are otherwise. Nothing is changed.
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
    let options =
        AdminOptions::new().operation_timeout(Some(Duration::from_millis(config.query_timeout_ms.into())));
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
        differences.extend(compare(&admin, config, topic, &wanted(topic, replication), &options).await?);
    }
    Ok(differences)
}

/// The topics with their partitions on the cluster, and the fewest replicas that one of them has; 0 is missing.
async fn layouts(config: &KafkaConfig, topics: &[Topic]) -> Result<Vec<(Topic, i32, i32)>, AdminError> {
    let (config, topics) = (config.clone(), topics.to_vec());
    let asked = tokio::task::spawn_blocking(move || {
        let inquirer = ClusterQuery::new(&config)?;
        topics
            .iter()
            .map(|topic| Ok((*topic, inquirer.partitions(*topic)?, inquirer.replicas(*topic)?)))
            .collect()
    });
    match asked.await {
        Ok(answer) => answer,
        // The closure doesn't panic and nobody aborts it but the runtime at its end.
        Err(_) => Ok(Vec::new()),
    }
}

/// The topics with their partitions on the cluster; 0 is missing.
async fn existing(config: &KafkaConfig, topics: &[Topic]) -> Result<Vec<(Topic, i32)>, AdminError> {
    let (config, topics) = (config.clone(), topics.to_vec());
    let asked = tokio::task::spawn_blocking(move || {
        let inquirer = ClusterQuery::new(&config)?;
        topics.iter().map(|topic| Ok((*topic, inquirer.partitions(*topic)?))).collect()
    });
    match asked.await {
        Ok(answer) => answer,
        // The closure doesn't panic and nobody aborts it but the runtime at its end.
        Err(_) => Ok(Vec::new()),
    }
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
    let settings: Vec<_> = topics.iter().map(|topic| (*topic, wanted(*topic, replication))).collect();
    let new: Vec<NewTopic<'_>> = settings
        .iter()
        .map(|(topic, settings)| {
            let new = NewTopic::new(topic.name(), config.partitions, TopicReplication::Fixed(replication));
            settings.iter().fold(new, |new, (key, value)| new.set(key, value))
        })
        .collect();
    let refused = |cause| AdminError::of_call(config, "create topics", cause);
    for result in admin.create_topics(&new, options).await.map_err(refused)? {
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
    wanted: &[(&'static str, String)],
    options: &AdminOptions,
) -> Result<Vec<TopicDifference>, AdminError> {
    let refused = |cause| match cause {
        KafkaError::AdminOp(RDKafkaErrorCode::UnsupportedFeature) => AdminError::Embedded,
        cause => AdminError::of_call(config, "describe topics", cause),
    };
    let described =
        admin.describe_configs([&ResourceSpecifier::Topic(topic.name())], options).await.map_err(refused)?;
    let mut differences = Vec::new();
    for resource in described {
        let resource: ConfigResource = resource
            .map_err(|code| AdminError::of_topic(config, "describe", topic.name().to_owned(), code))?;
        for (key, expected) in wanted {
            let found = resource.get(key).and_then(|entry| entry.value.clone()).unwrap_or_default();
            if found != *expected {
                let key = (*key).to_owned();
                differences.push(TopicDifference { topic, key, found, expected: expected.clone() });
            }
        }
    }
    Ok(differences)
}

/// A topic's configuration on a cluster of this replication. Two in-sync replicas survive the loss of one of three brokers.
fn wanted(topic: Topic, replication: i32) -> Vec<(&'static str, String)> {
    let mut settings = topic.config();
    settings.push(("min.insync.replicas", replication.clamp(1, 2).to_string()));
    settings
}

impl std::fmt::Display for TopicDifference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {} is {}, the contract says {}", self.topic, self.key, self.found, self.expected)
    }
}

//! Wait of a start for its topics: an operator of topics and permissions may create them after the service has started.

use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::BuildHasher;
use std::time::Duration;

use chassis::health::Latch;
use chassis::{Exit, Failure};
use contracts::Topic;
use kafka_io::cluster::{self, AbsentTopic, ClusterError};
use kafka_io::{ErrorChain, KafkaConfig, LogLimit};
use kit::{Backoff, Jitter, SaturatingFrom};
use tokio::time::Instant;

/// The wait after a check that misses topics, doubled up to the other, with jitter: the replicas of a roll-out start together.
const FIRST_WAIT: Duration = Duration::from_millis(500);
const WAIT_MAX: Duration = Duration::from_secs(5);

/// Waits until these topics can be used, up to `topics_wait_ms` from the first check that misses one. An unreachable cluster ends the wait
/// only if it is unreachable from the start: brokers restart while a cluster is set up.
pub(crate) async fn wait(kafka: &KafkaConfig, topics: &[Topic], start: &Latch) -> Result<(), Failure> {
    let check = || {
        let (kafka, topics) = (kafka.clone(), topics.to_vec());
        let checked = tokio::task::spawn_blocking(move || cluster::absent(&kafka, &topics));
        async { Ok(checked.await?) }
    };
    let jitter = || Jitter::Full(RandomState::new().hash_one(Instant::now().into_std()));
    wait_for(check, kafka.topics_wait_ms.as_duration(), jitter, start).await
}

async fn wait_for<F>(
    check: impl Fn() -> F,
    limit: Duration,
    jitter: impl Fn() -> Jitter,
    start: &Latch,
) -> Result<(), Failure>
where
    F: Future<Output = Result<Result<Vec<AbsentTopic>, ClusterError>, Failure>>,
{
    let (begun, mut has_waited) = (Instant::now(), false);
    let (mut backoff, mut line) = (Backoff::new(FIRST_WAIT, WAIT_MAX), LogLimit::default());
    loop {
        let (cause, error) = match check().await? {
            Ok(absent) => {
                let cause = Waiting::new(&absent).to_string();
                match absent.into_iter().next() {
                    Some(first) => (cause, first.error),
                    None => break,
                }
            }
            Err(error @ ClusterError::Unreachable { .. }) if has_waited => {
                (ErrorChain(&error).to_string(), error)
            }
            Err(error) => return Err(failure(error)),
        };
        let left = limit.saturating_sub(begun.elapsed());
        if left.is_zero() {
            return Err(failure(error));
        }
        start.not_ready(format!("kafka: waiting for {cause}"));
        let waited_s = begun.elapsed().as_secs();
        if let Some(suppressed) = line.admit(Instant::now().into_std()) {
            if has_waited {
                tracing::info!(cause, waited_s, suppressed, "still waiting for topics");
            } else {
                let limit_ms = u64::saturating_from(limit.as_millis());
                tracing::warn!(cause, limit_ms, "topics missing or not accessible: waiting");
            }
        }
        has_waited = true;
        tokio::time::sleep(jitter().of(backoff.fail()).min(left)).await;
    }
    if has_waited {
        tracing::info!(waited_s = begun.elapsed().as_secs(), "all topics available");
    }
    Ok(())
}

fn failure(error: ClusterError) -> Failure {
    let exit = if matches!(error, ClusterError::AccessDenied(_)) { Exit::Refused } else { Exit::Unreachable };
    Failure::with(exit, error)
}

/// The topics that a start waits for.
#[derive(Default)]
struct Waiting {
    missing: Vec<&'static str>,
    denied: Vec<&'static str>,
}

// === impl Waiting ===

impl Waiting {
    fn new(absent: &[AbsentTopic]) -> Self {
        let mut waiting = Self::default();
        for AbsentTopic { topic, error } in absent {
            let names = match error {
                ClusterError::AccessDenied(_) => &mut waiting.denied,
                _ => &mut waiting.missing,
            };
            // A topic that is read and written is checked twice.
            if !names.contains(&topic.name()) {
                names.push(topic.name());
            }
        }
        waiting
    }
}

impl fmt::Display for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let both = if self.missing.is_empty() || self.denied.is_empty() { "" } else { "; " };
        if !self.missing.is_empty() {
            write!(f, "missing topics: {}", self.missing.join(", "))?;
        }
        f.write_str(both)?;
        if !self.denied.is_empty() {
            write!(f, "permission to describe topics: {}", self.denied.join(", "))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::sync::Arc;

    use chassis::clock::ManualClock;
    use chassis::health::Health;

    use super::*;

    type Checked = Result<Vec<AbsentTopic>, ClusterError>;

    fn health() -> (Health, Latch) {
        let health = Health::new(Arc::new(ManualClock::at(0)));
        let latch = health.service("feature").component("connection");
        (health, latch)
    }

    fn missing(topics: &[Topic]) -> Checked {
        let absent = |topic: &Topic| {
            let error = ClusterError::MissingTopic { topic: topic.name(), brokers: "kafka:9092".to_owned() };
            AbsentTopic { topic: *topic, error }
        };
        Ok(topics.iter().map(absent).collect())
    }

    /// Waits with the results of `check`, which gets the number of checks before it, and returns the number of checks.
    async fn waited(
        limit: Duration,
        start: &Latch,
        check: impl Fn(u32) -> Checked,
    ) -> (u32, Result<(), Failure>) {
        let checks = Cell::new(0);
        let next = || {
            let checked = check(checks.replace(checks.get() + 1));
            async { Ok(checked) }
        };
        let ended = wait_for(next, limit, || Jitter::None, start).await;
        (checks.get(), ended)
    }

    #[tokio::test(start_paused = true)]
    async fn start_waits_until_topics_exist_and_names_them() {
        let (health, latch) = health();
        let waiting = Cell::new(String::new());
        let check = |before| {
            if before == 1 {
                waiting.set(health.readiness().waiting["feature"]["connection"].clone());
            }
            missing(match before {
                0 => &[Topic::BarClosed, Topic::BatchUrgent],
                1..3 => &[Topic::BarClosed],
                _ => &[],
            })
        };
        let begun = Instant::now();
        let (checks, ended) = waited(Duration::from_secs(300), &latch, check).await;
        ended.unwrap();
        assert_eq!(checks, 4);
        assert_eq!(begun.elapsed(), Duration::from_millis(500 + 1_000 + 2_000));
        let text = "kafka: waiting for missing topics: market.bar.closed.v1, feature.batch.urgent.v1";
        assert_eq!(waiting.take(), text);
    }

    #[tokio::test(start_paused = true)]
    async fn passed_limit_ends_the_wait_with_the_error() {
        let (_, latch) = health();
        let begun = Instant::now();
        let (checks, ended) = waited(Duration::from_secs(20), &latch, |_| missing(&[Topic::BarClosed])).await;
        let failure = ended.unwrap_err();
        assert_eq!(failure.exit(), Exit::Unreachable);
        assert!(failure.to_string().starts_with("topic market.bar.closed.v1 does not exist"), "{failure}");
        // 0.5, 1, 2, 4, 5, 5 and the 2.5 s that are left.
        assert_eq!((checks, begun.elapsed()), (8, Duration::from_secs(20)));
        let (checks, ended) = waited(Duration::ZERO, &latch, |_| missing(&[Topic::BarClosed])).await;
        assert_eq!((checks, ended.unwrap_err().exit()), (1, Exit::Unreachable));
    }

    #[tokio::test(start_paused = true)]
    async fn wrong_partition_count_ends_the_wait_at_once() {
        let (_, latch) = health();
        let (topic, found, expected) = (Topic::BarClosed.name(), 6, 12);
        let check = |before| match before {
            0 => missing(&[Topic::BarClosed]),
            _ => Err(ClusterError::PartitionCount { topic, found, expected }),
        };
        let (checks, ended) = waited(Duration::from_secs(300), &latch, check).await;
        assert_eq!((checks, ended.unwrap_err().exit()), (2, Exit::Unreachable));
    }
}

//! Waits until posted alerts are resolved: each has its vectors or failure, or the bridge dropped or dead-lettered it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use contracts::Topic;
use kafka_io::{GroupQuery, QueryError};

use super::alert_tracker::{AlertPosition, AlertState};
use super::topic_follower::TopicFollower;
use crate::exit::Failure;
use crate::record_position::RecordPosition;

/// Longest wait for new records before the bridge's offsets are queried.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// The wait fails after this time without progress.
const STALL_TIMEOUT: Duration = Duration::from_secs(30);

/// Waits for alerts on one cluster.
pub struct AlertWaiter {
    follower: TopicFollower,
    bridge: Arc<GroupQuery>,
    partitions: i32,
}

impl AlertWaiter {
    /// Returns a waiter that queries the bridge's committed offsets through `bridge`.
    #[must_use]
    pub fn new(follower: TopicFollower, bridge: GroupQuery, partitions: i32) -> Self {
        Self { follower, bridge: Arc::new(bridge), partitions }
    }

    /// Returns when all of these alerts are resolved.
    ///
    /// # Errors
    /// [`Failure::NotOk`] with the first unresolved alert after half a minute without progress; a failed cluster query.
    pub async fn wait_until_resolved(&mut self, mut open: Vec<AlertPosition>) -> Result<(), Failure> {
        let mut progress_at = Instant::now();
        loop {
            let before = open.len();
            self.follower.with(|tracker| {
                open.retain(|position| {
                    let is_open = tracker.state(*position) != AlertState::Resolved;
                    if !is_open {
                        tracker.remove(*position);
                    }
                    is_open
                });
            });
            if open.is_empty() {
                return Ok(());
            }
            if open.len() < before {
                progress_at = Instant::now();
            }
            self.follower.changed(POLL_INTERVAL).await?;
            self.remove_covered(&mut open).await?;
            if progress_at.elapsed() > STALL_TIMEOUT {
                return Err(stalled(&open, &self.follower));
            }
        }
    }

    /// Removes the alerts that the bridge has committed and that are in no request: a window covers them, or they are dead letters.
    async fn remove_covered(&mut self, open: &mut Vec<AlertPosition>) -> Result<(), Failure> {
        let is_unrequested = |position: &AlertPosition, follower: &TopicFollower| {
            let state = follower.with(|tracker| tracker.state(*position));
            matches!(state, AlertState::NotRequested | AlertState::Unread)
        };
        if !open.iter().any(|position| is_unrequested(position, &self.follower)) {
            return Ok(());
        }
        let offsets = self.bridge_offsets().await?;
        let is_committed = |(partition, offset): &AlertPosition| {
            offsets.iter().any(|(p, committed)| p == partition && committed.is_some_and(|c| c > *offset))
        };
        let candidates: Vec<AlertPosition> = open
            .iter()
            .copied()
            .filter(|position| is_committed(position) && is_unrequested(position, &self.follower))
            .collect();
        if candidates.is_empty() {
            return Ok(());
        }
        // Requests are acknowledged before the bridge commits: an alert that is in none after this sync never will be.
        self.follower.sync().await?;
        let covered: Vec<AlertPosition> =
            candidates.into_iter().filter(|position| is_unrequested(position, &self.follower)).collect();
        self.follower.with(|tracker| covered.iter().for_each(|position| tracker.remove(*position)));
        open.retain(|position| !covered.contains(position));
        Ok(())
    }

    async fn bridge_offsets(&self) -> Result<Vec<(i32, Option<i64>)>, Failure> {
        let (bridge, partitions) = (Arc::clone(&self.bridge), self.partitions);
        let query =
            tokio::task::spawn_blocking(move || bridge.committed(Topic::AlertRaised, partitions)).await;
        let failure = |error: QueryError| {
            Failure::query_context("failed to fetch the bridge's committed offsets", error)
        };
        query.map_err(Failure::unreachable)?.map_err(failure)
    }
}

fn stalled(open: &[AlertPosition], follower: &TopicFollower) -> Failure {
    let first = open.first().map_or(String::new(), |alert| {
        let (partition, offset) = *alert;
        let position = RecordPosition { topic: Topic::AlertRaised, partition, offset };
        match follower.with(|tracker| tracker.state(*alert)) {
            AlertState::Unread => format!("{position} cannot be read"),
            AlertState::NotRequested => format!("{position} not resolved by bridge"),
            AlertState::Requested | AlertState::Resolved => format!("{position} not resolved by feature"),
        }
    });
    Failure::not_ok(format!(
        "{} alerts unresolved, no progress for {} s: first {first}",
        open.len(),
        STALL_TIMEOUT.as_secs()
    ))
}

//! Committed offsets of all groups, and the wait until they reach the ends of their topics.

use std::sync::Arc;
use std::time::Instant;

use contracts::Topic;
use contracts::topics::DEFAULT_PARTITIONS;
use hosting::Hosted;
use kafka_io::{ClusterQuery, GroupQuery, KafkaConfig, QueryError};

use super::rest_detector::{self, GroupPosition, OBSERVE_INTERVAL, RestDetector, RunState};
use crate::exit::Failure;

/// Queries the positions of all groups.
struct PositionQuery {
    cluster: ClusterQuery,
    groups: Vec<(&'static str, Vec<Topic>, GroupQuery)>,
}

/// Returns when all groups are at rest.
///
/// # Errors
/// [`Failure::NotOk`] with stage, partition and offset if a group makes no progress; a failed cluster query.
pub(super) async fn wait_for_rest(kafka: &KafkaConfig, stages: Vec<Hosted>) -> Result<(), Failure> {
    let query = Arc::new(PositionQuery::new(kafka, stages)?);
    let (started, mut detector) = (Instant::now(), RestDetector::default());
    let mut ticks = tokio::time::interval(OBSERVE_INTERVAL);
    loop {
        ticks.tick().await;
        let query = Arc::clone(&query);
        let positions = tokio::task::spawn_blocking(move || query.positions()).await;
        let positions = positions.map_err(Failure::not_ok)?.map_err(Failure::unreachable)?;
        match detector.observe(positions, started.elapsed()) {
            RunState::Active => {}
            RunState::AtRest => return Ok(()),
            RunState::Stalled(position) => {
                return Err(Failure::not_ok(format!("run stalled: {position}")));
            }
        }
    }
}

/// Returns the position with the largest lag. `None` if all groups are at their ends, or if the query fails.
pub(super) async fn lag_max(kafka: &KafkaConfig, stages: Vec<Hosted>) -> Option<GroupPosition> {
    let query = PositionQuery::new(kafka, stages).ok()?;
    let positions = tokio::task::spawn_blocking(move || query.positions()).await.ok()?.ok()?;
    rest_detector::lag_max(&positions).cloned()
}

impl PositionQuery {
    fn new(kafka: &KafkaConfig, stages: Vec<Hosted>) -> Result<Self, Failure> {
        let mut groups = Vec::new();
        for hosted in stages {
            let group = GroupQuery::new(kafka, hosted.group).map_err(Failure::unreachable)?;
            groups.push((hosted.stage, hosted.inputs, group));
        }
        Ok(Self { cluster: ClusterQuery::new(kafka).map_err(Failure::unreachable)?, groups })
    }

    /// Returns the position of each group in each partition of its inputs. Blocks.
    fn positions(&self) -> Result<Vec<GroupPosition>, QueryError> {
        let mut positions = Vec::new();
        for (stage, inputs, group) in &self.groups {
            for topic in inputs {
                let committed = group.committed(*topic, DEFAULT_PARTITIONS)?;
                for watermarks in self.cluster.watermarks(*topic)? {
                    let found = committed.iter().find(|(partition, _)| *partition == watermarks.partition);
                    positions.push(GroupPosition {
                        stage,
                        topic: topic.name().to_owned(),
                        partition: watermarks.partition,
                        committed: found.and_then(|(_, offset)| *offset).unwrap_or(watermarks.low),
                        end: watermarks.high,
                    });
                }
            }
        }
        Ok(positions)
    }
}

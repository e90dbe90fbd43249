//! Waits until every group stands at its topics' ends.

use std::sync::Arc;
use std::time::Instant;

use contracts::Topic;
use hosting::Hosted;
use kafka_io::{ClusterQuery, GroupQuery, KafkaConfig, QueryError};

use super::PARTITIONS;
use crate::exit::Failure;
use crate::quiet::{LOOK_EVERY, Look, Quiet, Standing, furthest};

/// Asks where groups stand.
struct Looker {
    ends: ClusterQuery,
    groups: Vec<(&'static str, Vec<Topic>, GroupQuery)>,
}

/// Returns when all of them are at rest.
///
/// # Errors
/// When a group stands still short of its end for too long, with stage, partition and offset.
pub(super) async fn wait(kafka: &KafkaConfig, stages: Vec<Hosted>) -> Result<(), Failure> {
    let looker = Arc::new(Looker::new(kafka, stages).map_err(|e| Failure::Unreachable(e.to_string()))?);
    let (begun, mut quiet) = (Instant::now(), Quiet::default());
    let mut ticks = tokio::time::interval(LOOK_EVERY);
    loop {
        ticks.tick().await;
        let looking = Arc::clone(&looker);
        let looked = tokio::task::spawn_blocking(move || looking.standings()).await;
        let standings = looked
            .map_err(|e| Failure::NotOk(e.to_string()))?
            .map_err(|e| Failure::Unreachable(e.to_string()))?;
        match quiet.look(standings, begun.elapsed()) {
            Look::Moving => {}
            Look::AtRest => return Ok(()),
            Look::Stuck(standing) => return Err(Failure::NotOk(format!("stuck: {standing}"))),
        }
    }
}

/// Where the group stands that is furthest from its end, in words; `None` when all are at their ends or can't be asked.
pub(super) async fn furthest_behind(kafka: &KafkaConfig, stages: Vec<Hosted>) -> Option<String> {
    let looker = Looker::new(kafka, stages).ok()?;
    let standings = tokio::task::spawn_blocking(move || looker.standings()).await.ok()?.ok()?;
    furthest(&standings).map(ToString::to_string)
}

impl Looker {
    fn new(kafka: &KafkaConfig, stages: Vec<Hosted>) -> Result<Self, Box<dyn std::error::Error>> {
        let mut groups = Vec::new();
        for hosted in stages {
            groups.push((hosted.stage, hosted.inputs, GroupQuery::new(kafka, hosted.group)?));
        }
        Ok(Self { ends: ClusterQuery::new(kafka)?, groups })
    }

    /// Blocks.
    fn standings(&self) -> Result<Vec<Standing>, QueryError> {
        let mut standings = Vec::new();
        for (stage, inputs, group) in &self.groups {
            for topic in inputs {
                let committed = group.committed(*topic, PARTITIONS)?;
                for marks in self.ends.watermarks(*topic)? {
                    let at = committed.iter().find(|(partition, _)| *partition == marks.partition);
                    standings.push(Standing {
                        stage,
                        topic: topic.name().to_owned(),
                        partition: marks.partition,
                        committed: at.and_then(|(_, offset)| *offset).unwrap_or(marks.low),
                        end: marks.high,
                    });
                }
            }
        }
        Ok(standings)
    }
}

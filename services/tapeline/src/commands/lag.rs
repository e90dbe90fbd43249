//! `tapeline lag`: consumer lag of each group, in records and seconds.

use std::collections::BTreeMap;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use clap::Args;
use contracts::Topic;
use kafka_io::{ClusterQuery, GroupQuery, KafkaConfig, TopicReader};
use kit::SaturatingFrom;
use kit::secret::redacted_address;
use serde::Serialize;

use crate::audit::Stage;
use crate::cluster::{self, ClusterArgs};
use crate::exit::Failure;
use crate::output::{print, print_json};

#[derive(Debug, Args)]
#[command(after_help = "Example:
  tapeline lag --group tapeline.feature --brokers 127.0.0.1:9092")]
pub struct LagArgs {
    #[command(flatten)]
    pub cluster: ClusterArgs,
    /// Only this consumer group.
    #[arg(long)]
    pub group: Option<String>,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
}

/// Lag of one group in one partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct PartitionLag {
    group: &'static str,
    topic: &'static str,
    partition: i32,
    /// `None` if the group has committed nothing.
    committed: Option<i64>,
    /// The last stable offset: the end for committed readers, before what open transactions wrote.
    end: i64,
    /// Offsets from the first unprocessed record to the end. Transaction markers in between count; markers after the last record do
    /// not.
    records: i64,
    /// Age of the first unprocessed record.
    seconds: i64,
}

#[derive(Debug, Serialize)]
struct Lag {
    /// The sum over all partitions.
    records: i64,
    /// The maximum of all partitions.
    seconds: i64,
    partitions: Vec<PartitionLag>,
}

/// Time limit of the search for the first unprocessed records.
const SEARCH_TIMEOUT: Duration = Duration::from_secs(10);

/// Timeout of one read.
const READ_TIMEOUT: Duration = Duration::from_millis(100);

/// Prints the lag.
///
/// # Errors
/// An unknown group; a cluster that is unreachable or denies access.
pub async fn run(args: LagArgs) -> Result<(), Failure> {
    let stages = stages(args.group.as_deref())?;
    let kafka = cluster::kafka(&args.cluster)?;
    let query = tokio::task::spawn_blocking(move || lag(&kafka, &stages));
    let lag = query.await.map_err(Failure::not_ok)??;
    if args.json { print_json(&lag) } else { print(&lag.to_string()) }
}

fn stages(group: Option<&str>) -> Result<Vec<Stage>, Failure> {
    let stages: Vec<Stage> =
        Stage::ALL.into_iter().filter(|stage| group.is_none_or(|group| group == stage.group())).collect();
    if stages.is_empty() {
        let known: Vec<&str> = Stage::ALL.iter().map(|stage| stage.group()).collect();
        let group = redacted_address(group.unwrap_or_default());
        return Err(Failure::usage(format!("unknown group {group:?}: expected one of {}", known.join(", "))));
    }
    Ok(stages)
}

fn lag(kafka: &KafkaConfig, stages: &[Stage]) -> Result<Lag, Failure> {
    let cluster = ClusterQuery::new(kafka).map_err(Failure::query)?;
    let mut partitions = Vec::new();
    for stage in stages {
        let group = GroupQuery::new(kafka, stage.group()).map_err(Failure::query)?;
        for topic in stage.inputs() {
            let count = cluster.partitions(*topic).map_err(Failure::query)?;
            let committed = group.committed(*topic, count).map_err(Failure::query)?;
            let ends = group.stable_ends(*topic, count).map_err(Failure::query)?;
            for ((partition, committed), watermarks) in committed.into_iter().zip(ends) {
                let start = committed.unwrap_or(watermarks.low).max(watermarks.low);
                let lag = PartitionLag {
                    group: stage.group(),
                    topic: topic.name(),
                    partition,
                    committed,
                    end: watermarks.high,
                    records: 0,
                    seconds: 0,
                };
                partitions.push((*topic, start, lag));
            }
        }
    }
    find_first_unprocessed(kafka, &mut partitions)?;
    let partitions: Vec<PartitionLag> = partitions.into_iter().map(|(_, _, lag)| lag).collect();
    Ok(Lag {
        records: partitions.iter().map(|lag| lag.records).sum(),
        seconds: partitions.iter().map(|lag| lag.seconds).max().unwrap_or(0),
        partitions,
    })
}

/// Reads the first record at or after each committed offset. A partition without one holds only transaction markers there, and has no
/// lag.
fn find_first_unprocessed(
    kafka: &KafkaConfig,
    partitions: &mut [(Topic, i64, PartitionLag)],
) -> Result<(), Failure> {
    let is_open = |(_, start, lag): &&(Topic, i64, PartitionLag)| *start < lag.end;
    let mut topics: Vec<Topic> = partitions.iter().filter(is_open).map(|(topic, ..)| *topic).collect();
    topics.dedup();
    let starts: BTreeMap<(Topic, i32), i64> = partitions
        .iter()
        .map(|(topic, start, lag)| {
            ((*topic, lag.partition), if *start < lag.end { *start } else { i64::MAX })
        })
        .collect();
    let mut open = partitions.iter().filter(is_open).count();
    let mut reader = TopicReader::open_at(kafka, &topics, &starts).map_err(Failure::query)?;
    let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    let now_ms = i64::saturating_from(now_ms);
    let deadline = Instant::now() + SEARCH_TIMEOUT;
    while open > 0 && !reader.is_at_end() && Instant::now() < deadline {
        for record in reader.read(READ_TIMEOUT).map_err(Failure::query)? {
            let found = partitions.iter_mut().find(|(topic, start, lag)| {
                *topic == record.topic && lag.partition == record.partition && *start < lag.end
            });
            let Some((_, _, lag)) = found.filter(|(_, _, lag)| lag.records == 0) else { continue };
            if record.offset < lag.end {
                lag.records = lag.end - record.offset;
                lag.seconds = (now_ms - record.timestamp_ms).max(0) / 1_000;
            }
            open -= 1;
        }
    }
    Ok(())
}

impl std::fmt::Display for Lag {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(
            f,
            "{:<30} {:<30} {:>9} {:>12} {:>12} {:>10} {:>8}",
            "group", "topic", "partition", "committed", "end", "records", "seconds"
        )?;
        for lag in &self.partitions {
            let PartitionLag { group, topic, partition, committed, end, records, seconds } = lag;
            let committed = committed.map_or("-".to_owned(), |offset| offset.to_string());
            writeln!(
                f,
                "{group:<30} {topic:<30} {partition:>9} {committed:>12} {end:>12} {records:>10} {seconds:>8}"
            )?;
        }
        writeln!(f, "total lag {} records, oldest unprocessed record {} s", self.records, self.seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_group_is_rejected_with_the_known_groups() {
        let error = stages(Some("tapeline.unknown")).unwrap_err().to_string();
        assert!(error.contains("tapeline.unknown") && error.contains("tapeline.feature"), "{error}");
        let error = stages(Some("http://me:hunter2@broker")).unwrap_err().to_string();
        assert!(!error.contains("hunter2"), "{error}");
        assert_eq!(stages(Some("tapeline.feature")).unwrap(), [Stage::Feature]);
        assert_eq!(stages(None).unwrap().len(), 5);
    }
}

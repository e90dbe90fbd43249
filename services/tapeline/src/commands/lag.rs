//! `tapeline lag`: how far each group is behind, in records and in seconds.

use std::collections::BTreeMap;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use clap::Args;
use contracts::Topic;
use kafka_io::{ClusterQuery, GroupQuery, KafkaConfig, TopicReader};
use serde::Serialize;

use crate::audit::Stage;
use crate::cli::ClusterArgs;
use crate::cluster;
use crate::exit::Failure;
use crate::say::say;

/// `tapeline lag`
#[derive(Debug, Args)]
pub struct LagArgs {
    /// The cluster.
    #[command(flatten)]
    pub cluster: ClusterArgs,
    /// Only this group.
    #[arg(long)]
    pub group: Option<String>,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
}

/// One partition of one group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Behind {
    group: &'static str,
    topic: &'static str,
    partition: i32,
    /// None is nothing.
    committed: Option<i64>,
    /// Where committed readers find the end: before what open transactions wrote.
    end: i64,
    /// From the first record that the group hasn't passed to the end; transaction markers in between count, those behind the last
    /// record alone are 0.
    records: i64,
    /// The age of that record.
    seconds: i64,
}

/// Everything.
#[derive(Debug, Serialize)]
struct Lag {
    records: i64,
    seconds: i64,
    partitions: Vec<Behind>,
}

/// How long looking for the first records that groups haven't passed may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Longest wait for one read.
const READ_WAIT: Duration = Duration::from_millis(100);

/// Prints it.
///
/// # Errors
/// A group that is none of ours; a cluster that can't be asked.
pub async fn run(args: LagArgs) -> Result<(), Failure> {
    let stages = stages(args.group.as_deref())?;
    let kafka = cluster::kafka(&args.cluster)?;
    let asking = tokio::task::spawn_blocking(move || lag(&kafka, &stages));
    let lag = asking.await.map_err(|e| Failure::NotOk(e.to_string()))??;
    let text = match args.json {
        true => serde_json::to_string_pretty(&lag).map_err(|e| Failure::NotOk(e.to_string()))? + "\n",
        false => lag.to_string(),
    };
    say(&text);
    Ok(())
}

fn stages(group: Option<&str>) -> Result<Vec<Stage>, Failure> {
    let stages: Vec<Stage> =
        Stage::ALL.into_iter().filter(|stage| group.is_none_or(|group| group == stage.group())).collect();
    if stages.is_empty() {
        let known: Vec<&str> = Stage::ALL.iter().map(|stage| stage.group()).collect();
        let asked = group.unwrap_or_default();
        return Err(Failure::Usage(format!("no group is called {asked:?}; there are {}", known.join(", "))));
    }
    Ok(stages)
}

fn lag(kafka: &KafkaConfig, stages: &[Stage]) -> Result<Lag, Failure> {
    let inquirer = ClusterQuery::new(kafka).map_err(Failure::of)?;
    let mut partitions = Vec::new();
    for stage in stages {
        let group = GroupQuery::new(kafka, stage.group()).map_err(Failure::of)?;
        for topic in stage.inputs() {
            let count = inquirer.partitions(*topic).map_err(Failure::of)?;
            let committed = group.committed(*topic, count).map_err(Failure::of)?;
            let ends = group.stable_ends(*topic, count).map_err(Failure::of)?;
            for ((partition, committed), marks) in committed.into_iter().zip(ends) {
                let from = committed.unwrap_or(marks.low).max(marks.low);
                let behind = Behind {
                    group: stage.group(),
                    topic: topic.name(),
                    partition,
                    committed,
                    end: marks.high,
                    records: 0,
                    seconds: 0,
                };
                partitions.push((*topic, from, behind));
            }
        }
    }
    look(kafka, &mut partitions)?;
    let partitions: Vec<Behind> = partitions.into_iter().map(|(_, _, behind)| behind).collect();
    Ok(Lag {
        records: partitions.iter().map(|behind| behind.records).sum(),
        seconds: partitions.iter().map(|behind| behind.seconds).max().unwrap_or(0),
        partitions,
    })
}

/// Finds the first record behind each commit; where there is none, what lies there are markers.
fn look(kafka: &KafkaConfig, partitions: &mut [(Topic, i64, Behind)]) -> Result<(), Failure> {
    let is_open = |(_, from, behind): &&(Topic, i64, Behind)| *from < behind.end;
    let mut topics: Vec<Topic> = partitions.iter().filter(is_open).map(|(topic, ..)| *topic).collect();
    topics.dedup();
    let starts: BTreeMap<(Topic, i32), i64> = partitions
        .iter()
        .map(|(topic, from, behind)| {
            ((*topic, behind.partition), if *from < behind.end { *from } else { i64::MAX })
        })
        .collect();
    let mut open = partitions.iter().filter(is_open).count();
    let mut reader = TopicReader::open_at(kafka, &topics, &starts).map_err(Failure::of)?;
    let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    let now_ms = i64::try_from(now_ms).unwrap_or(i64::MAX);
    let deadline = Instant::now() + PATIENCE;
    while open > 0 && !reader.is_at_end() && Instant::now() < deadline {
        for record in reader.read(READ_WAIT).map_err(Failure::of)? {
            let mine = partitions.iter_mut().find(|(topic, from, behind)| {
                *topic == record.topic && behind.partition == record.partition && *from < behind.end
            });
            let Some((_, _, behind)) = mine.filter(|(_, _, behind)| behind.records == 0) else { continue };
            if record.offset < behind.end {
                behind.records = behind.end - record.offset;
                behind.seconds = (now_ms - record.timestamp_ms).max(0) / 1_000;
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
        for behind in &self.partitions {
            let Behind { group, topic, partition, committed, end, records, seconds } = behind;
            let committed = committed.map_or("-".to_owned(), |offset| offset.to_string());
            writeln!(
                f,
                "{group:<30} {topic:<30} {partition:>9} {committed:>12} {end:>12} {records:>10} {seconds:>8}"
            )?;
        }
        writeln!(f, "{} records behind, the oldest for {} s", self.records, self.seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_group_is_named_with_those_that_there_are() {
        let fault = stages(Some("tapeline.nobody")).unwrap_err().to_string();
        assert!(fault.contains("tapeline.nobody") && fault.contains("tapeline.feature"), "{fault}");
        assert_eq!(stages(Some("tapeline.feature")).unwrap(), [Stage::Feature]);
        assert_eq!(stages(None).unwrap().len(), 5);
    }
}

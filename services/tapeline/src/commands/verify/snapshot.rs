//! Reads what is compared: inputs and committed outputs, where groups stand, and what aborted transactions left.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use contracts::{Topic, WriterSchemas};
use kafka_io::{ClusterQuery, GroupQuery, KafkaConfig, Start, TopicReader, Watermarks, count_with_aborted};
use scanner_bridge::rules::mapping::Mapping;

use super::gaps::{Gap, Standing, Tail};
use crate::audit::{Intake, Seen, Stage};
use crate::exit::Failure;

/// Longest wait for one read.
const READ_WAIT: Duration = Duration::from_millis(100);

/// What was read.
pub(super) struct Read {
    pub(super) seen: Seen,
    /// Records that committed readers are shown, by topic.
    pub(super) records: BTreeMap<Topic, u64>,
    /// All records of outputs and dead letters, those of aborted transactions too, by topic.
    pub(super) with_aborted: BTreeMap<Topic, u64>,
    pub(super) gaps: Vec<Gap>,
    /// What a reader of the report should know.
    pub(super) notes: Vec<String>,
}

/// Every topic that is compared.
fn topics() -> Vec<Topic> {
    let of_stages = Stage::ALL.iter().flat_map(|stage| stage.inputs().iter().chain(stage.outputs()));
    let letters = Topic::ALL.iter().filter(|topic| topic.is_dead_letter());
    let mut topics: Vec<Topic> = of_stages.chain(letters).copied().collect();
    topics.sort_unstable();
    topics.dedup();
    topics
}

/// Whether transactions write it.
fn is_output(topic: Topic) -> bool {
    topic.is_dead_letter() || Stage::ALL.iter().any(|stage| stage.outputs().contains(&topic))
}

/// Reads it. Blocks.
pub(super) fn read(
    kafka: &KafkaConfig,
    writers: &dyn WriterSchemas,
    mapping: Mapping,
    patience: Duration,
) -> Result<Read, Failure> {
    let deadline = Instant::now() + patience;
    let topics = topics();
    let standings = standings(kafka)?;
    let ends = ends(kafka, &topics)?;
    let outputs: Vec<(Topic, Watermarks)> = ends
        .iter()
        .filter(|((topic, _), _)| is_output(*topic))
        .map(|((topic, _), marks)| (*topic, *marks))
        .collect();
    std::thread::scope(|scope| {
        let counting = scope.spawn(|| count_with_aborted(kafka, &outputs, patience));
        let mut read = committed(kafka, writers, mapping, (&topics, &ends), &standings, deadline)?;
        let counted = counting.join().map_err(|_| Failure::NotOk("counting panicked".to_owned()))?;
        read.with_aborted = counted.map_err(Failure::of)?;
        Ok(read)
    })
}

type Ends = BTreeMap<(Topic, i32), Watermarks>;

/// Where each group stands in each partition of its inputs. Asked before the ends: what it commits meanwhile can't pass them.
fn standings(kafka: &KafkaConfig) -> Result<Vec<Standing>, Failure> {
    let inquirer = ClusterQuery::new(kafka).map_err(Failure::of)?;
    let mut standings = Vec::new();
    for stage in Stage::ALL {
        let group = GroupQuery::new(kafka, stage.group()).map_err(Failure::of)?;
        for topic in stage.inputs() {
            let partitions = inquirer.partitions(*topic).map_err(Failure::of)?;
            let committed = group.committed(*topic, partitions).map_err(Failure::of)?;
            standings.extend(committed.into_iter().map(|(partition, committed)| Standing {
                stage,
                topic: *topic,
                partition,
                committed,
            }));
        }
    }
    Ok(standings)
}

/// Where each partition begins and ends.
fn ends(kafka: &KafkaConfig, topics: &[Topic]) -> Result<Ends, Failure> {
    let inquirer = ClusterQuery::new(kafka).map_err(Failure::of)?;
    let (mut ends, mut missing) = (Ends::new(), Vec::new());
    for topic in topics {
        let marks = inquirer.watermarks(*topic).map_err(Failure::of)?;
        if marks.is_empty() {
            missing.push(topic.name());
        }
        ends.extend(marks.into_iter().map(|marks| ((*topic, marks.partition), marks)));
    }
    match missing.is_empty() {
        true => Ok(ends),
        false => Err(Failure::NotOk(format!(
            "there is nothing to verify without these topics, which don't exist: {}",
            missing.join(", ")
        ))),
    }
}

/// Reads committed records up to the ends.
fn committed(
    kafka: &KafkaConfig,
    writers: &dyn WriterSchemas,
    mapping: Mapping,
    (topics, ends): (&[Topic], &Ends),
    standings: &[Standing],
    deadline: Instant,
) -> Result<Read, Failure> {
    let partitions = ends.keys().filter(|(topic, _)| *topic == Topic::AlertRaised).count();
    let mut intake = Intake::new(mapping, i32::try_from(partitions).unwrap_or(i32::MAX));
    let mut notes = Vec::new();
    for ((topic, partition), marks) in ends.iter().filter(|(_, marks)| marks.low > 0) {
        intake.truncated(*topic);
        notes.push(format!(
            "{topic}[{partition}] begins at offset {}: what was deleted before can't be verified",
            marks.low
        ));
    }
    let mut tails: BTreeMap<(Topic, i32), Tail> = ends
        .iter()
        .map(|(place, marks)| {
            let mine = standings.iter().find(|standing| (standing.topic, standing.partition) == *place);
            (*place, Tail::new(*marks, mine.and_then(|standing| standing.committed)))
        })
        .collect();
    let mut records: BTreeMap<Topic, u64> = topics.iter().map(|topic| (*topic, 0)).collect();
    let mut reader = TopicReader::open(kafka, topics, Start::Earliest).map_err(Failure::of)?;
    loop {
        for record in reader.read(READ_WAIT).map_err(Failure::of)? {
            let Some(tail) = tails.get_mut(&(record.topic, record.partition)) else { continue };
            if tail.takes(record.offset) {
                *records.entry(record.topic).or_default() += 1;
                intake.take(&record, writers)?;
            }
        }
        if reader.is_at_end() {
            break;
        }
        if Instant::now() >= deadline {
            return Err(Failure::Unreachable(
                "the topics aren't read to their ends within --timeout-s; a transaction that is still open holds readers back"
                    .to_owned(),
            ));
        }
    }
    let gaps: Vec<Gap> = standings
        .iter()
        .filter_map(|standing| standing.gap(tails.get(&(standing.topic, standing.partition))?))
        .collect();
    Ok(Read { seen: intake.finish(), records, with_aborted: BTreeMap::new(), gaps, notes })
}

//! Reads the data of the audit: inputs and committed outputs, committed offsets of the groups, and records of aborted transactions.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use contracts::{Topic, WriterSchemas};
use kafka_io::{ClusterQuery, GroupQuery, KafkaConfig, Start, TopicReader, Watermarks, count_with_aborted};
use kit::SaturatingFrom;
use scanner_bridge::rules::mapping::Mapping;

use super::offset_gaps::{CommittedOffset, OffsetGap, PartitionTail};
use crate::audit::{AuditRecords, RecordCollector, Stage};
use crate::exit::Failure;

/// Timeout of one read.
const READ_TIMEOUT: Duration = Duration::from_millis(100);

/// The data of the audit.
pub(super) struct Snapshot {
    pub(super) records: AuditRecords,
    /// Records visible to committed readers, by topic.
    pub(super) committed: BTreeMap<Topic, u64>,
    /// All records of output and dead-letter topics, those of aborted transactions included, by topic.
    pub(super) with_aborted: BTreeMap<Topic, u64>,
    pub(super) gaps: Vec<OffsetGap>,
    /// Limits of the audit, for the report.
    pub(super) notes: Vec<String>,
}

/// Returns every topic that is read.
fn topics() -> Vec<Topic> {
    let of_stages = Stage::ALL.iter().flat_map(|stage| stage.inputs().iter().chain(stage.outputs()));
    let dead_letters = Topic::ALL.iter().filter(|topic| topic.is_dead_letter());
    let mut topics: Vec<Topic> = of_stages.chain(dead_letters).copied().collect();
    topics.sort_unstable();
    topics.dedup();
    topics
}

/// `true` if the topic is written in transactions.
fn is_output(topic: Topic) -> bool {
    topic.is_dead_letter() || Stage::ALL.iter().any(|stage| stage.outputs().contains(&topic))
}

/// Reads the snapshot. Blocks.
pub(super) fn read(
    kafka: &KafkaConfig,
    writers: &dyn WriterSchemas,
    mapping: Mapping,
    timeout: Duration,
) -> Result<Snapshot, Failure> {
    let deadline = Instant::now() + timeout;
    let topics = topics();
    let offsets = committed_offsets(kafka)?;
    let ends = ends(kafka, &topics)?;
    let outputs: Vec<(Topic, Watermarks)> = ends
        .iter()
        .filter(|((topic, _), _)| is_output(*topic))
        .map(|((topic, _), watermarks)| (*topic, *watermarks))
        .collect();
    std::thread::scope(|scope| {
        let counting = scope.spawn(|| count_with_aborted(kafka, &outputs, timeout));
        let mut snapshot = committed(kafka, writers, mapping, (&topics, &ends), &offsets, deadline)?;
        let counted = counting.join().map_err(|_| Failure::not_ok("counting thread panicked"))?;
        snapshot.with_aborted = counted.map_err(Failure::query)?;
        Ok(snapshot)
    })
}

type Ends = BTreeMap<(Topic, i32), Watermarks>;

/// Fetches the committed offset of each group in each partition of its inputs. Fetched before the ends, so that commits made meanwhile
/// do not exceed them.
fn committed_offsets(kafka: &KafkaConfig) -> Result<Vec<CommittedOffset>, Failure> {
    let cluster = ClusterQuery::new(kafka).map_err(Failure::query)?;
    let mut offsets = Vec::new();
    for stage in Stage::ALL {
        let group = GroupQuery::new(kafka, stage.group()).map_err(Failure::query)?;
        for topic in stage.inputs() {
            let partitions = cluster.partitions(*topic).map_err(Failure::query)?;
            let committed = group.committed(*topic, partitions).map_err(Failure::query)?;
            offsets.extend(committed.into_iter().map(|(partition, committed)| CommittedOffset {
                stage,
                topic: *topic,
                partition,
                committed,
            }));
        }
    }
    Ok(offsets)
}

/// Fetches the first offset and the end of each partition.
fn ends(kafka: &KafkaConfig, topics: &[Topic]) -> Result<Ends, Failure> {
    let cluster = ClusterQuery::new(kafka).map_err(Failure::query)?;
    let (mut ends, mut missing) = (Ends::new(), Vec::new());
    for topic in topics {
        let watermarks = cluster.watermarks(*topic).map_err(Failure::query)?;
        if watermarks.is_empty() {
            missing.push(topic.name());
        }
        ends.extend(watermarks.into_iter().map(|watermarks| ((*topic, watermarks.partition), watermarks)));
    }
    match missing.is_empty() {
        true => Ok(ends),
        false => Err(Failure::not_ok(format!("cannot verify: topics do not exist: {}", missing.join(", ")))),
    }
}

/// Reads committed records up to the ends.
fn committed(
    kafka: &KafkaConfig,
    writers: &dyn WriterSchemas,
    mapping: Mapping,
    (topics, ends): (&[Topic], &Ends),
    offsets: &[CommittedOffset],
    deadline: Instant,
) -> Result<Snapshot, Failure> {
    let partitions = ends.keys().filter(|(topic, _)| *topic == Topic::AlertRaised).count();
    let mut collector = RecordCollector::new(mapping, i32::saturating_from(partitions));
    let mut notes = Vec::new();
    for ((topic, partition), watermarks) in ends.iter().filter(|(_, watermarks)| watermarks.low > 0) {
        collector.mark_truncated(*topic);
        notes.push(format!(
            "{topic}[{partition}] starts at offset {}: deleted records cannot be verified",
            watermarks.low
        ));
    }
    let mut tails: BTreeMap<(Topic, i32), PartitionTail> = ends
        .iter()
        .map(|(partition, watermarks)| {
            let offset = offsets.iter().find(|offset| (offset.topic, offset.partition) == *partition);
            (*partition, PartitionTail::new(*watermarks, offset.and_then(|offset| offset.committed)))
        })
        .collect();
    let mut records: BTreeMap<Topic, u64> = topics.iter().map(|topic| (*topic, 0)).collect();
    let mut reader = TopicReader::open(kafka, topics, Start::Earliest).map_err(Failure::query)?;
    loop {
        for record in reader.read(READ_TIMEOUT).map_err(Failure::query)? {
            let Some(tail) = tails.get_mut(&(record.topic, record.partition)) else { continue };
            if tail.add(record.offset) {
                *records.entry(record.topic).or_default() += 1;
                collector.collect(&record, writers)?;
            }
        }
        if reader.is_at_end() {
            break;
        }
        if Instant::now() >= deadline {
            return Err(Failure::unreachable(
                "timed out before the ends of the topics: raise --timeout-s, or check for an open transaction, which blocks readers",
            ));
        }
    }
    let gaps: Vec<OffsetGap> = offsets
        .iter()
        .filter_map(|offset| offset.gap(tails.get(&(offset.topic, offset.partition))?))
        .collect();
    Ok(Snapshot {
        records: collector.finish(),
        committed: records,
        with_aborted: BTreeMap::new(),
        gaps,
        notes,
    })
}

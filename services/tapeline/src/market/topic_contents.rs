//! The records of a run, read from its topics: for the audit and for `--topics`.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use contracts::{Topic, WriterSchemas};
use kafka_io::{ClusterQuery, KafkaConfig, OwnedRecord, Start, TopicReader};
use scanner_bridge::rules::mapping::Mapping;

use super::run_report::TopicReport;
use crate::audit::{AuditRecords, RecordCollector};
use crate::exit::{Cause, Failure};

/// Time limit of reading all topics to their ends. A million records take seconds.
const TOTAL_TIMEOUT: Duration = Duration::from_secs(120);

/// Timeout of one read.
const READ_TIMEOUT: Duration = Duration::from_millis(100);

/// The records of the topics after a run.
#[derive(Debug, Default)]
pub(super) struct TopicContents {
    /// The records of the run, by topic, partition and offset.
    pub(super) records: BTreeMap<Topic, Vec<OwnedRecord>>,
    /// The data of all records for the audit. Those from before the run are included: a dedup window that was open at the start
    /// covers alerts of the run.
    pub(super) audited: AuditRecords,
}

impl TopicContents {
    /// Reads every topic to its current end. The run's records are those from `starts` on (topic and partition to first offset).
    ///
    /// `mapping` is the contract's table of what each alert type requests.
    ///
    /// # Errors
    /// If a topic cannot be read to its end or has lost records of the run, or if the registry is unavailable. An audit of a part of
    /// the records would be wrong.
    pub(super) fn read(
        kafka: &KafkaConfig,
        starts: &BTreeMap<(Topic, i32), i64>,
        writers: &dyn WriterSchemas,
        mapping: Mapping,
    ) -> Result<Self, Failure> {
        let cluster = ClusterQuery::new(kafka).map_err(unreadable)?;
        let mut collector = RecordCollector::new(mapping, kafka.partitions);
        for topic in Topic::ALL {
            for watermarks in cluster.watermarks(*topic).map_err(unreadable)? {
                let start = starts.get(&(*topic, watermarks.partition)).copied().unwrap_or(0);
                if watermarks.low > start {
                    return Err(deleted(*topic, watermarks.partition, start, watermarks.low));
                }
                if watermarks.low > 0 {
                    collector.mark_truncated(*topic);
                }
            }
        }
        let mut records: BTreeMap<Topic, Vec<OwnedRecord>> =
            Topic::ALL.iter().map(|topic| (*topic, Vec::new())).collect();
        let mut reader = TopicReader::open(kafka, Topic::ALL, Start::Earliest).map_err(unreadable)?;
        let deadline = Instant::now() + TOTAL_TIMEOUT;
        while !reader.is_at_end() {
            for record in reader.read(READ_TIMEOUT).map_err(unreadable)? {
                collector.collect(&record, writers)?;
                let start = starts.get(&(record.topic, record.partition)).copied().unwrap_or(0);
                if record.offset >= start {
                    records.entry(record.topic).or_default().push(record);
                }
            }
            if Instant::now() >= deadline && !reader.is_at_end() {
                let timeout_s = TOTAL_TIMEOUT.as_secs();
                return Err(Failure::not_ok(format!(
                    "failed to read the topics of the run: timed out after {timeout_s} s before their ends"
                )));
            }
        }
        for of_topic in records.values_mut() {
            of_topic.sort_by_key(|record| (record.partition, record.offset));
        }
        Ok(Self { records, audited: collector.finish() })
    }

    /// Returns the record count of each topic.
    #[must_use]
    pub(super) fn topics(&self) -> BTreeMap<String, TopicReport> {
        let report = |records: &Vec<OwnedRecord>| TopicReport { records: records.len() as u64 };
        self.records.iter().map(|(topic, records)| (topic.name().to_owned(), report(records))).collect()
    }
}

fn unreadable(error: impl std::error::Error + Send + Sync + 'static) -> Failure {
    Failure::NotOk(Cause::new("failed to read the topics of the run", error))
}

fn deleted(topic: Topic, partition: i32, start: i64, low: i64) -> Failure {
    Failure::not_ok(format!(
        "cannot audit the run: records of {topic}[{partition}] from offset {start} to {low} were deleted; the embedded broker keeps \
         5 MiB a partition: replay fewer dates with --from and --to"
    ))
}

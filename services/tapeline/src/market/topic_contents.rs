//! Reads the topics of a run again: for the count, and for those who want the records themselves.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use contracts::{Topic, WriterSchemas};
use kafka_io::{ClusterQuery, KafkaConfig, OwnedRecord, ReadError, Start, TopicReader};
use scanner_bridge::rules::mapping::Mapping;

use crate::audit::{Intake, Seen};
use crate::exit::Failure;
use crate::report::TopicReport;

/// How long reading a topic to its end may take: a million records take seconds.
const PATIENCE: Duration = Duration::from_secs(120);

/// Longest wait for one read.
const READ_WAIT: Duration = Duration::from_millis(100);

/// What a run left in the topics.
#[derive(Debug, Default)]
pub struct Collected {
    /// The run's records, by topic, partition and offset.
    pub records: BTreeMap<Topic, Vec<OwnedRecord>>,
    /// What the count needs of all records, those before the run too: windows that were open when it began cover what came in it.
    pub seen: Seen,
}

impl Collected {
    /// Reads every topic up to where it ends now; the run's are the records from `starts` on (topic, partition → first offset).
    ///
    /// `mapping` says what each alert asks for: the table of the contract, by the bridge's rules for it.
    ///
    /// # Errors
    /// When a topic can't be read to its end, no longer holds what it held, or the registry can't be asked for a schema: a count of a
    /// part would be no count.
    pub fn read(
        kafka: &KafkaConfig,
        starts: &BTreeMap<(Topic, i32), i64>,
        writers: &dyn WriterSchemas,
        mapping: Mapping,
    ) -> Result<Self, Failure> {
        let unread =
            |e: &dyn std::error::Error| Failure::NotOk(format!("the topics can't be read again: {e}"));
        let inquirer = ClusterQuery::new(kafka).map_err(|e| unread(&e))?;
        let mut intake = Intake::new(mapping, kafka.partitions);
        for topic in Topic::ALL {
            for marks in inquirer.watermarks(*topic).map_err(|e| unread(&e))? {
                let start = starts.get(&(*topic, marks.partition)).copied().unwrap_or(0);
                if marks.low > start {
                    return Err(gone(*topic, marks.partition, start, marks.low));
                }
                if marks.low > 0 {
                    intake.truncated(*topic);
                }
            }
        }
        let mut records: BTreeMap<Topic, Vec<OwnedRecord>> =
            Topic::ALL.iter().map(|topic| (*topic, Vec::new())).collect();
        let mut reader = TopicReader::open(kafka, Topic::ALL, Start::Earliest).map_err(|e| unread(&e))?;
        let deadline = Instant::now() + PATIENCE;
        while !reader.is_at_end() {
            for record in reader.read(READ_WAIT).map_err(|e| unread(&e))? {
                intake.take(&record, writers)?;
                let start = starts.get(&(record.topic, record.partition)).copied().unwrap_or(0);
                if record.offset >= start {
                    records.entry(record.topic).or_default().push(record);
                }
            }
            if Instant::now() >= deadline && !reader.is_at_end() {
                let cause = format!("the end is not reached within {PATIENCE:?}");
                return Err(unread(&ReadError::Failed { cause }));
            }
        }
        for of_topic in records.values_mut() {
            of_topic.sort_by_key(|record| (record.partition, record.offset));
        }
        Ok(Self { records, seen: intake.finish() })
    }

    /// How many records each topic holds.
    #[must_use]
    pub fn topics(&self) -> BTreeMap<String, TopicReport> {
        let report = |records: &Vec<OwnedRecord>| TopicReport { records: records.len() as u64 };
        self.records.iter().map(|(topic, records)| (topic.name().to_owned(), report(records))).collect()
    }
}

fn gone(topic: Topic, partition: i32, start: i64, low: i64) -> Failure {
    Failure::NotOk(format!(
        "{topic} partition {partition} no longer holds offsets {start} to {low} of this run, so it can't be counted; \
         the embedded broker keeps 5 MiB a partition: replay fewer dates with --from and --to"
    ))
}

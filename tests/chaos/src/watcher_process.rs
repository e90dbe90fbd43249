//! The watcher: a separate process that reads committed vectors and prints their count for each partition.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::time::Duration;

use contracts::Topic;
use kafka_io::{KafkaConfig, Start, TopicReader};

use crate::timeline::OutputSample;

const WAIT: Duration = Duration::from_millis(50);

/// Prints a line for each partition with new records, until the reader of its output exits.
///
/// # Errors
/// The topic cannot be read, or its output is closed.
pub fn run(brokers: &str) -> io::Result<()> {
    let kafka = KafkaConfig { brokers: brokers.to_owned(), ..KafkaConfig::default() };
    let mut reader =
        TopicReader::open(&kafka, &[Topic::VectorComputed], Start::Latest).map_err(io::Error::other)?;
    #[expect(clippy::disallowed_methods, reason = "a pipe to the storm, which ends with it")]
    let mut out = io::stdout();
    loop {
        let mut samples: BTreeMap<i32, OutputSample> = BTreeMap::new();
        for record in reader.read(WAIT).map_err(io::Error::other)? {
            let appended_ms = u64::try_from(record.timestamp_ms).unwrap_or(0);
            let partition = record.partition;
            let sample =
                samples.entry(partition).or_insert(OutputSample { partition, count: 0, appended_ms });
            sample.count += 1;
            sample.appended_ms = sample.appended_ms.max(appended_ms);
        }
        for sample in samples.values() {
            writeln!(out, "{} {} {}", sample.partition, sample.count, sample.appended_ms)?;
        }
        // An empty line if there are no records: writing it fails once the reader has exited.
        if samples.is_empty() {
            writeln!(out)?;
        }
    }
}

/// Parses a line; `None` for an empty one.
#[must_use]
pub fn parse(line: &str) -> Option<OutputSample> {
    let mut words = line.split(' ');
    let mut next = || words.next();
    let (partition, count, appended_ms) =
        (next()?.parse().ok()?, next()?.parse().ok()?, next()?.parse().ok()?);
    Some(OutputSample { partition, count, appended_ms })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_has_partition_count_and_time() {
        assert_eq!(parse("3 17 99"), Some(OutputSample { partition: 3, count: 17, appended_ms: 99 }));
        assert_eq!(parse(""), None);
    }
}

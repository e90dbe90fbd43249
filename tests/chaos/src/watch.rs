//! The watcher: a process of its own that reads committed vectors as they come and tells how many of which partition it saw.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::time::Duration;

use contracts::Topic;
use kafka_io::{KafkaConfig, Start, TopicReader};

use crate::timeline::Seen;

const WAIT: Duration = Duration::from_millis(50);

/// Prints a line for each partition of which records came, until the one who listens has gone.
///
/// # Errors
/// When the topic can't be read, or nobody listens.
pub fn run(brokers: &str) -> io::Result<()> {
    let kafka = KafkaConfig { brokers: brokers.to_owned(), ..KafkaConfig::default() };
    let mut reader =
        TopicReader::open(&kafka, &[Topic::VectorComputed], Start::Latest).map_err(io::Error::other)?;
    let mut out = io::stdout();
    loop {
        let mut seen: BTreeMap<i32, Seen> = BTreeMap::new();
        for record in reader.read(WAIT).map_err(io::Error::other)? {
            let appended_ms = u64::try_from(record.timestamp_ms).unwrap_or(0);
            let partition = record.partition;
            let seen = seen.entry(partition).or_insert(Seen { partition, count: 0, appended_ms });
            seen.count += 1;
            seen.appended_ms = seen.appended_ms.max(appended_ms);
        }
        for seen in seen.values() {
            writeln!(out, "{} {} {}", seen.partition, seen.count, seen.appended_ms)?;
        }
        // An empty line when nothing came: it tells whether somebody still listens.
        if seen.is_empty() {
            writeln!(out)?;
        }
    }
}

/// What a line says; none of an empty one.
#[must_use]
pub fn parse(line: &str) -> Option<Seen> {
    let mut words = line.split(' ');
    let mut next = || words.next();
    let (partition, count, appended_ms) =
        (next()?.parse().ok()?, next()?.parse().ok()?, next()?.parse().ok()?);
    Some(Seen { partition, count, appended_ms })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_partition_a_count_and_a_time() {
        assert_eq!(parse("3 17 99"), Some(Seen { partition: 3, count: 17, appended_ms: 99 }));
        assert_eq!(parse(""), None);
    }
}

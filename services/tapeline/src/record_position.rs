//! Position of a record in the log.

use std::fmt;

use contracts::Topic;
use kafka_io::OwnedRecord;

/// Topic, partition and offset of a record. Shown as `topic[partition]@offset`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RecordPosition {
    pub topic: Topic,
    pub partition: i32,
    pub offset: i64,
}

impl RecordPosition {
    /// Returns the position of a record that was read.
    #[must_use]
    pub fn of(record: &OwnedRecord) -> Self {
        Self { topic: record.topic, partition: record.partition, offset: record.offset }
    }
}

impl fmt::Display for RecordPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}[{}]@{}", self.topic, self.partition, self.offset)
    }
}

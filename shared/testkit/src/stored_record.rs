//! A record as it is stored in a topic, for tests that read one without a broker.

use kafka_io::{Headers, InRecord, OutRecord, TRACEPARENT};
use pipeline::Now;

/// An output record in its topic. It has offset 0 and no append time unless they are set.
#[derive(Debug, Clone)]
pub struct StoredRecord<'a> {
    record: &'a OutRecord,
    headers: Vec<(String, Vec<u8>)>,
    partition: i32,
    offset: i64,
    timestamp_ms: i64,
}

impl<'a> StoredRecord<'a> {
    /// Stores a record in the partition that it names.
    #[must_use]
    pub fn new(record: &'a OutRecord) -> Self {
        let header = |(name, value): &(std::borrow::Cow<'_, str>, Vec<u8>)| (name.to_string(), value.clone());
        let headers = record.headers.iter().map(header).collect();
        Self { record, headers, partition: record.partition, offset: 0, timestamp_ms: -1 }
    }

    /// Stores it in another partition than the record names.
    #[must_use]
    pub fn in_partition(self, partition: i32) -> Self {
        Self { partition, ..self }
    }

    /// Sets the offset.
    #[must_use]
    pub fn at_offset(self, offset: i64) -> Self {
        Self { offset, ..self }
    }

    /// Sets the append time to the wall clock of `now`.
    #[must_use]
    pub fn appended_at(self, now: Now) -> Self {
        Self { timestamp_ms: now.wall_micros / 1_000, ..self }
    }

    /// Borrows it as a stage reads it. The header `traceparent` is passed on unchecked, so that tests may use short traces.
    #[must_use]
    pub fn as_input(&self) -> InRecord<'_> {
        let headers = Headers::listed(&self.headers);
        InRecord {
            topic: self.record.topic,
            partition: self.partition,
            offset: self.offset,
            timestamp_ms: self.timestamp_ms,
            key: (!self.record.missing.key).then_some(&self.record.key),
            payload: (!self.record.missing.payload).then_some(&self.record.payload),
            epoch: None,
            traceparent: headers.get(TRACEPARENT).and_then(|value| std::str::from_utf8(value).ok()),
            headers,
        }
    }
}

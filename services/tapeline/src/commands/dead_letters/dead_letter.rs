//! A dead letter: the original record, and the error in its headers.

use contracts::Topic;
use domain::Timestamp;
use kafka_io::{OwnedRecord, dead_letter};
use serde_json::{Value, json};

use super::args::service_of;
use crate::record_position::RecordPosition;

/// Shown for a missing header.
const NONE: &str = "-";

/// A dead letter.
#[derive(Debug, Clone)]
pub struct DeadLetter(OwnedRecord);

/// Topic and partition of the original record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin {
    pub topic: Topic,
    pub partition: i32,
}

impl DeadLetter {
    /// Returns the dead letter in a record of a dead-letter topic.
    #[must_use]
    pub fn new(record: OwnedRecord) -> Self {
        Self(record)
    }

    /// Returns the record in the dead-letter topic.
    #[must_use]
    pub fn record(&self) -> &OwnedRecord {
        &self.0
    }

    /// Returns the position in the dead-letter topic.
    #[must_use]
    pub fn position(&self) -> RecordPosition {
        RecordPosition::of(&self.0)
    }

    /// Returns the last header of this name as text. Kafka allows several, and the last one counts.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<String> {
        let found = self.0.headers.iter().rev().find(|(key, _)| key == name);
        found.map(|(_, value)| String::from_utf8_lossy(value).into_owned())
    }

    fn number<T: std::str::FromStr>(&self, name: &str) -> Option<T> {
        self.header(name)?.parse().ok()
    }

    /// Returns the error class.
    #[must_use]
    pub fn class(&self) -> String {
        self.header(dead_letter::ERROR_CLASS).unwrap_or_else(|| NONE.to_owned())
    }

    /// Returns the error message.
    #[must_use]
    pub fn error(&self) -> String {
        self.header(dead_letter::ERROR).unwrap_or_else(|| NONE.to_owned())
    }

    /// Returns how often the record was dead-lettered.
    #[must_use]
    pub fn generation(&self) -> u32 {
        self.number(dead_letter::GENERATION).unwrap_or(1)
    }

    /// Returns the name of the original topic.
    #[must_use]
    pub fn topic_name(&self) -> String {
        self.header(dead_letter::TOPIC).unwrap_or_else(|| NONE.to_owned())
    }

    /// Returns where the original record was. `None` if the headers are missing or name no topic of events.
    #[must_use]
    pub fn origin(&self) -> Option<Origin> {
        let topic = Topic::from_name(&self.header(dead_letter::TOPIC)?).filter(|it| !it.is_dead_letter())?;
        Some(Origin { topic, partition: self.number(dead_letter::PARTITION)? })
    }

    /// `true` if the original bytes are missing: they were too large for the topic, or no longer available when it was written.
    #[must_use]
    pub fn is_truncated(&self) -> bool {
        let is_empty = self.0.payload.as_ref().is_none_or(Vec::is_empty);
        self.header(dead_letter::TRUNCATED).is_some() || (is_empty && self.class() == kafka_io::UNWRITABLE)
    }

    /// Returns the key as text.
    #[must_use]
    pub fn key(&self) -> Option<String> {
        self.0.key.as_deref().map(|key| String::from_utf8_lossy(key).into_owned())
    }

    /// Returns the time at which the dead letter was written.
    #[must_use]
    pub fn time(&self) -> Timestamp {
        Timestamp::from_micros(self.0.timestamp_ms.saturating_mul(1_000))
    }

    /// Returns the append time of the original record, ISO-8601.
    #[must_use]
    pub fn original_time(&self) -> Option<String> {
        let ms = self.number::<i64>(dead_letter::TIMESTAMP)?;
        Some(Timestamp::from_micros(ms.saturating_mul(1_000)).to_string())
    }

    /// Returns the schema id in the original payload.
    #[must_use]
    pub fn schema_id(&self) -> Option<u32> {
        self.number(dead_letter::SCHEMA_ID)
    }

    /// Returns `topic[partition]@offset` of the original record.
    #[must_use]
    pub fn original_position(&self) -> String {
        let of = |name| self.header(name).unwrap_or_else(|| NONE.to_owned());
        format!("{}[{}]@{}", self.topic_name(), of(dead_letter::PARTITION), of(dead_letter::OFFSET))
    }

    /// Returns the service that wrote it: from its header, else that of its topic.
    #[must_use]
    pub fn service(&self) -> String {
        self.header(dead_letter::SERVICE).unwrap_or_else(|| service_of(self.0.topic).to_owned())
    }

    /// Returns everything but the payload and the original headers.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({
            "topic": self.0.topic.name(),
            "partition": self.0.partition,
            "offset": self.0.offset,
            "time": self.time().to_string(),
            "service": self.service(),
            "class": self.class(),
            "error": self.error(),
            "attempts": self.number::<u32>(dead_letter::ATTEMPTS),
            "epoch": self.number::<u32>(dead_letter::EPOCH),
            "generation": self.generation(),
            "original_topic": self.header(dead_letter::TOPIC),
            "original_partition": self.number::<i32>(dead_letter::PARTITION),
            "original_offset": self.number::<i64>(dead_letter::OFFSET),
            "original_time": self.original_time(),
            "key": self.key(),
            "schema_id": self.schema_id(),
            "payload_bytes": self.0.payload.as_ref().map_or(0, Vec::len),
            "truncated": self.is_truncated(),
        })
    }
}

//! A dead letter as it lies in its topic: the original record, and what its headers say.

use contracts::Topic;
use domain::Timestamp;
use kafka_io::{OwnedRecord, dead_letter};
use serde_json::{Value, json};

use super::args::service_of;

/// What stands for a header that a letter doesn't have.
const NONE: &str = "-";

/// A dead letter.
#[derive(Debug, Clone)]
pub struct Letter(OwnedRecord);

/// Where the record stood that became a letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin {
    /// Its topic.
    pub topic: Topic,
    /// Its partition.
    pub partition: i32,
}

impl Letter {
    /// The letter in a record of a dead-letter topic.
    #[must_use]
    pub fn new(record: OwnedRecord) -> Self {
        Self(record)
    }

    /// The record itself.
    #[must_use]
    pub fn record(&self) -> &OwnedRecord {
        &self.0
    }

    /// Where the letter lies: `topic[partition]@offset`.
    #[must_use]
    pub fn place(&self) -> String {
        format!("{}[{}]@{}", self.0.topic, self.0.partition, self.0.offset)
    }

    /// The last header of this name as text; Kafka allows several, and the last one counts.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<String> {
        let found = self.0.headers.iter().rev().find(|(key, _)| key == name);
        found.map(|(_, value)| String::from_utf8_lossy(value).into_owned())
    }

    fn number<T: std::str::FromStr>(&self, name: &str) -> Option<T> {
        self.header(name)?.parse().ok()
    }

    /// What kind of fault.
    #[must_use]
    pub fn class(&self) -> String {
        self.header(dead_letter::ERROR_CLASS).unwrap_or_else(|| NONE.to_owned())
    }

    /// The fault in words.
    #[must_use]
    pub fn error(&self) -> String {
        self.header(dead_letter::ERROR).unwrap_or_else(|| NONE.to_owned())
    }

    /// How often the record died.
    #[must_use]
    pub fn generation(&self) -> u32 {
        self.number(dead_letter::GENERATION).unwrap_or(1)
    }

    /// The name of the original topic.
    #[must_use]
    pub fn topic_name(&self) -> String {
        self.header(dead_letter::TOPIC).unwrap_or_else(|| NONE.to_owned())
    }

    /// Where the record stood, when the letter says so and it is a topic of events.
    #[must_use]
    pub fn origin(&self) -> Option<Origin> {
        let topic = Topic::from_name(&self.header(dead_letter::TOPIC)?).filter(|it| !it.is_dead_letter())?;
        Some(Origin { topic, partition: self.number(dead_letter::PARTITION)? })
    }

    /// Whether the letter holds no longer the bytes that died: they were too large for its topic, or gone when it was written.
    #[must_use]
    pub fn is_truncated(&self) -> bool {
        let is_empty = self.0.payload.as_ref().is_none_or(Vec::is_empty);
        self.header(dead_letter::TRUNCATED).is_some() || (is_empty && self.class() == kafka_io::UNWRITABLE)
    }

    /// The key as text.
    #[must_use]
    pub fn key(&self) -> Option<String> {
        self.0.key.as_deref().map(|key| String::from_utf8_lossy(key).into_owned())
    }

    /// When the letter was written.
    #[must_use]
    pub fn time(&self) -> Timestamp {
        Timestamp::from_micros(self.0.timestamp_ms.saturating_mul(1_000))
    }

    /// The registry's id in the original payload.
    #[must_use]
    pub fn schema_id(&self) -> Option<u32> {
        self.number(dead_letter::SCHEMA_ID)
    }

    /// `topic[partition]@offset` of the record that died.
    #[must_use]
    pub fn original_place(&self) -> String {
        let of = |name| self.header(name).unwrap_or_else(|| NONE.to_owned());
        format!("{}[{}]@{}", self.topic_name(), of(dead_letter::PARTITION), of(dead_letter::OFFSET))
    }

    /// Who wrote it: its own word, or whose topic it lies in.
    #[must_use]
    pub fn service(&self) -> String {
        self.header(dead_letter::SERVICE).unwrap_or_else(|| service_of(self.0.topic).to_owned())
    }

    /// Everything but the payload and the record's own headers.
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
            "original_time": self.number::<i64>(dead_letter::TIMESTAMP).map(time_of_ms),
            "key": self.key(),
            "schema_id": self.schema_id(),
            "payload_bytes": self.0.payload.as_ref().map_or(0, Vec::len),
            "truncated": self.is_truncated(),
        })
    }
}

fn time_of_ms(ms: i64) -> String {
    Timestamp::from_micros(ms.saturating_mul(1_000)).to_string()
}

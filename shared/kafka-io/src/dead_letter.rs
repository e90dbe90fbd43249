//! A dead letter: the original bytes, key and headers, and beside them where they came from and why they stopped.

use contracts::Topic;

use crate::record::{InRecord, OutRecord};

/// Original topic.
pub const TOPIC: &str = "tapeline.topic";
/// Original partition.
pub const PARTITION: &str = "tapeline.partition";
/// Original offset.
pub const OFFSET: &str = "tapeline.offset";
/// Original append time, milliseconds since 1970.
pub const TIMESTAMP: &str = "tapeline.timestamp";
/// Schema id in the original payload; absent when the payload is no Confluent frame.
pub const SCHEMA_ID: &str = "tapeline.schema-id";
/// What kind of fault, from the service's closed list.
pub const ERROR_CLASS: &str = "tapeline.error-class";
/// The fault in words, with its place.
pub const ERROR: &str = "tapeline.error";
/// How often it was tried.
pub const ATTEMPTS: &str = "tapeline.attempts";
/// Who gave up.
pub const SERVICE: &str = "tapeline.service";
/// How often this record went through a dead-letter topic and back: 1 for the first time.
pub const GENERATION: &str = "tapeline.generation";

/// Longest error text kept: a fault may quote its input.
const ERROR_MAX_BYTES: usize = 4_096;

/// Why a record can't be processed.
#[derive(Debug, Clone, Copy)]
pub struct Cause<'a> {
    /// From the service's closed list: a label.
    pub class: &'static str,
    /// In words, with the place.
    pub error: &'a str,
    /// How often it was tried.
    pub attempts: u32,
    /// Who gave up.
    pub service: &'static str,
}

/// The dead letter of a record, for this dead-letter topic of `partitions` partitions. It lies under the number of the partition
/// that the record came from, so that what concerns a symbol stays under one number. A missing key or payload becomes an empty
/// one.
#[must_use]
pub fn of(record: &InRecord<'_>, dead_letters: Topic, partitions: i32, cause: Cause<'_>) -> OutRecord {
    let partition = record.partition.rem_euclid(partitions.max(1));
    let payload = record.payload.unwrap_or_default().to_vec();
    let mut letter = OutRecord::new(dead_letters, partition, record.key.unwrap_or_default(), payload);
    for (name, value) in record.headers.iter().filter(|(name, _)| !is_ours(name)) {
        letter = letter.with_header(name.to_owned(), value);
    }
    letter = letter
        .with_header(TOPIC, record.topic.name())
        .with_header(PARTITION, record.partition.to_string())
        .with_header(OFFSET, record.offset.to_string())
        .with_header(TIMESTAMP, record.timestamp_ms.to_string());
    if let Some((id, _)) = record.payload.and_then(|payload| contracts::codec::split(payload).ok()) {
        letter = letter.with_header(SCHEMA_ID, id.to_string());
    }
    letter
        .with_header(ERROR_CLASS, cause.class)
        .with_header(ERROR, shortened(cause.error))
        .with_header(ATTEMPTS, cause.attempts.to_string())
        .with_header(SERVICE, cause.service)
        .with_header(GENERATION, (generation(record) + 1).to_string())
}

/// How often the record went through a dead-letter topic before.
#[must_use]
pub fn generation(record: &InRecord<'_>) -> u32 {
    let value = record.headers.get(GENERATION).and_then(|value| std::str::from_utf8(value).ok());
    value.and_then(|text| text.parse().ok()).unwrap_or(0)
}

fn is_ours(name: &str) -> bool {
    [TOPIC, PARTITION, OFFSET, TIMESTAMP, SCHEMA_ID, ERROR_CLASS, ERROR, ATTEMPTS, SERVICE, GENERATION]
        .contains(&name)
}

fn shortened(text: &str) -> &str {
    let end = (0..=text.len().min(ERROR_MAX_BYTES)).rev().find(|end| text.is_char_boundary(*end));
    &text[..end.unwrap_or(0)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Headers;

    fn record<'a>(payload: &'a [u8], headers: &'a [(String, Vec<u8>)]) -> InRecord<'a> {
        InRecord {
            topic: Topic::AlertRaised,
            partition: 7,
            offset: 41,
            timestamp_ms: 1_700_000_000_000,
            key: Some(b"AAPL"),
            payload: Some(payload),
            traceparent: None,
            headers: Headers::listed(headers),
        }
    }

    const CAUSE: Cause<'static> =
        Cause { class: "undecodable", error: "truncated", attempts: 1, service: "scanner-bridge" };

    fn header<'a>(letter: &'a OutRecord, name: &str) -> Option<&'a str> {
        let found = letter.headers.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| std::str::from_utf8(value).unwrap())
    }

    #[test]
    fn a_dead_letter_keeps_the_bytes_and_says_whence_and_why() {
        let headers = [("traceparent".to_owned(), b"00-1-2-01".to_vec())];
        let payload = [0, 0, 0, 0, 9, 1, 2];
        let letter = of(&record(&payload, &headers), Topic::ScannerBridgeDeadLetter, 12, CAUSE);
        assert_eq!(
            (letter.partition, letter.key.as_slice(), letter.payload.as_slice()),
            (7, &b"AAPL"[..], &payload[..])
        );
        for (name, value) in [
            ("traceparent", "00-1-2-01"),
            (TOPIC, "scanner.alert.raised.v1"),
            (PARTITION, "7"),
            (OFFSET, "41"),
            (TIMESTAMP, "1700000000000"),
            (SCHEMA_ID, "9"),
            (ERROR_CLASS, "undecodable"),
            (ERROR, "truncated"),
            (ATTEMPTS, "1"),
            (SERVICE, "scanner-bridge"),
            (GENERATION, "1"),
        ] {
            assert_eq!(header(&letter, name), Some(value), "{name}");
        }
    }

    #[test]
    fn a_second_death_counts_the_generation_and_doubles_no_header() {
        let headers = [(GENERATION.to_owned(), b"3".to_vec()), (ERROR.to_owned(), b"old".to_vec())];
        let letter = of(&record(b"x", &headers), Topic::ScannerBridgeDeadLetter, 12, CAUSE);
        assert_eq!(header(&letter, GENERATION), Some("4"));
        assert_eq!(letter.headers.iter().filter(|(key, _)| key == ERROR).count(), 1);
        assert_eq!(header(&letter, SCHEMA_ID), None);
    }

    #[test]
    fn a_long_error_is_cut_between_characters() {
        let long = "é".repeat(ERROR_MAX_BYTES);
        let letter =
            of(&record(b"x", &[]), Topic::ScannerBridgeDeadLetter, 12, Cause { error: &long, ..CAUSE });
        assert_eq!(header(&letter, ERROR).map(str::len), Some(ERROR_MAX_BYTES));
    }
}

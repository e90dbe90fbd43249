//! Dead letters: the original key, payload and headers of a record that can never be processed, with its origin and the error in
//! additional headers.
//!
//! Parts that exceed the size limit of the dead-letter topic are left out: a batch of a few KB may expand to a record of many MB.
//! Topic, partition and offset lead to the original, and a hash of the payload identifies it.

use std::borrow::Cow;
use std::fmt::Write as _;

use contracts::Topic;
use sha2::{Digest, Sha256};

use crate::record::{InRecord, Missing, OutRecord};

/// Original topic.
pub const TOPIC: &str = "tapeline.topic";
/// Original partition.
pub const PARTITION: &str = "tapeline.partition";
/// Original offset.
pub const OFFSET: &str = "tapeline.offset";
/// Original append time, milliseconds since 1970.
pub const TIMESTAMP: &str = "tapeline.timestamp";
/// Schema id in the original payload; absent if the payload is no Confluent frame.
pub const SCHEMA_ID: &str = "tapeline.schema-id";
/// Error class, from the closed list [`CLASSES`].
pub const ERROR_CLASS: &str = "tapeline.error-class";
/// Error text, with the field where there is one.
pub const ERROR: &str = "tapeline.error";
/// Number of attempts.
pub const ATTEMPTS: &str = "tapeline.attempts";
/// Service that wrote the dead letter.
pub const SERVICE: &str = "tapeline.service";
/// Assignment epoch in which the record was received: 1 is the first assignment of the partition in that process.
pub const EPOCH: &str = "tapeline.epoch";
/// Number of times that the record was dead-lettered: 1 for the first time, more after replays.
pub const GENERATION: &str = "tapeline.generation";

/// All error classes; `docs/errors/dead-letters.md` describes each.
pub const CLASSES: [&str; 17] = [
    "tombstone",
    "empty",
    "bad_magic",
    "too_large",
    "truncated",
    "trailing_bytes",
    "impossible_length",
    "invalid_utf8",
    "malformed",
    "unknown_schema",
    "wrong_subject",
    "incompatible_schema",
    "invalid",
    "ahead_of_clock",
    "misplaced",
    "bad_headers",
    "unwritable",
];

/// Parts that were left out because the dead letter would be too large: of `key`, `payload` and `headers`, separated by commas.
pub const TRUNCATED: &str = "tapeline.truncated";
/// SHA-256 of a payload that was left out, in hexadecimal digits.
pub const PAYLOAD_SHA256: &str = "tapeline.payload-sha256";
/// Length of a payload that was left out, bytes.
pub const PAYLOAD_BYTES: &str = "tapeline.payload-bytes";

/// Every header that Tapeline adds.
const ADDED_HEADERS: [&str; 14] = [
    TOPIC,
    PARTITION,
    OFFSET,
    TIMESTAMP,
    SCHEMA_ID,
    ERROR_CLASS,
    ERROR,
    ATTEMPTS,
    SERVICE,
    EPOCH,
    GENERATION,
    TRUNCATED,
    PAYLOAD_SHA256,
    PAYLOAD_BYTES,
];

/// Bytes of a header on the wire in addition to its name and value: two lengths.
const HEADER_OVERHEAD_BYTES: usize = 10;

/// Bytes of a batch of one record in addition to its key, payload and headers (Kafka's message format v2: 61 bytes and some lengths),
/// and of the headers that list the parts left out.
const OVERHEAD_BYTES: usize = 1_024;

/// Bytes of error text that are kept: an error may quote its input.
const ERROR_MAX_BYTES: usize = 4_096;

/// The reason why a record can never be processed.
#[derive(Debug, Clone, Copy)]
pub struct Cause<'a> {
    /// Error class, from [`CLASSES`].
    pub class: &'static str,
    /// Error text, with the field where there is one.
    pub error: &'a str,
    /// Number of attempts.
    pub attempts: u32,
    /// Service that writes the dead letter.
    pub service: &'static str,
}

/// Creates the dead letter of a record for a dead-letter topic of `partitions` partitions. It keeps the record's partition number, so
/// that all records of a symbol stay under one number. A key or payload that the record lacks is absent in the dead letter too. The
/// added headers always fit; of the rest, the key has precedence over the payload, and the payload over the headers.
#[must_use]
pub fn of(record: &InRecord<'_>, dead_letters: Topic, partitions: i32, cause: Cause<'_>) -> OutRecord {
    let partition = record.partition.rem_euclid(partitions.max(1));
    let mut output = OutRecord::new(dead_letters, partition, Vec::new(), Vec::new());
    output.missing = Missing { key: record.key.is_none(), payload: record.payload.is_none() };
    let added = added_headers(record, cause);
    let mut room = Room { left: dead_letters.max_message_bytes().saturating_sub(OVERHEAD_BYTES) };
    for (name, value) in &added {
        room.reserve(header_bytes(name, value));
    }
    let mut left_out = Vec::new();
    let (key, payload) = (record.key.unwrap_or_default(), record.payload.unwrap_or_default());
    match room.reserve(key.len()) {
        true => output.key = key.to_vec(),
        false => left_out.push("key"),
    }
    let payload_fits = room.reserve(payload.len());
    match payload_fits {
        true => output.payload = payload.to_vec(),
        false => left_out.push("payload"),
    }
    let mut all_headers_fit = true;
    for (name, value) in record.headers.iter().filter(|(name, _)| !is_added_header(name)) {
        match room.reserve(header_bytes(&name, value)) {
            true => output.headers.push((Cow::Owned(name.into_owned()), value.to_vec())),
            false => all_headers_fit = false,
        }
    }
    if !all_headers_fit {
        left_out.push("headers");
    }
    output.headers.extend(added);
    if !payload_fits {
        output = output
            .with_header(PAYLOAD_SHA256, sha256(payload))
            .with_header(PAYLOAD_BYTES, payload.len().to_string());
    }
    if left_out.is_empty() { output } else { output.with_header(TRUNCATED, left_out.join(",")) }
}

fn added_headers(record: &InRecord<'_>, cause: Cause<'_>) -> Vec<(Cow<'static, str>, Vec<u8>)> {
    let schema_id = record.payload.and_then(contracts::codec::schema_id);
    let texts = [
        (TOPIC, Some(record.topic.name().to_owned())),
        (PARTITION, Some(record.partition.to_string())),
        (OFFSET, Some(record.offset.to_string())),
        (TIMESTAMP, Some(record.timestamp_ms.to_string())),
        (SCHEMA_ID, schema_id.map(|id| id.to_string())),
        (ERROR_CLASS, Some(cause.class.to_owned())),
        (ERROR, Some(shortened(cause.error).to_owned())),
        (ATTEMPTS, Some(cause.attempts.to_string())),
        (SERVICE, Some(cause.service.to_owned())),
        (EPOCH, record.epoch.map(|epoch| epoch.0.to_string())),
        (GENERATION, Some((generation(record).saturating_add(1)).to_string())),
    ];
    let known = texts.into_iter().filter_map(|(name, text)| Some((Cow::Borrowed(name), text?.into_bytes())));
    known.collect()
}

/// The remaining bytes of a dead-letter topic's `max.message.bytes`.
struct Room {
    left: usize,
}

impl Room {
    /// Returns `true` if this number of bytes fits, and reserves them if they do.
    fn reserve(&mut self, bytes: usize) -> bool {
        let left = self.left.checked_sub(bytes);
        self.left = left.unwrap_or(self.left);
        left.is_some()
    }
}

fn header_bytes(name: &str, value: &[u8]) -> usize {
    name.len() + value.len() + HEADER_OVERHEAD_BYTES
}

fn sha256(bytes: &[u8]) -> String {
    let mut digits = String::with_capacity(64);
    for byte in Sha256::digest(bytes) {
        // Writing to a string does not fail.
        let _written = write!(digits, "{byte:02x}");
    }
    digits
}

/// Returns how many times the record was dead-lettered before.
#[must_use]
pub fn generation(record: &InRecord<'_>) -> u32 {
    let value = record.headers.get(GENERATION).and_then(|value| std::str::from_utf8(value).ok());
    value.and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// Returns whether Tapeline added this header to a dead letter, in contrast to the record's own headers.
#[must_use]
pub fn is_added_header(name: &str) -> bool {
    ADDED_HEADERS.contains(&name)
}

fn shortened(text: &str) -> &str {
    let end = (0..=text.len().min(ERROR_MAX_BYTES)).rev().find(|end| text.is_char_boundary(*end));
    &text[..end.unwrap_or(0)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Headers;
    use pipeline::Epoch;

    fn record<'a>(payload: &'a [u8], headers: &'a [(String, Vec<u8>)]) -> InRecord<'a> {
        InRecord {
            topic: Topic::AlertRaised,
            partition: 7,
            offset: 41,
            timestamp_ms: 1_700_000_000_000,
            key: Some(b"AAPL"),
            payload: Some(payload),
            epoch: Some(Epoch(3)),
            traceparent: None,
            headers: Headers::listed(headers),
        }
    }

    const CAUSE: Cause<'static> =
        Cause { class: "undecodable", error: "truncated", attempts: 1, service: "scanner-bridge" };

    fn header<'a>(output: &'a OutRecord, name: &str) -> Option<&'a str> {
        let found = output.headers.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| std::str::from_utf8(value).unwrap())
    }

    #[test]
    fn dead_letter_keeps_bytes_and_adds_origin_and_error() {
        let headers = [("traceparent".to_owned(), b"00-1-2-01".to_vec())];
        let payload = [0, 0, 0, 0, 9, 1, 2];
        let output = of(&record(&payload, &headers), Topic::ScannerBridgeDeadLetter, 12, CAUSE);
        assert_eq!(
            (output.partition, output.key.as_slice(), output.payload.as_slice()),
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
            (EPOCH, "3"),
            (GENERATION, "1"),
        ] {
            assert_eq!(header(&output, name), Some(value), "{name}");
        }
    }

    #[test]
    fn second_dead_letter_raises_generation_without_old_headers() {
        let headers = [(GENERATION, "3"), (ERROR, "old"), (EPOCH, "9")]
            .map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec()));
        let output = of(&record(b"x", &headers), Topic::ScannerBridgeDeadLetter, 12, CAUSE);
        assert_eq!(header(&output, GENERATION), Some("4"));
        assert_eq!(header(&output, EPOCH), Some("3"));
        assert_eq!(output.headers.iter().filter(|(key, _)| [ERROR, EPOCH].contains(&&**key)).count(), 2);
        assert_eq!(header(&output, SCHEMA_ID), None);
    }

    #[test]
    fn long_error_is_cut_between_characters() {
        let long = "é".repeat(ERROR_MAX_BYTES);
        let output =
            of(&record(b"x", &[]), Topic::ScannerBridgeDeadLetter, 12, Cause { error: &long, ..CAUSE });
        assert_eq!(header(&output, ERROR).map(str::len), Some(ERROR_MAX_BYTES));
    }

    /// Returns the uncompressed size in a topic.
    fn bytes_of(output: &OutRecord) -> usize {
        let headers: usize = output.headers.iter().map(|(name, value)| header_bytes(name, value)).sum();
        output.key.len() + output.payload.len() + headers + 100
    }

    const LIMIT: usize = contracts::topics::DEAD_LETTER_MESSAGE_BYTES_MAX;

    #[test]
    fn oversized_payload_is_replaced_by_its_hash() {
        let payload = vec![0; 50 << 20];
        let headers = [("traceparent".to_owned(), b"00-1-2-01".to_vec())];
        let output = of(&record(&payload, &headers), Topic::ScannerBridgeDeadLetter, 12, CAUSE);
        assert_eq!((output.key.as_slice(), output.payload.len()), (&b"AAPL"[..], 0));
        for (name, value) in [
            ("traceparent", "00-1-2-01"),
            (OFFSET, "41"),
            (SCHEMA_ID, "0"),
            (TRUNCATED, "payload"),
            (PAYLOAD_BYTES, "52428800"),
            // sha256sum of 50 MiB of zeros.
            (PAYLOAD_SHA256, "8565a714dca840f8652c5bae9249ab05f5fb5a4f9f13fbe23304b10f68252da2"),
        ] {
            assert_eq!(header(&output, name), Some(value), "{name}");
        }
    }

    #[test]
    fn headers_are_kept_as_far_as_they_fit_after_the_payload() {
        let many: Vec<_> = (0..10_000).map(|number| (format!("h{number}"), vec![b'x'; 10])).collect();
        let output = of(&record(&[7; 1_000_000], &many), Topic::ScannerBridgeDeadLetter, 12, CAUSE);
        assert_eq!((header(&output, TRUNCATED), output.payload.len()), (None, 1_000_000));
        assert!(output.headers.len() > 10_000);

        let large = [("a", 1 << 20), ("b", 3 << 20), ("c", 1)];
        let large = large.map(|(name, bytes)| (name.to_owned(), vec![b'x'; bytes]));
        let output = of(&record(&[7; 1_000_000], &large), Topic::ScannerBridgeDeadLetter, 12, CAUSE);
        assert_eq!((header(&output, TRUNCATED), output.payload.len()), (Some("headers"), 1_000_000));
        assert!(
            header(&output, "a").is_some()
                && header(&output, "b").is_none()
                && header(&output, "c").is_some()
        );
        assert!(bytes_of(&output) <= LIMIT, "{}", bytes_of(&output));
    }

    #[test]
    fn dead_letter_of_any_record_fits_the_topic() {
        let (error, sizes) = ("é".repeat(9_000), [0, 1, LIMIT / 3, LIMIT - 1_200, LIMIT, 3 * LIMIT]);
        for case in 0..sizes.len().pow(3) {
            let size = |digit: u32| sizes[case / sizes.len().pow(digit) % sizes.len()];
            let (key, payload, value) = (size(0), size(1), size(2));
            let (key, payload) = (vec![1; key], vec![2; payload]);
            let headers = [("h".to_owned(), vec![3; value]), ("last".to_owned(), Vec::new())];
            let record = InRecord { key: Some(&key), ..record(&payload, &headers) };
            let output = of(&record, Topic::FeatureDeadLetter, 12, Cause { error: &error, ..CAUSE });
            assert!(
                bytes_of(&output) <= LIMIT,
                "{} {} {value}: {}",
                key.len(),
                payload.len(),
                bytes_of(&output)
            );
            assert_eq!(header(&output, ERROR_CLASS), Some("undecodable"));
            assert_eq!(output.payload.len() == payload.len(), header(&output, PAYLOAD_SHA256).is_none());
        }
    }
}

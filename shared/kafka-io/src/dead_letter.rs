//! A dead letter: the original bytes, key and headers, and beside them where they came from and why they stopped.
//!
//! What a dead-letter topic can't take is left out: a batch of a few KB may unfold to a record of many MB. Topic, partition and
//! offset lead to the original, and a hash tells whether what is found there is it.

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
/// Under which assignment of its partition the record was received: 1 is the first within the process that gave up.
pub const EPOCH: &str = "tapeline.epoch";
/// How often this record went through a dead-letter topic and back: 1 for the first time.
pub const GENERATION: &str = "tapeline.generation";

/// Every class that a letter may carry; docs/errors/dead-letters.md says what each means.
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

/// What was left out because the letter would be too large: of `key`, `payload` and `headers`, separated by commas.
pub const TRUNCATED: &str = "tapeline.truncated";
/// The SHA-256 of a payload that was left out, in hexadecimal digits.
pub const PAYLOAD_SHA256: &str = "tapeline.payload-sha256";
/// The length of a payload that was left out.
pub const PAYLOAD_BYTES: &str = "tapeline.payload-bytes";

/// Every header that we write.
const OURS: [&str; 14] = [
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

/// What a header takes on the wire beside its name and value: two lengths.
const HEADER_OVERHEAD_BYTES: usize = 10;

/// What a batch of one record takes beside its key, payload and headers (Kafka's message format v2: 61 bytes and some lengths), and
/// the headers that say what was left out.
const OVERHEAD_BYTES: usize = 1_024;

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
/// that the record came from, so that what concerns a symbol stays under one number. What it doesn't have, its
/// letter doesn't have. Our headers always fit; of the rest, the key goes before the payload, and the payload before the headers.
#[must_use]
pub fn of(record: &InRecord<'_>, dead_letters: Topic, partitions: i32, cause: Cause<'_>) -> OutRecord {
    let partition = record.partition.rem_euclid(partitions.max(1));
    let mut letter = OutRecord::new(dead_letters, partition, Vec::new(), Vec::new());
    letter.missing = Missing { key: record.key.is_none(), payload: record.payload.is_none() };
    let ours = our_headers(record, cause);
    let mut room = Room { left: dead_letters.max_message_bytes().saturating_sub(OVERHEAD_BYTES) };
    for (name, value) in &ours {
        room.takes(header_bytes(name, value));
    }
    let mut left_out = Vec::new();
    let (key, payload) = (record.key.unwrap_or_default(), record.payload.unwrap_or_default());
    match room.takes(key.len()) {
        true => letter.key = key.to_vec(),
        false => left_out.push("key"),
    }
    let holds_payload = room.takes(payload.len());
    match holds_payload {
        true => letter.payload = payload.to_vec(),
        false => left_out.push("payload"),
    }
    let mut hold_all = true;
    for (name, value) in record.headers.iter().filter(|(name, _)| !is_ours(name)) {
        match room.takes(header_bytes(&name, value)) {
            true => letter.headers.push((Cow::Owned(name.into_owned()), value.to_vec())),
            false => hold_all = false,
        }
    }
    if !hold_all {
        left_out.push("headers");
    }
    letter.headers.extend(ours);
    if !holds_payload {
        letter = letter
            .with_header(PAYLOAD_SHA256, sha256(payload))
            .with_header(PAYLOAD_BYTES, payload.len().to_string());
    }
    if left_out.is_empty() { letter } else { letter.with_header(TRUNCATED, left_out.join(",")) }
}

fn our_headers(record: &InRecord<'_>, cause: Cause<'_>) -> Vec<(Cow<'static, str>, Vec<u8>)> {
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

/// What is left of a dead-letter topic's `max.message.bytes`.
struct Room {
    left: usize,
}

impl Room {
    fn takes(&mut self, bytes: usize) -> bool {
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
        // Writing to a text can't fail.
        let _written = write!(digits, "{byte:02x}");
    }
    digits
}

/// How often the record went through a dead-letter topic before.
#[must_use]
pub fn generation(record: &InRecord<'_>) -> u32 {
    let value = record.headers.get(GENERATION).and_then(|value| std::str::from_utf8(value).ok());
    value.and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// Whether a letter's header is one of ours, and not the record's own.
#[must_use]
pub fn is_ours(name: &str) -> bool {
    OURS.contains(&name)
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
            (EPOCH, "3"),
            (GENERATION, "1"),
        ] {
            assert_eq!(header(&letter, name), Some(value), "{name}");
        }
    }

    #[test]
    fn a_second_death_counts_the_generation_and_doubles_no_header() {
        let headers = [(GENERATION, "3"), (ERROR, "old"), (EPOCH, "9")]
            .map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec()));
        let letter = of(&record(b"x", &headers), Topic::ScannerBridgeDeadLetter, 12, CAUSE);
        assert_eq!(header(&letter, GENERATION), Some("4"));
        assert_eq!(header(&letter, EPOCH), Some("3"));
        assert_eq!(letter.headers.iter().filter(|(key, _)| [ERROR, EPOCH].contains(&&**key)).count(), 2);
        assert_eq!(header(&letter, SCHEMA_ID), None);
    }

    #[test]
    fn a_long_error_is_cut_between_characters() {
        let long = "é".repeat(ERROR_MAX_BYTES);
        let letter =
            of(&record(b"x", &[]), Topic::ScannerBridgeDeadLetter, 12, Cause { error: &long, ..CAUSE });
        assert_eq!(header(&letter, ERROR).map(str::len), Some(ERROR_MAX_BYTES));
    }

    /// What it takes in a topic, with nothing compressed.
    fn bytes_of(letter: &OutRecord) -> usize {
        let headers: usize = letter.headers.iter().map(|(name, value)| header_bytes(name, value)).sum();
        letter.key.len() + letter.payload.len() + headers + 100
    }

    const LIMIT: usize = contracts::topics::DEAD_LETTER_MESSAGE_BYTES_MAX;

    #[test]
    fn a_payload_that_the_topic_cannot_take_is_named_by_its_hash() {
        let payload = vec![0; 50 << 20];
        let headers = [("traceparent".to_owned(), b"00-1-2-01".to_vec())];
        let letter = of(&record(&payload, &headers), Topic::ScannerBridgeDeadLetter, 12, CAUSE);
        assert_eq!((letter.key.as_slice(), letter.payload.len()), (&b"AAPL"[..], 0));
        for (name, value) in [
            ("traceparent", "00-1-2-01"),
            (OFFSET, "41"),
            (SCHEMA_ID, "0"),
            (TRUNCATED, "payload"),
            (PAYLOAD_BYTES, "52428800"),
            // sha256sum of 50 MiB of zeros.
            (PAYLOAD_SHA256, "8565a714dca840f8652c5bae9249ab05f5fb5a4f9f13fbe23304b10f68252da2"),
        ] {
            assert_eq!(header(&letter, name), Some(value), "{name}");
        }
    }

    #[test]
    fn headers_are_kept_as_far_as_they_fit_and_the_payload_before_them() {
        let many: Vec<_> = (0..10_000).map(|number| (format!("h{number}"), vec![b'x'; 10])).collect();
        let letter = of(&record(&[7; 1_000_000], &many), Topic::ScannerBridgeDeadLetter, 12, CAUSE);
        assert_eq!((header(&letter, TRUNCATED), letter.payload.len()), (None, 1_000_000));
        assert!(letter.headers.len() > 10_000);

        let large = [("a", 1 << 20), ("b", 3 << 20), ("c", 1)];
        let large = large.map(|(name, bytes)| (name.to_owned(), vec![b'x'; bytes]));
        let letter = of(&record(&[7; 1_000_000], &large), Topic::ScannerBridgeDeadLetter, 12, CAUSE);
        assert_eq!((header(&letter, TRUNCATED), letter.payload.len()), (Some("headers"), 1_000_000));
        assert!(
            header(&letter, "a").is_some()
                && header(&letter, "b").is_none()
                && header(&letter, "c").is_some()
        );
        assert!(bytes_of(&letter) <= LIMIT, "{}", bytes_of(&letter));
    }

    #[test]
    fn a_letter_always_fits_whatever_its_record_holds() {
        let (error, sizes) = ("é".repeat(9_000), [0, 1, LIMIT / 3, LIMIT - 1_200, LIMIT, 3 * LIMIT]);
        for case in 0..sizes.len().pow(3) {
            let size = |place: u32| sizes[case / sizes.len().pow(place) % sizes.len()];
            let (key, payload, value) = (size(0), size(1), size(2));
            let (key, payload) = (vec![1; key], vec![2; payload]);
            let headers = [("h".to_owned(), vec![3; value]), ("last".to_owned(), Vec::new())];
            let record = InRecord { key: Some(&key), ..record(&payload, &headers) };
            let letter = of(&record, Topic::FeatureDeadLetter, 12, Cause { error: &error, ..CAUSE });
            assert!(
                bytes_of(&letter) <= LIMIT,
                "{} {} {value}: {}",
                key.len(),
                payload.len(),
                bytes_of(&letter)
            );
            assert_eq!(header(&letter, ERROR_CLASS), Some("undecodable"));
            assert_eq!(letter.payload.len() == payload.len(), header(&letter, PAYLOAD_SHA256).is_none());
        }
    }
}

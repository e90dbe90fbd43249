//! A record as JSON, as `tail` and `--topics` write it.

use contracts::catalogue::contract;
use contracts::{Codec, WriterSchemas, split};
use domain::Timestamp;
use kafka_io::OwnedRecord;
use kit::ErrorChain;
use serde::Serialize;
use serde_json::{Map, Value};

use super::{escaped, printable_json};

/// Characters of a key and of an error in a line of text.
const TEXT_CHARACTERS_MAX: usize = 200;

/// A decoded record. One that cannot be decoded has no value; it has the error and the payload instead.
#[derive(Debug, Serialize)]
pub struct DecodedRecord {
    partition: i32,
    offset: i64,
    /// Append time, ISO-8601.
    timestamp: String,
    key: Option<String>,
    headers: Map<String, Value>,
    schema_id: Option<u32>,
    value: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload_hex: Option<String>,
    /// The schema could not be fetched, so it is unknown whether the record is valid.
    #[serde(skip)]
    is_retryable: bool,
}

impl DecodedRecord {
    /// Decodes a record by its topic's contract.
    #[must_use]
    pub fn of(record: &OwnedRecord, codec: &Codec, writers: &dyn WriterSchemas) -> Self {
        let payload = record.payload.as_deref();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        // A dead-letter topic has no contract: its payloads are unchanged bytes.
        let decoded = contract(record.topic).map(|it| it.decode_to_json(codec, payload, writers));
        let (value, error) = match decoded.transpose() {
            Ok(value) => (value, None),
            Err(error) => (None, Some(error)),
        };
        let payload_hex = value.is_none().then(|| hex(payload.unwrap_or_default()));
        Self {
            partition: record.partition,
            offset: record.offset,
            timestamp: Timestamp::from_micros(record.timestamp_ms.saturating_mul(1_000)).to_string(),
            key: record.key.as_deref().map(text),
            headers: record.headers.iter().map(|(k, v)| (k.clone(), Value::String(text(v)))).collect(),
            schema_id: payload.and_then(|payload| split(payload).ok()).map(|(id, _)| id),
            value,
            error: error.as_ref().map(|error| ErrorChain(error).to_string()),
            payload_hex,
            is_retryable: error.is_some_and(|error| error.is_retryable()),
        }
    }

    /// Returns the error if decoding may succeed later, because the registry was unavailable.
    #[must_use]
    pub fn retryable_error(&self) -> Option<&str> {
        self.error.as_deref().filter(|_| self.is_retryable)
    }

    /// Returns a line of text: time, position, key and value. Control characters are escaped.
    #[must_use]
    pub fn text(&self) -> String {
        let value = match (&self.value, &self.error) {
            (Some(value), _) => printable_json(&value.to_string()).into_owned(),
            (None, Some(error)) => format!("({})", escaped(error, TEXT_CHARACTERS_MAX)),
            (None, None) => format!("({} bytes)", self.payload_hex.as_ref().map_or(0, |hex| hex.len() / 2)),
        };
        let key = escaped(self.key.as_deref().unwrap_or("-"), TEXT_CHARACTERS_MAX);
        format!("{} [{}]@{} {key} {value}", self.timestamp, self.partition, self.offset)
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use contracts::Topic;
    use testkit::OwnSchemas;

    fn record(topic: Topic, payload: &[u8]) -> OwnedRecord {
        OwnedRecord {
            topic,
            partition: 3,
            offset: 14,
            timestamp_ms: 1_720_641_600_000,
            key: Some(b"AAPL".to_vec()),
            payload: Some(payload.to_vec()),
            headers: vec![("traceparent".into(), b"00-1-2-01".to_vec())],
        }
    }

    #[test]
    fn record_has_the_fields_of_the_contract() {
        let example = include_str!("../../../../schemas/market.gap.detected/examples/bars_of_a_week.json");
        let mut payload = Vec::new();
        let id = OwnSchemas::ids()[&Topic::GapDetected];
        contract(Topic::GapDetected).unwrap().encode_from_json(example.as_bytes(), id, &mut payload).unwrap();
        let decoded = DecodedRecord::of(&record(Topic::GapDetected, &payload), &Codec::new(), &OwnSchemas);
        let json = serde_json::to_value(&decoded).unwrap();
        assert_eq!(json["timestamp"], "2024-07-10T20:00:00Z");
        assert_eq!((json["partition"].as_i64(), json["offset"].as_i64()), (Some(3), Some(14)));
        assert_eq!((&json["key"], json["schema_id"].as_u64()), (&"AAPL".into(), Some(id.into())));
        assert_eq!(json["headers"]["traceparent"], "00-1-2-01");
        assert_eq!(json["value"], serde_json::from_str::<Value>(example).unwrap());
        assert_eq!(json.get("error"), None);
    }

    #[test]
    fn key_with_escape_sequences_is_one_printable_line() {
        let mut record = record(Topic::GapDetected, &[9, 255]);
        record.key = Some(b"\x1b]0;owned\x07\x1b[2J\nAAPL".to_vec());
        let text = DecodedRecord::of(&record, &Codec::new(), &OwnSchemas).text();
        assert!(text.contains(r" \u{1b}]0;owned\u{7}\u{1b}[2J\nAAPL ("), "{text}");
        assert!(!text.chars().any(char::is_control), "{text:?}");
    }

    #[test]
    fn control_characters_of_the_value_are_escaped() {
        let mut decoded = DecodedRecord::of(&record(Topic::GapDetected, &[]), &Codec::new(), &OwnSchemas);
        decoded.value = Some(serde_json::json!({ "source": "A\u{9b}2J\u{202e}L" }));
        let text = decoded.text();
        assert!(text.contains(r#""A\u009b2J\u202eL""#), "{text}");
        assert!(!text.chars().any(char::is_control), "{text:?}");
    }

    #[test]
    fn undecodable_record_has_its_bytes_and_the_error() {
        let decoded = DecodedRecord::of(&record(Topic::GapDetected, &[9, 255]), &Codec::new(), &OwnSchemas);
        let json = serde_json::to_value(&decoded).unwrap();
        assert_eq!((&json["value"], &json["payload_hex"]), (&Value::Null, &"09ff".into()));
        assert!(json["error"].as_str().unwrap().contains("first byte is 9"), "{json}");
    }
}

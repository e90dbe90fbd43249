//! A record as JSON, the same for `tail` and for `--topics`.

use contracts::catalogue::contract;
use contracts::{Codec, WriterSchemas, split};
use domain::Timestamp;
use kafka_io::OwnedRecord;
use serde::Serialize;
use serde_json::{Map, Value};

/// One line: a decoded record. What can't be decoded has no value, the reason, and its bytes.
#[derive(Debug, Serialize)]
pub struct DecodedRecord {
    partition: i32,
    offset: i64,
    /// Append time, ISO-8601 as every time here.
    timestamp: String,
    key: Option<String>,
    headers: Map<String, Value>,
    schema_id: Option<u32>,
    value: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload_hex: Option<String>,
    /// The registry couldn't be asked: nobody knows yet whether the record is one.
    #[serde(skip)]
    is_unknown: bool,
}

impl DecodedRecord {
    /// Decodes a record by its topic's contract.
    #[must_use]
    pub fn of(record: &OwnedRecord, codec: &Codec, writers: &dyn WriterSchemas) -> Self {
        let payload = record.payload.as_deref();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        // A dead letter is bytes as they came.
        let decoded = contract(record.topic).map(|it| it.decode_to_json(codec, payload, writers));
        let (value, fault) = match decoded.transpose() {
            Ok(value) => (value, None),
            Err(fault) => (None, Some(fault)),
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
            error: fault.as_ref().map(ToString::to_string),
            payload_hex,
            is_unknown: fault.is_some_and(|fault| fault.is_retryable()),
        }
    }

    /// Why the record couldn't be looked at, when that isn't the record's fault: the registry couldn't be asked.
    #[must_use]
    pub fn unknown(&self) -> Option<&str> {
        self.error.as_deref().filter(|_| self.is_unknown)
    }

    /// A line for a person: where, when, key, value.
    #[must_use]
    pub fn for_people(&self) -> String {
        let value = match (&self.value, &self.error) {
            (Some(value), _) => value.to_string(),
            (None, Some(error)) => format!("({error})"),
            (None, None) => format!("({} bytes)", self.payload_hex.as_ref().map_or(0, |hex| hex.len() / 2)),
        };
        let key = self.key.as_deref().unwrap_or("-");
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
    fn a_line_has_the_fields_that_others_check() {
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
        assert!(json.get("error").is_none());
    }

    #[test]
    fn what_cannot_be_decoded_shows_its_bytes_and_the_reason() {
        let decoded = DecodedRecord::of(&record(Topic::GapDetected, &[9, 255]), &Codec::new(), &OwnSchemas);
        let json = serde_json::to_value(&decoded).unwrap();
        assert_eq!((&json["value"], &json["payload_hex"]), (&Value::Null, &"09ff".into()));
        assert!(json["error"].as_str().unwrap().contains("first byte is 9"), "{json}");
    }
}

//! Payloads that are no event: each record becomes a dead output with an error class, and a table skips it.
#![allow(clippy::unwrap_used, reason = "a panic fails the test")]

use std::collections::HashMap;
use std::sync::Arc;

use apache_avro::Schema;
use contracts::{
    Alert, EncodeError, Event, Gap, Promotion, Qualification, Topic, WriterError, WriterSchemas, encode, json,
};
use domain::Timestamp;
use kafka_io::{DecodeFailure, Headers, InRecord, OutRecord, SchemaIds, Wire, dead_letter};

const PARTITIONS: i32 = 12;
const ALERTS: u32 = 1;
const QUALIFICATIONS: u32 = 2;
const GAPS: u32 = 3;

struct Registry(HashMap<u32, Arc<Schema>>);

impl WriterSchemas for Registry {
    fn writer(&self, id: u32) -> Result<Arc<Schema>, WriterError> {
        match id {
            // An outage.
            66 => Err(WriterError::Unavailable { id, cause: "503".to_owned() }),
            _ => self.0.get(&id).cloned().ok_or(WriterError::Unknown { id }),
        }
    }
}

fn wire() -> Wire {
    let schemas = [(ALERTS, Alert::SCHEMA), (QUALIFICATIONS, Qualification::SCHEMA), (GAPS, Gap::SCHEMA)];
    let parsed = schemas.map(|(id, text)| (id, Arc::new(Schema::parse_str(text).unwrap())));
    let registry = Registry(parsed.into_iter().collect());
    Wire::new(
        "scanner-bridge",
        Topic::ScannerBridgeDeadLetter,
        PARTITIONS,
        SchemaIds::new(),
        Arc::new(registry),
    )
}

fn example<E: Event>(text: &str) -> E {
    json::from_json(text.as_bytes()).unwrap()
}

fn alert() -> Alert {
    example(include_str!("../../../schemas/scanner.alert.raised/examples/volume_spike.json"))
}

fn bytes<E: Event>(event: &E, id: u32) -> Vec<u8> {
    let mut payload = Vec::new();
    encode(event, id, &mut payload).unwrap();
    payload
}

/// The payload with its first `old` replaced.
fn replaced(mut payload: Vec<u8>, old: &[u8], new: &[u8]) -> Vec<u8> {
    let at = payload.windows(old.len()).position(|window| window == old).unwrap();
    payload.splice(at..at + old.len(), new.iter().copied());
    payload
}

/// Without metadata the last byte is the end of the map: `blocks` replaces it.
fn with_map(blocks: &[u8]) -> Vec<u8> {
    let mut payload = bytes(&Alert { metadata: [].into(), ..alert() }, ALERTS);
    assert_eq!(payload.pop(), Some(0));
    payload.extend_from_slice(blocks);
    payload
}

struct Bad {
    what: &'static str,
    topic: Topic,
    payload: Option<Vec<u8>>,
    class: &'static str,
    /// A part of the error's text.
    error: &'static str,
}

fn bad(what: &'static str, payload: Vec<u8>, class: &'static str, error: &'static str) -> Bad {
    Bad { what, topic: Topic::AlertRaised, payload: Some(payload), class, error }
}

fn bad_alerts() -> Vec<Bad> {
    let good = || bytes(&alert(), ALERTS);
    let with_id = |id: u8| replaced(good(), &[0, 0, 0, 0, 1], &[0, 0, 0, 0, id]);
    let truncated = good()[..40].to_vec();
    let trailing = [good(), vec![1, 2, 3]].concat();
    let length = |varint: &[u8]| replaced(good(), &[1, 72], &[&[1], varint].concat());
    let i64_min = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
    let nan = bytes(&Alert { score: f64::NAN, ..alert() }, ALERTS);
    let newline = bytes(&Alert { symbol: "AA\nPL".to_owned(), ..alert() }, ALERTS);
    let future = bytes(&Alert { occurred_at: 4_000_000_000_000_000, ..alert() }, ALERTS);
    vec![
        Bad { payload: None, ..bad("tombstone", Vec::new(), "tombstone", "a tombstone") },
        bad("empty value", Vec::new(), "empty", "empty payload"),
        bad("wrong magic byte", replaced(good(), &[0], &[1]), "bad_magic", "first byte is 1, not 0"),
        bad("json", b"{\"symbol\":\"AAPL\"}".to_vec(), "bad_magic", "first byte is 123"),
        bad("unknown schema id", with_id(99), "unknown_schema", "schema 99 not found"),
        bad("id of another subject", with_id(3), "wrong_subject", "is of tapeline.v1.Gap"),
        bad("header alone", good()[..5].to_vec(), "truncated", "ends after 0 bytes"),
        bad("truncated body", truncated, "truncated", "ends after 35 bytes"),
        bad("trailing bytes", trailing, "trailing_bytes", "3 trailing bytes"),
        bad("huge length", length(&[0x80, 0x80, 0x80, 0x80, 8]), "impossible_length", "1073741824"),
        bad("negative length", length(&[1]), "impossible_length", "impossible length"),
        bad("huge block count", with_map(&[0x80, 0x80, 0x80, 0x80, 8]), "truncated", "ends after"),
        bad("negative block count without a size", with_map(&[1]), "truncated", "ends after"),
        bad("the least block count", with_map(&i64_min), "truncated", "ends after"),
        bad("invalid UTF-8", replaced(good(), b"volume is", b"\xffolume is"), "invalid_utf8", "UTF-8"),
        bad("NaN score", nan, "invalid", "score: NaN is outside 0..=1"),
        bad("symbol with a newline", newline, "invalid", "symbol \"AA\\nPL\" does not match"),
        bad("ahead of the clock", future, "ahead_of_clock", "more than 5 min ahead"),
        bad("larger than any event", vec![0; 1_048_000], "too_large", "1048000 bytes received"),
    ]
}

fn bad_others() -> Vec<Bad> {
    let qualified: Qualification =
        example(include_str!("../../../schemas/scanner.symbol.qualified/examples/basic.json"));
    let gap: Gap = example(include_str!("../../../schemas/market.gap.detected/examples/news_of_a_day.json"));
    let layer = bytes(&Qualification { layer: 7, ..qualified }, QUALIFICATIONS);
    let backwards = bytes(&Gap { gap_start: gap.gap_end, gap_end: gap.gap_start, ..gap }, GAPS);
    vec![
        Bad {
            topic: Topic::SymbolQualified,
            ..bad("layer 7", layer, "invalid", "layer 7 is not one of 0..=3")
        },
        Bad { topic: Topic::GapDetected, ..bad("end before start", backwards, "invalid", "gap_start: ") },
    ]
}

const NOW: Timestamp = Timestamp::from_micros(1_800_000_000_000_000);

/// The dead output that the record's stage would produce; `None` for a valid event.
fn dead_letter_of(wire: &Wire, record: &InRecord<'_>) -> Option<OutRecord> {
    let failure = match record.topic {
        Topic::SymbolQualified => wire.read::<Qualification>(record, NOW).err(),
        Topic::GapDetected => wire.read::<Gap>(record, NOW).err(),
        Topic::SymbolPromoted => wire.read::<Promotion>(record, NOW).err(),
        _ => wire.read::<Alert>(record, NOW).err(),
    };
    failure.map(|failure| match failure {
        DecodeFailure::DeadLetter(output) => *output,
        DecodeFailure::Unavailable(cause) => panic!("{record:?}: {cause}"),
    })
}

fn record<'a>(topic: Topic, payload: Option<&'a [u8]>, headers: &'a [(String, Vec<u8>)]) -> InRecord<'a> {
    let partition = wire().partition_of("AAPL");
    InRecord {
        topic,
        partition,
        offset: 41,
        timestamp_ms: 0,
        key: Some(b"AAPL"),
        payload,
        epoch: None,
        traceparent: None,
        headers: Headers::listed(headers),
    }
}

fn header<'a>(output: &'a OutRecord, name: &str) -> Option<&'a str> {
    let found = output.headers.iter().find(|(key, _)| key == name)?;
    Some(std::str::from_utf8(&found.1).unwrap())
}

#[test]
fn bad_bytes_are_dead_lettered_with_class_and_payload() {
    let wire = wire();
    let headers = [("x-request".to_owned(), b"7".to_vec())];
    for bad in bad_alerts().into_iter().chain(bad_others()) {
        let record = record(bad.topic, bad.payload.as_deref(), &headers);
        let output = dead_letter_of(&wire, &record).unwrap_or_else(|| panic!("{} is an event", bad.what));
        assert_eq!(header(&output, dead_letter::ERROR_CLASS), Some(bad.class), "{}", bad.what);
        let error = header(&output, dead_letter::ERROR).unwrap();
        assert!(error.contains(bad.error), "{}: {error}", bad.what);
        assert_eq!(output.payload, bad.payload.as_deref().unwrap_or_default(), "{}", bad.what);
        assert_eq!(output.key, b"AAPL");
        assert_eq!(header(&output, "x-request"), Some("7"));
        assert_eq!(header(&output, dead_letter::TOPIC), Some(bad.topic.name()));
        assert_eq!(header(&output, dead_letter::TRUNCATED), None);
        assert_eq!((output.topic, output.partition), (Topic::ScannerBridgeDeadLetter, record.partition));
    }
}

#[test]
fn table_skips_the_same_bytes() {
    let wire = wire();
    // A table accepts events that are ahead of the clock.
    for bad in bad_alerts().into_iter().filter(|bad| bad.class != "ahead_of_clock") {
        let record = record(bad.topic, bad.payload.as_deref(), &[]);
        assert_eq!(wire.read_table::<Alert>(&record), Ok(None), "{}", bad.what);
    }
    let good = bytes(&alert(), ALERTS);
    assert_eq!(wire.read_table::<Alert>(&record(Topic::AlertRaised, Some(&good), &[])), Ok(Some(alert())));
}

#[test]
fn symbol_in_another_partition_is_dead_lettered_there() {
    let (wire, good) = (wire(), bytes(&alert(), ALERTS));
    let right = record(Topic::AlertRaised, Some(&good), &[]);
    let wrong = InRecord { partition: (right.partition + 1) % PARTITIONS, ..right };
    let output = dead_letter_of(&wire, &wrong).unwrap();
    assert_eq!(header(&output, dead_letter::ERROR_CLASS), Some("misplaced"));
    assert_eq!(output.partition, wrong.partition);
    assert_eq!(wire.read_table::<Alert>(&wrong), Ok(None));
}

#[test]
fn block_of_negative_count_with_its_size_is_valid_avro() {
    let payload = with_map(&[1, 8, 2, b'a', 2, b'b', 0]);
    let read: Alert = wire().read(&record(Topic::AlertRaised, Some(&payload), &[]), NOW).unwrap();
    assert_eq!(read.metadata.get("a").map(String::as_str), Some("b"));
}

#[test]
fn oversized_headers_are_dead_lettered_and_kept() {
    let wire = wire();
    let many: Vec<_> = (0..10_000).map(|number| (format!("h{number}"), b"value".to_vec())).collect();
    let large = [("large".to_owned(), vec![0xff; 1 << 20])];
    for headers in [many.as_slice(), &large] {
        let good = bytes(&alert(), ALERTS);
        for payload in [&good, &good[..9]] {
            let record = record(Topic::AlertRaised, Some(payload), headers);
            let output = dead_letter_of(&wire, &record).unwrap();
            assert_eq!(header(&output, dead_letter::ERROR_CLASS), Some("bad_headers"));
            assert_eq!(header(&output, dead_letter::TRUNCATED), None);
            assert!(output.headers.len() > headers.len());
            assert_eq!(wire.read_table::<Alert>(&record), Ok(None));
        }
    }
}

#[test]
fn record_is_deferred_while_the_registry_is_unavailable() {
    let payload = replaced(bytes(&alert(), ALERTS), &[0, 0, 0, 0, 1], &[0, 0, 0, 0, 66]);
    let (wire, record) = (wire(), record(Topic::AlertRaised, Some(&payload), &[]));
    let failure = wire.read::<Alert>(&record, NOW).unwrap_err();
    assert!(
        matches!(pipeline::Verdict::from(failure), pipeline::Verdict::Defer(cause) if cause.contains("503"))
    );
    let error = wire.read_table::<Alert>(&record).unwrap_err().to_string();
    assert!(error.contains("503"), "{error}");
}

#[test]
fn page_of_dead_letters_lists_exactly_the_classes() {
    let page = include_str!("../../../docs/errors/dead-letters.md");
    let table = page.split_once("| class | meaning |").unwrap().1;
    let rows: Vec<&str> =
        table.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
    assert_eq!(rows, dead_letter::CLASSES);
    let bads = bad_alerts().into_iter().chain(bad_others());
    assert!(bads.map(|bad| bad.class).all(|class| dead_letter::CLASSES.contains(&class)));
}

#[test]
fn event_without_schema_id_is_not_written() {
    let error = wire().write(&alert(), None).unwrap_err();
    let (event, topic) = (Topic::AlertRaised.event(), Topic::AlertRaised);
    assert_eq!(error, EncodeError::NoSchemaId { event, topic });
    assert_eq!(error.to_string(), format!("{event}: no schema id for topic {topic}"));
}

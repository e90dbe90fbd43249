//! Findings: defaults of omitted fields, and violations.
#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use contracts::finding::{Defaults, Finding, OnePass, Parsed, parse};
use contracts::{Alert, DataKind, Topic};
use domain::{AlertType, Timestamp};
use serde::de::DeserializeSeed;

/// 2024-03-15T20:00:00Z
const NOW: i64 = 1_710_532_800_000_000;

fn defaults() -> Defaults<'static> {
    Defaults { now: Timestamp::from_micros(NOW), source: "scanner-7" }
}

/// Returns an alert without envelope fields; `more` is appended to its fields.
fn alert_with(more: &str) -> String {
    format!(
        r#"{{"event":"scanner.alert.raised","symbol":"AAPL","alert_type":"volume_spike","score":0.5,
        "message":"m","source_scanner":"s","metadata":{{"k":"v"}}{more}}}"#
    )
}

fn parsed(json: &str) -> Parsed {
    parse(json.as_bytes(), &defaults()).unwrap()
}

fn alert(json: &str) -> Alert {
    match parsed(json).finding {
        Finding::Alert(alert) => alert,
        other => panic!("{other:?}"),
    }
}

fn violation(json: &str) -> String {
    parse(json.as_bytes(), &defaults()).unwrap_err().to_string()
}

#[test]
fn omitted_fields_get_defaults() {
    let alert = alert(&alert_with(""));
    assert_eq!(alert.occurred_at, NOW);
    assert_eq!(alert.source, "scanner-7");
    assert_eq!(alert.correlation_id.as_ref(), Some(&alert.event_id));
    assert_eq!(alert.event_id.as_bytes()[14], b'7', "{} is not of version 7", alert.event_id);
    assert_eq!(alert.metadata["k"], "v");
}

#[test]
fn given_fields_are_kept() {
    let given = alert(&alert_with(
        r#","event_id":"018e43a1-7c00-7011-8a3b-5f1d2c9e0011","occurred_at":"2024-03-15T15:59:00-04:00",
        "source":"other","correlation_id":"c""#,
    ));
    assert_eq!(given.event_id, "018e43a1-7c00-7011-8a3b-5f1d2c9e0011");
    assert_eq!(given.occurred_at, NOW - 60_000_000);
    assert_eq!((given.source.as_str(), given.correlation_id.as_deref()), ("other", Some("c")));
}

#[test]
fn field_order_does_not_matter() {
    let json = alert_with("").replace(r#""event":"scanner.alert.raised","#, "");
    let json = json.replace(r#""k":"v"}}"#, r#""k":"v"},"event":"scanner.alert.raised"}"#);
    assert_eq!(alert(&json).symbol, "AAPL");
}

#[test]
fn each_event_type_has_its_topic() {
    let topic = |json: &str| parsed(json).finding.topic();
    assert_eq!(topic(&alert_with("")), Topic::AlertRaised);
    let gap = r#"{"event":"market.gap.detected","symbol":"AAPL","data_type":"market_data",
        "gap_start":"2024-03-01T00:00:00Z","gap_end":"2024-03-02T00:00:00Z","priority":5}"#;
    let Finding::Gap(found) = parsed(gap).finding else { panic!("a gap") };
    assert_eq!(found.data_type, DataKind::MarketData);
    assert_eq!(topic(gap), Topic::GapDetected);
    let qualification = r#"{"event":"scanner.symbol.proposed","symbol":"AAPL","to_layer":1,"reason":"liquid","metrics":{"volume":2}}"#;
    let Finding::Proposal(found) = parsed(qualification).finding else { panic!("a proposal") };
    assert_eq!((found.from_layer, found.to_layer, found.metrics["volume"]), (None, 1, 2.0));
    assert_eq!(topic(qualification), Topic::SymbolProposed);
}

#[test]
fn unknown_alert_type_is_read_as_unknown() {
    let json = alert_with("").replace("volume_spike", "aardvark_sighted");
    assert_eq!(alert(&json).alert_type, AlertType::Unknown);
    assert_eq!(parsed(&json).undefined_alert_type.as_deref(), Some("aardvark_sighted"));
    for defined in ["volume_spike", "unknown"] {
        let json = alert_with("").replace("volume_spike", defined);
        assert_eq!(parsed(&json).undefined_alert_type, None, "{defined}");
    }
}

#[test]
fn valid_finding_is_read_in_one_pass() {
    // A reader cannot be read twice.
    let of = |json: String| {
        let mut input = serde_json::Deserializer::from_reader(json.as_bytes());
        OnePass(&defaults()).deserialize(&mut input).map(|finding| finding.check(defaults().now).unwrap())
    };
    let json = alert_with("").replace("volume_spike", "aardvark_sighted");
    let json = json.replace("scanner.alert.raised", "scanner.\\u0061lert.raised");
    let read = of(json.clone()).unwrap();
    assert_eq!(read.undefined_alert_type, parsed(&json).undefined_alert_type);
    assert_eq!(read.finding.symbol(), "AAPL");
    assert!(of(alert_with("") + "x").is_ok(), "the caller checks the end");
    assert!(of("[]".to_owned()).is_err());
}

#[test]
fn event_after_many_fields_is_found() {
    for count in [31, 32, 33, 100] {
        let fields: String = (0..count).map(|i| format!("\"f{i}\":[1],")).collect();
        let text = violation(&alert_with("").replacen('{', &format!("{{{fields}"), 1));
        assert!(text.starts_with("scanner.alert.raised: f0: unknown field `f0`"), "{text}");
    }
}

#[test]
fn malformed_json_is_reported_with_its_position() {
    assert_eq!(violation(""), "finding: malformed JSON: EOF while parsing a value at line 1 column 0");
    assert_eq!(
        violation("{\"event\":"),
        "finding: event: malformed JSON: EOF while parsing a value at line 1 column 9"
    );
    let cut = alert_with("");
    let cut = &cut[..cut.len() - 1];
    assert!(
        violation(cut).contains("malformed JSON: EOF while parsing an object at line 2 column"),
        "{}",
        violation(cut)
    );
    let two = format!("{}\n{}", alert_with(""), alert_with(""));
    assert_eq!(violation(&two), "finding: malformed JSON: trailing characters at line 3 column 1");
    assert!(parse(b"{\"event\":\"\xff\"}", &defaults()).unwrap_err().to_string().contains("malformed JSON"));
}

#[test]
fn invalid_score_is_reported_with_its_path() {
    let with = |score: &str| alert_with("").replace("\"score\":0.5", &format!("\"score\":{score}"));
    assert_eq!(violation(&with("1.01")), "scanner.alert.raised: score: 1.01 is outside 0..=1");
    assert_eq!(violation(&with("-1")), "scanner.alert.raised: score: -1 is outside 0..=1");
    assert_eq!(
        violation(&with("\"NaN\"")),
        r#"scanner.alert.raised: score: invalid type: string "NaN", expected f64"#
    );
    assert_eq!(violation(&with("null")), "scanner.alert.raised: score: invalid type: null, expected f64");
    let text = violation(&with("NaN"));
    assert!(text.starts_with("finding: score: malformed JSON: expected value at line 1 column"), "{text}");
    let text = violation(&with("1e999"));
    assert!(text.contains("score: malformed JSON: number out of range at line 1 column"), "{text}");
}

#[test]
fn long_names_and_values_are_quoted_in_part() {
    let long = "k".repeat(100_000);
    let score = format!("\"{long}\"");
    for (name, value) in [(long.as_str(), "1"), ("score", score.as_str())] {
        let json = format!(r#"{{"event":"scanner.alert.raised","{name}":{value}}}"#);
        let violation = parse(json.as_bytes(), &defaults()).unwrap_err();
        assert!(violation.path.len() <= 256 && violation.cause.len() <= 1_024, "{violation}");
        assert!(violation.cause.contains("expected"), "{violation}");
    }
}

#[test]
fn unknown_field_is_reported_by_name() {
    let text = violation(&alert_with(r#","colour":"red""#));
    assert!(
        text.starts_with("scanner.alert.raised: colour: unknown field `colour`, expected one of"),
        "{text}"
    );
}

#[test]
fn repeated_field_is_rejected() {
    let text = violation(&alert_with(r#","score":0.9"#));
    assert!(text.contains("duplicate field `score`"), "{text}");
    let text = violation(&alert_with(r#","event":"scanner.alert.raised""#));
    assert_eq!(text, "finding: duplicate field `event`");
    let text = violation(&alert_with(r#","source":"a","source":"b""#));
    assert!(text.contains("duplicate field `source`"), "{text}");
}

#[test]
fn missing_field_is_reported() {
    let json = alert_with("").replace(r#""score":0.5,"#, "");
    assert_eq!(violation(&json), "scanner.alert.raised: missing field `score`");
}

#[test]
fn finding_without_a_known_event_is_rejected() {
    let names = "scanner.alert.raised, market.gap.detected, scanner.symbol.proposed";
    assert_eq!(violation("{}"), format!("finding: event: is missing, expected one of {names}"));
    assert_eq!(
        violation(r#"{"event":"feature.vector.computed"}"#),
        format!(r#"finding: event: "feature.vector.computed" is not one of {names}"#)
    );
    assert_eq!(violation(r#"{"event":7}"#), "finding: event: invalid type: integer `7`, expected a string");
    assert!(violation("7").contains("expected an object with the fields of an event"), "{}", violation("7"));
    assert!(violation(r#"["scanner.alert.raised"]"#).contains("invalid type: sequence"));
}

#[test]
fn time_too_far_ahead_of_the_clock_is_rejected() {
    let at = |text: &str| alert_with(&format!(r#","occurred_at":"{text}""#));
    assert_eq!(alert(&at("2024-03-15T20:05:00Z")).occurred_at, NOW + 300_000_000);
    assert_eq!(
        violation(&at("2024-03-15T20:05:00.000001Z")),
        "scanner.alert.raised: occurred_at: 2024-03-15T20:05:00.000001Z is more than 5 min ahead of the clock, \
         2024-03-15T20:00:00Z"
    );
}

#[test]
fn metadata_is_limited_and_has_text_values() {
    let with = |metadata: &str| alert_with("").replace(r#"{"k":"v"}"#, metadata);
    let text = violation(&with(r#"{"k":4}"#));
    assert_eq!(text, "scanner.alert.raised: metadata.k: invalid type: integer `4`, expected a string");
    let text = violation(&with(&format!(r#"{{"k":"{}"}}"#, "v".repeat(10_240))));
    assert_eq!(text, "scanner.alert.raised: metadata: 10241 bytes, at most 10240 are allowed");
}

#[test]
fn deeply_nested_json_is_rejected() {
    let depth = 100_000;
    let nested = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    let text = violation(&alert_with("").replace(r#"{"k":"v"}"#, &nested));
    assert_eq!(text, "scanner.alert.raised: metadata: invalid type: sequence, expected a map");
}

#[test]
fn event_id_is_stored_in_its_canonical_spelling() {
    let canonical = "018e43a1-7c00-7011-8a3b-5f1d2c9e0011";
    let with = |id: &str| alert_with(&format!(r#","event_id":"{id}""#));
    let spellings = [
        canonical.to_uppercase(),
        format!("{{{canonical}}}"),
        format!("urn:uuid:{canonical}"),
        canonical.replace('-', ""),
    ];
    for spelling in spellings {
        let found = alert(&with(&spelling));
        assert_eq!((found.event_id.as_str(), found.correlation_id.as_deref()), (canonical, Some(canonical)));
    }
    let nil = violation(&with("00000000-0000-0000-0000-000000000000"));
    assert!(
        nil.starts_with("scanner.alert.raised: event_id: ") && nil.ends_with("identifies nothing"),
        "{nil}"
    );
    let text = violation(&with("42"));
    assert_eq!(text, "scanner.alert.raised: event_id: \"42\" is not a UUID");
}

#[test]
fn array_for_a_finding_is_reported_as_such() {
    for array in ["[]", " [1, 2]", r#"[{"event":"scanner.alert.raised"}]"#] {
        let expected = "finding: invalid type: sequence, expected an object with the fields of an event";
        assert_eq!(violation(array), expected);
    }
}

#[test]
fn repeated_key_of_a_map_is_rejected() {
    let json = alert_with("").replace(r#""k":"v""#, r#""k":"v","k":"w""#);
    assert_eq!(violation(&json), "scanner.alert.raised: metadata: duplicate key \"k\"");
    let proposal = r#"{"event":"scanner.symbol.proposed","symbol":"AAPL","to_layer":1,"reason":"r",
        "metrics":{"volume":1,"volume":2}}"#;
    assert_eq!(violation(proposal), "scanner.symbol.proposed: metrics: duplicate key \"volume\"");
}

#[test]
fn last_instant_of_9999_is_valid_and_ahead_of_the_clock() {
    let text = violation(&alert_with(r#","occurred_at":"9999-12-31T23:59:59Z""#));
    assert_eq!(
        text,
        "scanner.alert.raised: occurred_at: 9999-12-31T23:59:59Z is more than 5 min ahead of the clock, 2024-03-15T20:00:00Z"
    );
    let gap = r#"{"event":"market.gap.detected","symbol":"AAPL","data_type":"market_data",
        "gap_start":"2024-03-01T00:00:00Z","gap_end":"9999-12-31T23:59:59Z","priority":5}"#;
    let Finding::Gap(found) = parsed(gap).finding else { panic!("a gap") };
    assert_eq!(found.gap_end, 253_402_300_799_000_000);
}

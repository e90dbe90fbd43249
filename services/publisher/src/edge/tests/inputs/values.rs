//! Unusual values of a finding.

use super::*;

const PROPOSAL: &str = r#"{"event":"scanner.symbol.proposed","symbol":"AAPL","from_layer":null,"to_layer":2,"reason":"","metrics":{}}"#;

#[tokio::test]
async fn numbers_follow_the_grammar_of_json() {
    let score = |to| ("0.5", to);
    let priority = |to| ("\"priority\":5", to);
    let cases = [
        with("negative infinity", score("-Infinity"), 400, "malformed JSON: invalid number"),
        with("leading zero", score("00.5"), 400, "malformed JSON: invalid number"),
        with("leading plus", score("+0.5"), 400, "malformed JSON: expected value"),
        with("hexadecimal", score("0x1"), 400, "malformed JSON: expected `,` or `}`"),
        with("underflow", score("1e-400"), 200, "accepted"),
        with("minus zero", score("-0.0"), 200, "accepted"),
        with("exponent", score("5E-1"), 200, "accepted"),
        with("2^63", priority("\"priority\":9223372036854775808"), 400, "invalid priority: "),
        with("decimal point in an integer", priority("\"priority\":5.0"), 400, "invalid priority: "),
    ];
    let bench = bench(None).await;
    bench.assert_responses(cases).await;
    for (text, score) in [("1e-400", 0.0), ("-0.0", 0.0), ("5E-1", 0.5)] {
        let stored = bench.stored(&ALERT.replace("0.5", text)).await;
        assert!((stored.score - score).abs() < f64::EPSILON, "{text}: {}", stored.score);
    }
}

#[tokio::test]
async fn texts_keep_escapes_and_reject_raw_controls() {
    let message = |to| ("\"m\"", to);
    let cases = [
        with("lone surrogate", message(r#""\ud800""#), 400, "malformed JSON"),
        with("raw control character", message("\"a\u{1}b\""), 400, "malformed JSON: control character"),
        with("empty message", message("\"\""), 200, "accepted"),
        with("empty scanner", (r#""source_scanner": "s""#, r#""source_scanner": """#), 200, "accepted"),
        adding("empty source", r#""source": """#, 400, "invalid source: scanner.alert.raised: is empty"),
        body("empty reason", PROPOSAL, 400, "invalid reason: scanner.symbol.proposed: is empty"),
    ];
    let bench = bench(None).await;
    bench.assert_responses(cases).await;
    let escaped = [
        (r"\ud83d\ude00", "\u{1f600}"),
        (r"a\u0000b", "a\0b"),
        (r"\u001b]0;owned\u0007\u001b[2J", "\u{1b}]0;owned\u{7}\u{1b}[2J"),
    ];
    for (text, message) in escaped {
        let stored = bench.stored(&ALERT.replace("\"m\"", &format!("\"{text}\""))).await;
        assert_eq!(stored.message, message);
    }
}

#[tokio::test]
async fn json_structure_is_strict() {
    let cases = [
        body("trailing comma", ALERT.replace("{}}", "{},}"), 400, "malformed JSON: key must be a string"),
        body("comma after the last finding", format!("[{ALERT},]"), 400, "malformed JSON: trailing comma"),
        body("comment", format!("// c\n{ALERT}"), 400, "malformed JSON: expected value at line 1 column 1"),
        body("single quotes", ALERT.replace('"', "'"), 400, "malformed JSON: key must be a string"),
        with("metadata of null", (r#""metadata": {}"#, r#""metadata": null"#), 400, "invalid metadata: "),
        with("event of null", (r#""scanner.alert.raised""#, "null"), 400, "invalid event: "),
        with("event in capitals", ("scanner.alert.raised", "Scanner.Alert.Raised"), 400, "invalid event: "),
    ];
    bench(None).await.assert_responses(cases).await;
}

fn adding(name: &'static str, field: &str, status: u16, text: &'static str) -> Case {
    body(name, ALERT.replace("{}}", &format!("{{}}, {field}}}")), status, text)
}

#[tokio::test]
async fn instants_are_complete_and_exist() {
    let cases = [
        adding("lower case", r#""occurred_at": "2024-07-10t20:00:00z""#, 200, "accepted"),
        adding("space for T", r#""occurred_at": "2024-07-10 20:00:00Z""#, 200, "accepted"),
        adding("leap second", r#""occurred_at": "2016-12-31T23:59:60Z""#, 200, "accepted"),
        adding("year 1", r#""occurred_at": "0001-01-01T00:00:00Z""#, 200, "accepted"),
        adding("hour 24", r#""occurred_at": "2024-07-10T24:00:00Z""#, 400, "invalid occurred_at: "),
        adding(
            "year 0",
            r#""occurred_at": "0000-01-01T00:00:00Z""#,
            400,
            "0000-01-01T00:00:00Z is outside the years 1 to 9999",
        ),
        adding(
            "year -1",
            r#""occurred_at": "-000001-01-01T00:00:00Z""#,
            400,
            "-000001-01-01T00:00:00Z is outside the years",
        ),
        adding(
            "year 10000",
            r#""occurred_at": "+010000-01-01T00:00:00Z""#,
            400,
            "+010000-01-01T00:00:00Z is outside the years",
        ),
    ];
    bench(None).await.assert_responses(cases).await;
}

#[tokio::test]
async fn instants_of_gaps_are_complete_and_exist() {
    let end = |to| ("2024-07-09T13:30:00Z", to);
    let start = |to| ("2024-07-08T13:30:00Z", to);
    let cases = [
        with("lower case", end("2024-07-09t13:30:00z"), 200, "accepted"),
        with("space for T", end("2024-07-09 13:30:00Z"), 200, "accepted"),
        with("leap second", start("2016-12-31T23:59:60Z"), 200, "accepted"),
        with("hour 24", end("2024-07-09T24:00:00Z"), 400, "invalid gap_end: "),
        with("year -1", start("-000001-01-01T00:00:00Z"), 400, "invalid gap_start: "),
        with("year 1", start("0001-01-01T00:00:00Z"), 200, "accepted"),
        with("no offset", end("2024-07-09T13:30:00"), 400, "invalid gap_end: "),
        with("no instant", end("yesterday"), 400, "invalid gap_end: "),
    ];
    bench(None).await.assert_responses(cases).await;
}

#[tokio::test]
async fn null_is_accepted_for_a_nullable_field_only() {
    let cases = [
        adding("identifier", r#""event_id": null"#, 400, "invalid event_id: "),
        adding("instant", r#""occurred_at": null"#, 400, "invalid occurred_at: "),
    ];
    let bench = bench(None).await;
    bench.assert_responses(cases).await;
    let stored = bench.stored(&ALERT.replace("{}}", r#"{}, "correlation_id": null}"#)).await;
    assert_eq!(stored.correlation_id, Some(stored.event_id));
}

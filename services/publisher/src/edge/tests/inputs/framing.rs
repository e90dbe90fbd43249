//! Unusual heads, lengths, encodings and separators of lines.

use super::*;

/// Returns the bytes of a compressed file.
fn gzip() -> Vec<u8> {
    [&[0x1f, 0x8b, 0x08, 0x00, 0x0f, 0x25, 0x0c, 0x6b, 0x02, 0xff][..], &[0xcd; 120]].concat()
}

fn chunked(body: &[u8]) -> Vec<u8> {
    [format!("{:x}\r\n", body.len()).as_bytes(), body, b"\r\n0\r\n\r\n"].concat()
}

fn case(name: &'static str, request: Vec<u8>, status: u16, text: &'static str) -> Case {
    Case { name, request, status, text }
}

/// Returns the case of a body of this content type.
fn of_type(name: &'static str, media: &str, body: &[u8], status: u16, text: &'static str) -> Case {
    case(name, posted(&format!("content-type: {media}\r\n"), body), status, text)
}

#[tokio::test]
async fn only_line_feeds_separate_lines() {
    let two = |separator: &str| [ALERT, ALERT].join(separator).into_bytes();
    let sequence = format!("\u{1e}{ALERT}\n\u{1e}{ALERT}\n");
    let form = "application/x-www-form-urlencoded";
    let lines = "application/x-ndjson";
    let cases = [
        of_type("line feed", lines, &two("\n"), 200, "accepted\naccepted"),
        of_type("carriage return alone", lines, &two("\r"), 400, "at line 1 column 152"),
        of_type("removed by curl -d", form, &two(""), 400, "malformed JSON: trailing characters"),
        of_type("JSON sequence", "application/json-seq", sequence.as_bytes(), 400, "malformed JSON"),
        of_type("form field", form, format!("payload={ALERT}").as_bytes(), 400, "malformed JSON"),
    ];
    bench(None).await.assert_responses(cases).await;
}

#[tokio::test]
async fn bodies_in_other_encodings_are_rejected() {
    let utf16: Vec<u8> = ALERT.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let cases = [
        body("gzip without a header", gzip(), 400, "malformed JSON: byte 1 is not UTF-8"),
        of_type("UTF-16", "application/json; charset=utf-16", &utf16, 400, "malformed JSON"),
    ];
    bench(None).await.assert_responses(cases).await;
}

#[tokio::test]
async fn lengths_are_unambiguous() {
    let chunks = "transfer-encoding: chunked\r\n";
    let of_length = |lengths: &str, body: &str| raw(&format!("{JSON}{lengths}"), body.as_bytes());
    let both = raw(&format!("{chunks}content-length: 5\r\n"), &chunked(ALERT.as_bytes()));
    let bad_chunk = [b"zz\r\n", ALERT.as_bytes(), b"\r\n0\r\n\r\n"].concat();
    let exact = format!("content-length: {}\r\n", ALERT.len());
    let two = of_length(&format!("{exact}content-length: 3\r\n"), ALERT);
    let longer = of_length(&exact, &format!("{ALERT}{}", &ALERT[..34]));
    let cases = [
        case("chunks and a length", both, 200, "accepted"),
        case("chunk size that is not a number", raw(chunks, &bad_chunk), 400, "failed to read the body"),
        case("two lengths", two, 400, "malformed request"),
        case(
            "length above 2^64",
            of_length("content-length: 99999999999999999999\r\n", "{"),
            400,
            "malformed",
        ),
        case("body longer than its length", longer, 200, "accepted"),
    ];
    bench(None).await.assert_responses(cases).await;
}

#[tokio::test]
async fn transfer_codings_other_than_chunked_are_rejected() {
    let case = |name, coding: &str| {
        let request = raw(&format!("{JSON}transfer-encoding: {coding}\r\n"), &chunked(&gzip()));
        Case { name, request, status: 415, text: "unsupported transfer-encoding \"gzip\"" }
    };
    let cases = [
        case("gzip in chunks", "gzip, chunked"),
        case("capitals", "GZIP, chunked"),
        case("two lines", "gzip\r\ntransfer-encoding: chunked"),
    ];
    bench(None).await.assert_responses(cases).await;
}

#[tokio::test]
async fn expectations_and_queries_do_not_prevent_acceptance() {
    let expect = |of: &str| posted(&format!("{JSON}expect: {of}\r\n"), ALERT.as_bytes());
    let target = |of: &str| {
        let request = String::from_utf8(posted(JSON, ALERT.as_bytes())).unwrap();
        request.replacen("/v1/findings", of, 1).into_bytes()
    };
    let cases = [
        case("100-continue", expect("100-continue"), 200, "accepted"),
        case("unknown expectation", expect("200-ok"), 200, "accepted"),
        case("query", target("/v1/findings?sync=true"), 200, "accepted"),
    ];
    bench(None).await.assert_responses(cases).await;
}

#[tokio::test]
async fn invalid_hosts_are_rejected() {
    let case = |host: &'static str, status, text| {
        let request = String::from_utf8(posted(JSON, ALERT.as_bytes())).unwrap();
        let request = request.replacen("host: edge", &format!("host: {host}"), 1).into_bytes();
        Case { name: host, request, status, text }
    };
    let valid = ["edge", "EDGE:8080", "edge_1.example:", "10.0.0.1:8080", "[::1]:8080", ""];
    let invalid = ["a b", "user@edge", "edge:port", "edge/path", "edge:1:2", "caf\u{e9}"];
    let valid = valid.map(|host| case(host, 200, "accepted"));
    let invalid = invalid.map(|host| case(host, 400, "malformed request: the header host"));
    bench(None).await.assert_responses(valid.into_iter().chain(invalid)).await;
}

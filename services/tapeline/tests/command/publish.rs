//! `tapeline publish` with the files that people send: a broken line costs that line, and no input or edge makes it silent.

use std::io::{BufRead, BufReader};
use std::process::{Output, Stdio};

use crate::process::{stderr, tapeline};
use crate::simulated_edge::{Behaviour, SimulatedEdge};

pub(crate) const GOOD: &str = r#"{"event":"scanner.alert.raised","symbol":"AAPL","alert_type":"volume_spike","score":0.5,"message":"m","source_scanner":"s","metadata":{}}"#;

struct Published {
    code: Option<i32>,
    out: String,
    err: String,
    lines: Vec<String>,
    bodies: Vec<usize>,
}

fn publish_to(behaviour: Behaviour, input: &[u8]) -> Published {
    let edge = SimulatedEdge::start(behaviour);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("f.ndjson");
    std::fs::write(&file, input).unwrap();
    let output: Output = tapeline(&["publish", "f.ndjson", "--edge", &edge.address])
        .current_dir(folder.path())
        .output()
        .unwrap();
    let received = edge.received();
    Published {
        code: output.status.code(),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: stderr(&output),
        lines: received.lines,
        bodies: received.bodies,
    }
}

fn publish(input: &[u8]) -> Published {
    publish_to(Behaviour::default(), input)
}

#[test]
fn line_with_a_bad_byte_is_named_and_the_rest_is_sent() {
    let input = [GOOD.as_bytes(), b"\n{\"message\":\"caf\xe9\"}\n", GOOD.as_bytes(), b"\n"].concat();
    let published = publish(&input);
    assert_eq!((published.code, published.lines.len()), (Some(1), 2), "{}", published.err);
    let expected = "f.ndjson:2: invalid: byte 16 of the line is not UTF-8\n\
                    2 accepted, 1 not accepted (1 rejected, 0 failed, 0 unknown)\n";
    assert_eq!(published.out, expected);
}

#[test]
fn input_without_findings_is_a_warning() {
    for input in [&b""[..], b"\r\n\n"] {
        let published = publish(input);
        assert_eq!((published.code, published.out.as_str()), (Some(0), "0 accepted, 0 not accepted\n"));
        assert_eq!(published.err, "warning: f.ndjson has no findings\n");
    }
}

#[test]
fn counts_are_named_if_standard_output_is_full() {
    let edge = SimulatedEdge::start(Behaviour::default());
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("f\x1b[2J.ndjson");
    std::fs::write(&file, GOOD).unwrap();
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut command = tapeline(&["publish", file.to_str().unwrap(), "--edge", &edge.address]);
    let output = command.stdout(full).output().unwrap();
    let stderr = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    let expected =
        "f\\u{1b}[2J.ndjson published: 1 accepted, 0 not accepted: failed to write to standard output";
    assert!(stderr.contains(expected), "{stderr}");
}

#[test]
fn broken_line_has_one_position() {
    let published = publish(format!("\n\n{{oops\n\n{GOOD}\r\n[{GOOD}]\n").as_bytes());
    assert_eq!((published.code, published.lines), (Some(1), vec![GOOD.to_owned()]));
    let lines: Vec<&str> = published.out.lines().collect();
    assert_eq!(lines[0], "f.ndjson:3: invalid: malformed JSON: key must be a string, column 2");
    assert_eq!(lines[1], "f.ndjson:6: invalid: an array instead of an object with the fields of an event");
}

#[test]
fn byte_order_mark_is_skipped_and_other_encodings_are_named() {
    let published = publish(format!("\u{feff}{GOOD}\n{GOOD}").as_bytes());
    assert_eq!((published.code, published.lines.len()), (Some(0), 2), "{}", published.out);
    assert_eq!(published.out, "2 accepted, 0 not accepted\n");
    assert_eq!(publish(b"").out, "0 accepted, 0 not accepted\n");
    for (input, format) in [(&b"\xff\xfe{\0"[..], "UTF-16 text"), (b"\x1f\x8b\x08\x08", "compressed (gzip)")]
    {
        let published = publish(input);
        assert_eq!(published.code, Some(2));
        assert!(
            published.err.contains(&format!("f.ndjson: file is {format}, expected lines of JSON")),
            "{}",
            published.err
        );
    }
}

#[test]
fn batches_of_long_findings_are_bounded_in_bytes() {
    // As Python's json.dumps writes Chinese: 13.9 MB of valid findings.
    let long = GOOD.replace("\"m\"", &format!("\"{}\"", "\\u4e2d".repeat(4_600)));
    let published = publish(format!("{long}\n").repeat(500).as_bytes());
    assert_eq!((published.code, published.lines.len()), (Some(0), 500), "{}{}", published.out, published.err);
    assert!(published.bodies.iter().all(|bytes| *bytes <= 4 << 20), "{:?}", published.bodies);
}

#[test]
fn too_long_line_costs_itself_alone() {
    let too_long = GOOD.replace("\"m\"", &format!("\"{}\"", "x".repeat(9 << 20)));
    let published = publish(format!("{GOOD}\n{too_long}\n{GOOD}\n").as_bytes());
    assert_eq!((published.code, published.lines.len()), (Some(1), 2), "{}", published.err);
    assert!(published.out.starts_with("f.ndjson:2: invalid: too long: 9437"), "{}", published.out);

    let small = Behaviour { body_max_bytes: 2_000, ..Behaviour::default() };
    let long = GOOD.replace("\"m\"", &format!("\"{}\"", "x".repeat(2_000)));
    let input = format!("{}{long}\n{}", format!("{GOOD}\n").repeat(40), format!("{GOOD}\n").repeat(40));
    let published = publish_to(small, input.as_bytes());
    assert_eq!((published.code, published.lines.len()), (Some(1), 80), "{}", published.err);
    let first = published.out.lines().next().unwrap();
    assert!(first.starts_with("f.ndjson:41: invalid: ") && first.contains("413"), "{first}");
}

#[test]
fn run_that_stops_early_reports_what_it_did() {
    let input = format!("{{oops\n{}", format!("{GOOD}\n").repeat(1_200));
    let published = publish_to(Behaviour { requests_max: 1, ..Behaviour::default() }, input.as_bytes());
    assert_eq!(published.code, Some(3), "{}", published.err);
    let counts = "499 accepted, 501 not accepted (1 rejected, 0 failed, 500 unknown)";
    assert!(published.out.ends_with(&format!("{counts}\n")), "{}", published.out);
    let stopped = format!("publishing stopped at line 501 of f.ndjson: {counts}: edge http://");
    assert!(published.err.contains(&stopped), "{}", published.err);
}

#[test]
fn edge_that_rejects_every_request_is_not_unreachable() {
    let published = publish_to(Behaviour { status: Some(404), ..Behaviour::default() }, GOOD.as_bytes());
    assert_eq!(published.code, Some(1));
    assert!(
        published.err.contains("rejected the batch with status 404: <html>\\u{1b}[2J"),
        "{}",
        published.err
    );
    assert_eq!(published.out, "0 accepted, 0 not accepted\n");
    let published = publish_to(Behaviour { status: Some(200), ..Behaviour::default() }, GOOD.as_bytes());
    assert_eq!(published.code, Some(1));
    let unexpected = "unexpected response with status 200: it is not the JSON of an edge";
    assert!(published.err.contains(unexpected), "{}", published.err);
    assert_eq!(published.out, "0 accepted, 1 not accepted (0 rejected, 0 failed, 1 unknown)\n");
    let published = publish_to(Behaviour { status: Some(413), ..Behaviour::default() }, GOOD.as_bytes());
    assert_eq!(published.code, Some(1));
    assert!(
        published.out.starts_with("f.ndjson:1: invalid: ") && published.out.contains("413"),
        "{}",
        published.out
    );
}

#[test]
fn proxy_of_the_environment_is_not_used_on_this_machine() {
    let edge = SimulatedEdge::start(Behaviour::default());
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("f.ndjson");
    std::fs::write(&file, GOOD).unwrap();
    for variable in ["HTTP_PROXY", "http_proxy", "ALL_PROXY"] {
        let mut command = tapeline(&["publish", file.to_str().unwrap(), "--edge", &edge.address]);
        let output = command.env(variable, "http://127.0.0.1:1").output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{variable}: {}", stderr(&output));
    }
}

#[test]
fn closed_pipe_ends_the_printing_and_not_the_publishing() {
    let edge = SimulatedEdge::start(Behaviour::default());
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("f.ndjson");
    std::fs::write(&file, format!("{{oops\n{GOOD}\n").repeat(1_500)).unwrap();
    let mut command = tapeline(&["publish", file.to_str().unwrap(), "--edge", &edge.address]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut first = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut first).unwrap();
    assert!(first.contains(":1: invalid: "), "{first}");
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert_eq!(edge.received().lines.len(), 1_500);
}

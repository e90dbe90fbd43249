//! Failures of the server and of the connection, and their class as errors of the source.

use backfill::sources::SourceError;
use kit::Secret;

use crate::server::{Failure, SECRET};
use crate::{Bench, at, bar_at, text};

fn of_one_object() -> Bench {
    let bench = Bench::new("{timeframe}/{symbol}.csv");
    bench.put("1min/AAPL.csv", bar_at("2024-06-28T13:30:00Z"));
    bench
}

fn error_after(bench: &Bench, failure: Failure) -> SourceError {
    bench.server.inject([Some(failure)]);
    let error = bench.minutes("2024-06-28", "2024-06-28").expect_err("a failure");
    assert!(!text(&error).contains(SECRET), "{}", text(&error));
    error
}

#[test]
fn wrong_key_is_a_permanent_error_with_its_code() {
    for (key_id, secret, code) in [
        (crate::server::KEY_ID, "another", "SignatureDoesNotMatch"),
        ("AKIAOTHER", SECRET, "InvalidAccessKeyId"),
    ] {
        let bench = Bench::with(|section| {
            section.key_id = Secret::new(key_id);
            section.secret = Secret::new(secret);
        });
        bench.put("1min/AAPL.csv", bar_at("2024-06-28T13:30:00Z"));
        let error = bench.minutes("2024-06-28", "2024-06-28").unwrap_err();
        assert!(matches!(error, SourceError::Permanent { .. }), "{error:?}");
        let expected = format!(
            "source files failed: s3://history/exports/v 1 é~%/1min/AAPL.csv: failed to read: status 403 {code}: \"Simulated {code}.\""
        );
        assert_eq!(text(&error), expected);
        assert!(bench.server.take_requests().is_empty());
    }
}

#[test]
fn server_that_is_slow_down_names_the_next_attempt() {
    let bench = of_one_object();
    let retry = |value: &str| Failure::Error(503, "SlowDown", vec![("retry-after", value.to_owned())]);
    let error = error_after(&bench, retry("7"));
    let SourceError::Transient { until, .. } = &error else { panic!("{error:?}") };
    assert_eq!(*until, Some(at("2024-07-10T15:00:07Z")));
    assert!(text(&error).contains("status 503 SlowDown"), "{}", text(&error));
    let error = error_after(&bench, retry("soon"));
    assert!(matches!(error, SourceError::Transient { until: None, .. }), "{error:?}");
    assert_eq!(bench.server.take_requests().len(), 2, "the executor repeats calls, not the client");
    assert_eq!(bench.minutes("2024-06-28", "2024-06-28").unwrap().records.len(), 1);
}

#[test]
fn truncated_object_is_a_temporary_error() {
    let bench = of_one_object();
    // Up to a line end: what was received is valid.
    let error = error_after(&bench, Failure::CutBody(bar_at("2024-06-28T13:30:00Z").len() - 1));
    assert!(matches!(error, SourceError::Transient { .. }), "{error:?}");
    assert!(text(&error).contains("failed to read: no response: "), "{}", text(&error));
    bench.put("1min/AAPL.csv", bar_at("2024-06-28T13:30:00Z") + "2024-06-28T13:31:00Z,1,2,1,2,10\n");
    let error = error_after(&bench, Failure::CutBody(bar_at("2024-06-28T13:30:00Z").len()));
    assert!(matches!(error, SourceError::Transient { .. }), "{error:?}");
}

#[test]
fn stalled_server_is_a_temporary_error_after_the_timeout() {
    let bench = Bench::with(|section| section.timeout_ms = 50.into());
    let error = error_after(&bench, Failure::Stall);
    assert!(matches!(error, SourceError::Transient { .. }), "{error:?}");
    assert!(text(&error).contains("operation timed out"), "{}", text(&error));
}

#[test]
fn errors_of_other_kinds_are_classified() {
    let bench = of_one_object();
    for (failure, is_temporary) in [
        (Failure::Error(500, "InternalError", Vec::new()), true),
        (Failure::Error(400, "RequestTimeout", Vec::new()), true),
        (Failure::Error(403, "AccessDenied", Vec::new()), false),
        (
            Failure::Error(301, "PermanentRedirect", vec![("location", "http://127.0.0.1:1/".to_owned())]),
            false,
        ),
        // Without a time of the last change.
        (Failure::OtherServer, true),
    ] {
        let error = error_after(&bench, failure.clone());
        let is_transient = matches!(error, SourceError::Transient { .. });
        assert_eq!(is_transient, is_temporary, "{failure:?}: {}", text(&error));
        assert!(is_transient || matches!(error, SourceError::Permanent { .. }), "{error:?}");
    }
}

#[test]
fn object_above_the_maximum_is_not_read() {
    let bench = of_one_object();
    bench.put("1min/AAPL.csv", vec![b'1'; (16 << 20) + 1]);
    let error = bench.minutes("2024-06-28", "2024-06-28").unwrap_err();
    assert!(
        text(&error).ends_with("AAPL.csv: 16777217 bytes, at most 16777216 are allowed"),
        "{}",
        text(&error)
    );
    assert!(matches!(error, SourceError::Permanent { .. }), "{error:?}");
}

#[test]
fn failed_list_or_look_up_covers_nothing() {
    let bench = Bench::new("{timeframe}/{date}/{symbol}.csv");
    for date in ["2024-06-24", "2024-06-25"] {
        bench.put(&format!("1min/{date}/AAPL.csv"), bar_at(&format!("{date}T13:30:00Z")));
    }
    let failure = || Some(Failure::Error(500, "InternalError", Vec::new()));
    for before in 0..4 {
        bench.server.inject(std::iter::repeat_n(None, before).chain([failure()]));
        let error = bench.minutes("2024-06-24", "2024-06-25").unwrap_err();
        assert!(matches!(error, SourceError::Transient { .. }), "{before}: {error:?}");
    }
    assert_eq!(bench.minutes("2024-06-24", "2024-06-25").unwrap().records.len(), 2);
}

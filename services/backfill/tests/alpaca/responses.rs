//! Failures of responses: each has a class, and none results in bars.

use backfill::sources::{SourceBars, SourceError};
use domain::Interval;
use kit::ErrorChain;

use crate::failures::Failure::{self, *};
use crate::{Bench, at, days, open_times, sessions};

const FIRST: &str = "2024-01-02";
const LAST: &str = "2024-01-31";

/// The class of an error, with the seconds until the time that it names.
pub(crate) fn class(error: &SourceError) -> String {
    match error {
        SourceError::Transient { until: None, .. } => "transient".to_owned(),
        SourceError::Transient { until: Some(until), .. } => {
            format!("transient for {} s", until.micros_since(at(crate::NOW)) / 1_000_000)
        }
        SourceError::Busy { .. } => "busy".to_owned(),
        SourceError::BeingWritten { .. } => "being written".to_owned(),
        SourceError::InvalidRange { .. } => "invalid range".to_owned(),
        SourceError::Permanent { .. } => "permanent".to_owned(),
        SourceError::UnknownSymbol { .. } => "unknown symbol".to_owned(),
    }
}

/// Two pages of day bars.
fn bench(is_timeout_short: bool) -> Bench {
    let bench = Bench::with(|section| {
        if is_timeout_short {
            section.timeout_ms = 200.into();
        }
    });
    bench.server.add("AAPL", "1Day", &sessions(FIRST, LAST));
    bench.server.limit_pages(15);
    bench
}

/// The second of `Retry-After` and `X-RateLimit-Reset` in the failures.
const NAMED: &str = "transient for 7 s";

/// 30 s after the time of the bench.
const RESET: u32 = 1_720_623_630;

pub(crate) const STATUSES: [(Failure, &str); 15] = [
    (RetryAfter, NAMED),
    (RateLimitReset(RESET), "transient for 30 s"),
    (TooManyRequests, "transient"),
    (RequestTimeout, "transient"),
    (InternalError, "transient"),
    (BadGateway, "transient"),
    (Unavailable, "transient"),
    (UnavailableRetryAfter, NAMED),
    (GatewayTimeout, "transient"),
    (Unauthorized, "permanent"),
    (Forbidden, "permanent"),
    (InvalidSymbol, "unknown symbol"),
    (Redirect, "permanent"),
    (NotFound, "permanent"),
    (ClosedWithoutResponse, "transient"),
];

pub(crate) const BODIES: [(Failure, &str); 9] = [
    (ClosedInBody, "transient"),
    (Html, "transient"),
    (MalformedJson, "transient"),
    (TruncatedPage, "transient"),
    (EmptyBody, "transient"),
    (ErrorAsSuccess, "permanent"),
    (NoToken, "permanent"),
    (RepeatedToken, "invalid range"),
    (HugeBody, "invalid range"),
];

const BARS: [(Failure, &str); 10] = [
    (TextAsPrice, "permanent"),
    (OtherSymbol, "invalid range"),
    (OutOfOrder, "invalid range"),
    (Duplicate, "invalid range"),
    (OutOfRange, "invalid range"),
    (Unaligned, "invalid range"),
    (InvalidTime, "invalid range"),
    (ZeroPrice, "invalid range"),
    (HighBelowLow, "invalid range"),
    (NegativeVolume, "invalid range"),
];

/// Injects the failure into the second page, and returns the result.
fn second_page_failed(bench: &Bench, failure: Failure, range: Interval) -> Result<SourceBars, SourceError> {
    bench.server.inject([None, Some(failure)]);
    let result = bench.day_bars(range);
    assert_eq!(bench.server.failures_left(), 0, "{failure:?} was not injected");
    result
}

#[test]
fn failure_of_a_page_has_its_class_and_costs_all_bars() {
    for (failure, expected) in STATUSES.into_iter().chain(BODIES).chain(BARS) {
        let bench = bench(false);
        let range = days(FIRST, LAST);
        let error = second_page_failed(&bench, failure, range).unwrap_err();
        assert_eq!(class(&error), expected, "{failure:?}: {}", ErrorChain(&error));
    }
}

#[test]
fn call_after_a_failure_has_all_bars() {
    for (failure, _) in [(InternalError, ""), (TruncatedPage, ""), (Duplicate, ""), (ClosedInBody, "")] {
        let bench = bench(false);
        let range = days(FIRST, LAST);
        second_page_failed(&bench, failure, range).unwrap_err();
        assert_eq!(open_times(&bench.day_bars(range).unwrap()), sessions(FIRST, LAST), "{failure:?}");
    }
}

#[test]
fn server_without_a_complete_response_is_a_timeout() {
    for failure in [HalfOpen, SlowBody] {
        let bench = bench(true);
        bench.server.inject([Some(failure)]);
        let error = bench.day_bars(days(FIRST, LAST)).unwrap_err();
        assert_eq!(class(&error), "transient", "{failure:?}");
        assert!(ErrorChain(&error).to_string().contains("timed out"), "{failure:?}: {}", ErrorChain(&error));
    }
}

#[test]
fn pages_without_an_end_are_bounded() {
    let bench = bench(false);
    bench.server.inject((0..1_001).map(|_| Some(EndlessPages)));
    let error = bench.day_bars(days(FIRST, LAST)).unwrap_err();
    assert_eq!(class(&error), "invalid range");
    assert_eq!(bench.server.take_requests().len(), 1_000);
}

#[test]
fn rejected_key_is_permanent_and_not_in_the_error() {
    let bench = Bench::with(|section| section.secret = kit::Secret::new("hunter2"));
    let error = bench.day_bars(days(FIRST, LAST)).unwrap_err();
    assert_eq!(class(&error), "permanent");
    let text = format!("{} {error:?}", ErrorChain(&error));
    assert!(text.contains("status 403: \"forbidden.\"") && !text.contains("hunter2"), "{text}");
}

#[test]
fn requests_wait_after_an_exhausted_quota() {
    let bench = Bench::with(|section| section.timeout_ms = 1_000.into());
    // Longer than the time of a call: 6,000 s.
    bench.server.inject([Some(RateLimitReset(RESET + 6_000))]);
    let first = bench.day_bars(days(FIRST, LAST)).unwrap_err();
    assert_eq!(class(&first), "transient for 6030 s");
    let second = bench.day_bars(days(FIRST, LAST)).unwrap_err();
    assert_eq!((class(&second).as_str(), bench.server.take_requests().len()), ("busy", 1));
}

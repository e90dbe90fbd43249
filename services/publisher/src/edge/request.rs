//! Head and body of a request: what the edge accepts, before the findings are read.

use std::future::poll_fn;
use std::pin::Pin;

use axum::body::{Body, HttpBody};
use axum::http::{HeaderMap, HeaderName, header};
use kafka_io::{TRACEPARENT, trace_context};

use super::admission::Slot;
use super::rejection::Rejection;

/// The size that is reserved for a body of unknown length before it is read, and the first step of its growth.
const FIRST_BYTES: usize = 64 << 10;

/// Content types whose bodies have one JSON value per line.
const LINES: [&str; 8] = [
    "application/x-ndjson",
    "application/ndjson",
    "application/jsonl",
    "application/x-jsonl",
    "application/jsonlines",
    "application/x-jsonlines",
    "application/json-lines",
    "text/x-ndjson",
];

/// The checked head of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Head {
    /// The content type requires one finding per line.
    pub(super) is_ndjson: bool,
    /// A valid W3C trace context.
    pub(super) traceparent: Option<String>,
    /// `None` for a chunked body.
    length: Option<usize>,
}

impl Head {
    /// Checks the headers, so that a body that would be rejected is not read.
    pub(super) fn check(headers: &HeaderMap, body_max_bytes: usize) -> Result<Self, Rejection> {
        check_origin(headers)?;
        let content_type = content_type(headers);
        if matches!(content_type.as_str(), "text/plain" | "multipart/form-data") {
            return Err(Rejection::ContentType { content_type });
        }
        check_encoding(headers)?;
        check_transfer(headers)?;
        let length = text(headers, &header::CONTENT_LENGTH).and_then(|length| length.parse().ok());
        if length.is_some_and(|length| length > body_max_bytes) {
            return Err(Rejection::TooLarge { body_max_bytes });
        }
        let traceparent = headers.get(TRACEPARENT).and_then(|value| trace_context(value.as_bytes()));
        Ok(Self {
            is_ndjson: LINES.contains(&content_type.as_str()),
            traceparent: traceparent.map(str::to_owned),
            length,
        })
    }

    /// Returns the bytes to reserve before the body is read.
    pub(super) fn first_bytes(&self, body_max_bytes: usize) -> usize {
        self.length.unwrap_or(FIRST_BYTES.min(body_max_bytes))
    }

    /// Reads the body. The slot grows with a body of unknown length.
    pub(super) async fn read(
        &self,
        mut body: Body,
        body_max_bytes: usize,
        slot: &mut Slot,
    ) -> Result<Vec<u8>, Rejection> {
        let mut bytes = Vec::with_capacity(self.length.unwrap_or(0));
        while let Some(frame) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
            let frame = frame.map_err(|error| Rejection::Broken { cause: error.to_string() })?;
            // Trailers are ignored.
            let Ok(data) = frame.into_data() else { continue };
            let length = bytes.len() + data.len();
            if length > body_max_bytes {
                return Err(Rejection::TooLarge { body_max_bytes });
            }
            if length > slot.bytes() {
                let doubled = (2 * slot.bytes()).clamp(length, body_max_bytes.max(length));
                slot.grow(doubled - slot.bytes()).await?;
            }
            bytes.extend_from_slice(&data);
        }
        Ok(bytes)
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// Returns the content type without parameters, in lower case. Empty if there is none.
fn content_type(headers: &HeaderMap) -> String {
    let value = text(headers, &header::CONTENT_TYPE).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// Only `identity` is supported, which is no encoding.
fn check_encoding(headers: &HeaderMap) -> Result<(), Rejection> {
    for value in headers.get_all(header::CONTENT_ENCODING) {
        let codings = String::from_utf8_lossy(value.as_bytes());
        let mut codings = codings.split(',').map(str::trim);
        if let Some(other) = codings.find(|it| !it.is_empty() && !it.eq_ignore_ascii_case("identity")) {
            return Err(Rejection::Encoding { encoding: other.to_owned() });
        }
    }
    Ok(())
}

/// Only `chunked` is supported. The HTTP library removes the chunks, and leaves other codings to the handler.
fn check_transfer(headers: &HeaderMap) -> Result<(), Rejection> {
    for value in headers.get_all(header::TRANSFER_ENCODING) {
        let codings = String::from_utf8_lossy(value.as_bytes()).to_ascii_lowercase();
        let mut codings = codings.split(',').map(str::trim);
        if let Some(other) = codings.find(|it| !it.is_empty() && *it != "chunked") {
            return Err(Rejection::Transfer { coding: other.to_owned() });
        }
    }
    Ok(())
}

/// A browser sends the origin of the page with each POST. A page of another host must not send findings in the name of its reader.
fn check_origin(headers: &HeaderMap) -> Result<(), Rejection> {
    let Some(origin) = headers.get(header::ORIGIN) else { return Ok(()) };
    let origin = String::from_utf8_lossy(origin.as_bytes());
    let host = text(headers, &header::HOST);
    let own = origin
        .split_once("://")
        .is_some_and(|(_, of)| host.is_some_and(|host| of.eq_ignore_ascii_case(host)));
    if own { Ok(()) } else { Err(Rejection::Origin { origin: origin.into_owned() }) }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn head(headers: &[(&'static str, &str)]) -> Result<Head, Rejection> {
        let headers = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap()));
        Head::check(&headers.collect(), 1_000)
    }

    #[test]
    fn content_types_of_lines_are_recognized_in_any_case() {
        let is_ndjson = |value: &str| head(&[("content-type", value)]).unwrap().is_ndjson;
        for lines in ["application/x-ndjson", "Application/X-NDJSON; charset=UTF-8", "application/jsonl"] {
            assert!(is_ndjson(lines), "{lines}");
        }
        for other in ["application/json", "", "application/x-www-form-urlencoded"] {
            assert!(!is_ndjson(other), "{other}");
        }
    }

    #[test]
    fn encoding_other_than_identity_is_rejected() {
        for none in ["identity", "Identity", "", " identity , "] {
            assert!(head(&[("content-encoding", none)]).is_ok(), "{none}");
        }
        for encoding in ["gzip", "identity, gzip"] {
            let error = head(&[("content-encoding", encoding)]).unwrap_err();
            assert_eq!(error, Rejection::Encoding { encoding: "gzip".to_owned() });
        }
    }

    #[test]
    fn page_of_another_host_is_rejected() {
        let of = |origin| head(&[("host", "edge:8080"), ("origin", origin)]);
        assert!(of("http://Edge:8080").is_ok());
        for origin in ["http://evil.example", "null", "http://edge:8081", ""] {
            assert_eq!(of(origin), Err(Rejection::Origin { origin: origin.to_owned() }));
        }
        for form in ["text/plain;charset=UTF-8", "Multipart/Form-Data; boundary=x"] {
            let error = head(&[("content-type", form)]).unwrap_err();
            assert!(matches!(error, Rejection::ContentType { .. }), "{error}");
        }
    }

    #[test]
    fn length_above_the_limit_is_rejected_before_the_body() {
        assert_eq!(head(&[("content-length", "1000")]).unwrap().first_bytes(1_000), 1_000);
        assert_eq!(head(&[]).unwrap().first_bytes(1_000), 1_000);
        let error = head(&[("content-length", "1001")]).unwrap_err();
        assert_eq!(error, Rejection::TooLarge { body_max_bytes: 1_000 });
    }

    #[test]
    fn only_valid_trace_contexts_are_passed_on() {
        let valid = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let trace = |value: &str| head(&[("traceparent", value)]).unwrap().traceparent;
        assert_eq!(trace(valid).as_deref(), Some(valid));
        let zeros = |count: usize| "0".repeat(count);
        let invalid = [
            "-".repeat(55),
            valid.to_uppercase(),
            valid.replace("00-4", "ff-4"),
            valid.replace("00f067aa0ba902b7", &zeros(16)),
            valid.replace("4bf92f3577b34da6a3ce929d0e0e4736", &zeros(32)),
            format!("{valid}-00"),
            zeros(4_000),
        ];
        for text in invalid {
            assert_eq!(trace(&text), None, "{text}");
        }
    }
}

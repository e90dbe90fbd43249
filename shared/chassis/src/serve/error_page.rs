//! Errors as JSON, also those that the HTTP library or the router reports without a text.

use axum::body::HttpBody;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Json, Response};
use serde_json::json;

/// Returns a response with the body `{"error": text}`.
#[must_use]
pub fn error_page(status: StatusCode, text: &str) -> Response {
    (status, Json(json!({ "error": text }))).into_response()
}

/// Returns a response with this status and its text.
pub(super) fn status_page(status: StatusCode) -> Response {
    error_page(status, text_of(status))
}

/// Adds a text to an error without a body. Headers such as `allow` remain.
pub(super) fn with_text(response: Response) -> Response {
    let status = response.status();
    let is_error = status.is_client_error() || status.is_server_error();
    if !is_error || response.body().size_hint().exact() != Some(0) {
        return response;
    }
    let (mut parts, _) = response.into_parts();
    let page = error_page(status, text_of(status));
    parts.headers.remove(header::CONTENT_LENGTH);
    parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Response::from_parts(parts, page.into_body())
}

/// Returns a whole response that closes the connection.
pub(super) fn closing_bytes(status: StatusCode) -> Vec<u8> {
    let body = json!({ "error": text_of(status) }).to_string();
    let retry = if status == StatusCode::SERVICE_UNAVAILABLE { "retry-after: 1\r\n" } else { "" };
    format!(
        "HTTP/1.1 {status}\r\nconnection: close\r\n{retry}content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

fn text_of(status: StatusCode) -> &'static str {
    match status {
        StatusCode::BAD_REQUEST => "malformed request: its head is not valid HTTP/1.1",
        StatusCode::NOT_FOUND => "unknown path",
        StatusCode::METHOD_NOT_ALLOWED => "method not allowed for this path: see the header allow",
        StatusCode::REQUEST_TIMEOUT => "request timed out: its head did not arrive in time",
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => {
            "too many headers: at most 100 of at most 32 KiB in total are allowed"
        }
        StatusCode::SERVICE_UNAVAILABLE => {
            "connection rejected: the maximum number of connections is open; retry later"
        }
        other => other.canonical_reason().unwrap_or("request failed"),
    }
}

/// Returns the status of the response that ends here if the HTTP library wrote it without a handler, and the position at which it begins.
/// Such a response has no body; those of handlers have one.
pub(super) fn automatic_error(written: &[u8]) -> Option<(usize, StatusCode)> {
    const START: &[u8] = b"HTTP/1.";
    let head = written.strip_suffix(b"\r\n\r\n")?;
    let starts = head.windows(START.len()).rposition(|window| window == START)?;
    if starts > 0 && written[starts - 1] != b'\n' && !written[..starts].ends_with(b"}") {
        return None;
    }
    let head = std::str::from_utf8(&head[starts..]).ok()?;
    let mut lines = head.split("\r\n");
    let status: u16 = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let status = StatusCode::from_u16(status).ok().filter(|status| status.is_client_error())?;
    lines.any(|line| line.eq_ignore_ascii_case("content-length: 0")).then_some((starts, status))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_responses_of_the_library_are_recognized() {
        let automatic =
            b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
        let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
        assert_eq!(automatic_error(automatic), Some((0, status)));
        let first = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";
        let both = [&first[..], automatic].concat();
        assert_eq!(automatic_error(&both), Some((first.len(), status)));
        for other in [
            &first[..],
            b"HTTP/1.1 404 Not Found\r\ncontent-length: 2\r\n\r\n",
            b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
        ] {
            assert_eq!(automatic_error(other), None);
        }
    }

    #[test]
    fn empty_error_gets_a_text_and_keeps_its_headers() {
        let empty = (StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, "POST")]).into_response();
        let page = with_text(empty);
        assert_eq!(
            (page.status().as_u16(), &page.headers()["allow"]),
            (405, &HeaderValue::from_static("POST"))
        );
        assert!(page.body().size_hint().exact().is_some_and(|bytes| bytes > 10));
        assert_eq!(with_text(StatusCode::OK.into_response()).body().size_hint().exact(), Some(0));
    }
}

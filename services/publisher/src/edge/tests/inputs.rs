//! Unusual requests byte by byte, each with its response: as programs, editors and proxies send them.

use tokio::net::TcpStream;

use super::*;

mod framing;
mod values;

/// A valid finding.
const ALERT: &str = r#"{"event": "scanner.alert.raised", "symbol": "AAPL", "alert_type": "volume_spike", "score": 0.5, "message": "m", "source_scanner": "s", "metadata": {}}"#;

/// A valid gap.
const GAP: &str = r#"{"event":"market.gap.detected","symbol":"AAPL","data_type":"market_data","gap_start":"2024-07-08T13:30:00Z","gap_end":"2024-07-09T13:30:00Z","priority":5}"#;

const JSON: &str = "content-type: application/json\r\n";

/// A request, its name and its response.
struct Case {
    name: &'static str,
    request: Vec<u8>,
    status: u16,
    /// A part of the response as [`EdgeBench::response_to`] returns it.
    text: &'static str,
}

/// Returns the case of a body with its true length.
fn body(name: &'static str, body: impl AsRef<[u8]>, status: u16, text: &'static str) -> Case {
    let request = posted(JSON, body.as_ref());
    Case { name, request, status, text }
}

/// Returns the case of the valid finding with one part replaced.
fn with(name: &'static str, (from, to): (&str, &str), status: u16, text: &'static str) -> Case {
    let valid = if GAP.contains(from) { GAP } else { ALERT };
    assert_eq!(valid.matches(from).count(), 1, "{name}: {from}");
    body(name, valid.replace(from, to), status, text)
}

/// Returns a request with these header lines and the length of the body.
fn posted(headers: &str, body: &[u8]) -> Vec<u8> {
    raw(&format!("{headers}content-length: {}\r\n", body.len()), body)
}

/// Returns a request with these header lines only.
fn raw(headers: &str, body: &[u8]) -> Vec<u8> {
    let head = "POST /v1/findings HTTP/1.1\r\nhost: edge\r\nconnection: close\r\n";
    [head.as_bytes(), headers.as_bytes(), b"\r\n", body].concat()
}

impl EdgeBench {
    /// Sends bytes and reads until the edge closes the connection.
    async fn exchange(&self, request: &[u8]) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(request).await.unwrap();
        let mut response = Vec::new();
        stream.read_to_end(&mut response).await.unwrap();
        String::from_utf8(response).unwrap()
    }

    /// Returns the final status, and the error of the request or a line per finding: `accepted`, or outcome, path and cause.
    async fn response_to(&self, request: &[u8]) -> (u16, String) {
        let response = self.exchange(request).await;
        let last = response.strip_prefix("HTTP/1.1 100 Continue\r\n\r\n").unwrap_or(&response);
        let (head, body) = last.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{response:?}"));
        let status = head[9..12].parse().unwrap();
        let body: serde_json::Value = serde_json::from_str(body).unwrap_or_else(|_| panic!("{response}"));
        if let Some(error) = body["error"].as_str() {
            return (status, error.to_owned());
        }
        let line = |result: &serde_json::Value| {
            let text = |key: &str| result[key].as_str().unwrap_or_default().to_owned();
            match text("outcome") {
                accepted if accepted == "accepted" => accepted,
                other => format!("{other} {}: {}", text("path"), text("cause")),
            }
        };
        (status, body["results"].as_array().unwrap().iter().map(line).collect::<Vec<_>>().join("\n"))
    }

    /// Asserts the response to each request, then that the edge still accepts a valid one.
    async fn assert_responses(&self, cases: impl IntoIterator<Item = Case>) {
        let mut wrong = Vec::new();
        for Case { name, request, status, text } in cases {
            let (found, found_text) = self.response_to(&request).await;
            if found != status || !found_text.contains(text) {
                wrong.push(format!("{name}: {found} {found_text:?} instead of {status} {text:?}"));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
        assert_eq!(self.response_to(&posted(JSON, ALERT.as_bytes())).await, (200, "accepted".to_owned()));
    }

    /// Returns the alert that is stored for a body that is accepted.
    async fn stored(&self, body: &str) -> contracts::Alert {
        assert_eq!(
            self.response_to(&posted(JSON, body.as_bytes())).await,
            (200, "accepted".to_owned()),
            "{body}"
        );
        let batches = self.brokers.batches.lock().unwrap();
        let record = batches.last().and_then(|batch| batch.first()).unwrap();
        contracts::Codec::new().decode(record.payload.as_slice(), &OwnSchemas).unwrap()
    }
}

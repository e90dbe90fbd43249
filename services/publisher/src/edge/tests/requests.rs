//! Requests whose head or body is unusual.

use super::*;

impl EdgeBench {
    /// Posts a body with headers. Returns status and body.
    pub(super) async fn post_with(
        &self,
        headers: &[(&str, &str)],
        body: impl Into<reqwest::Body>,
    ) -> (u16, serde_json::Value) {
        let mut post = reqwest::Client::new().post(format!("http://{}/v1/findings", self.address));
        for (name, value) in headers {
            post = post.header(*name, *value);
        }
        let response = post.body(body).send().await.unwrap();
        (response.status().as_u16(), response.json().await.unwrap())
    }
}

/// Returns the outcomes of a response.
fn outcomes(response: &serde_json::Value) -> Vec<&str> {
    let results = response["results"].as_array().unwrap_or_else(|| panic!("{response}"));
    results.iter().map(|result| result["outcome"].as_str().unwrap()).collect()
}

/// The producer never responds, and the body never ends.
#[tokio::test]
async fn request_is_rejected_at_once_while_the_breaker_is_open() {
    let never = Brokers { is_rejecting: true, gate: Some(Semaphore::new(0)), ..Brokers::default() };
    let bench = bench_of(never).await;
    let mut socket = tokio::net::TcpStream::connect(bench.address).await.unwrap();
    let head = "POST /v1/findings HTTP/1.1\r\nhost: edge\r\ncontent-length: 5000\r\n\r\n{";
    socket.write_all(head.as_bytes()).await.unwrap();
    let mut response = [0; 12];
    socket.read_exact(&mut response).await.unwrap();
    assert_eq!(&response, b"HTTP/1.1 503");
    let (status, response) = bench.post(&alert(&[])).await;
    let cause = "request rejected: circuit breaker open, Kafka acknowledges nothing; retry later";
    assert_eq!((status, response["error"].as_str()), (503, Some(cause)));
    assert!(bench.brokers.batches.lock().unwrap().is_empty());
}

#[tokio::test]
async fn encoded_body_is_rejected_with_its_encoding() {
    let bench = bench(None).await;
    let (status, response) = bench.post_with(&[("content-encoding", "gzip")], vec![31_u8, 139]).await;
    assert!(status == 415 && response["error"].as_str().unwrap().contains("gzip"), "{response}");
    bench.assert_counts(&["publisher_edge_requests_total{status=\"415\"} 1"]);
    for none in ["Identity", ""] {
        assert_eq!(bench.post_with(&[("content-encoding", none)], alert(&[])).await.0, 200, "{none:?}");
    }
}

#[tokio::test]
async fn findings_of_a_foreign_web_page_are_rejected() {
    let bench = bench(None).await;
    let page = [("origin", "http://evil.example"), ("content-type", "application/json")];
    let (status, response) = bench.post_with(&page, alert(&[])).await;
    assert!(status == 403 && response["error"].as_str().unwrap().contains("evil.example"), "{response}");
    let (status, response) = bench.post_with(&[("content-type", "text/plain")], alert(&[])).await;
    assert!(status == 415 && response["error"].as_str().unwrap().contains("application/json"), "{response}");
    let own = format!("http://{}", bench.address);
    assert_eq!(bench.post_with(&[("origin", own.as_str())], alert(&[])).await.0, 200);
    // The default of curl.
    let curl = [("content-type", "application/x-www-form-urlencoded")];
    assert_eq!(bench.post_with(&curl, alert(&[])).await.0, 200);
}

#[tokio::test]
async fn invalid_trace_is_replaced() {
    let bench = bench(None).await;
    for trace in ["0".repeat(4_000), "-".repeat(55)] {
        assert_eq!(bench.post_with(&[("traceparent", trace.as_str())], alert(&[])).await.0, 200);
    }
    let batches = bench.brokers.batches.lock().unwrap();
    for record in batches.iter().flatten() {
        let trace = String::from_utf8(record.headers[0].1.to_vec()).unwrap();
        assert!(trace.len() == 55 && trace.starts_with("00-0"), "a new trace: {trace}");
    }
}

#[tokio::test]
async fn invalid_byte_costs_its_line_alone() {
    let bench = bench(None).await;
    let alert = alert(&[]);
    let bad = alert.replace("3x", "\u{0}").into_bytes().into_iter().map(|b| if b == 0 { 0xe9 } else { b });
    let line: Vec<u8> = bad.collect();
    let body = [alert.as_bytes(), &line[..], alert.as_bytes()].join(&b"\r\n"[..]);
    let (status, response) = bench.post_with(&[("content-type", "Application/X-NDJSON")], body).await;
    assert_eq!((status, outcomes(&response)), (207, vec!["accepted", "invalid", "accepted"]));
    let cause = response["results"][1]["cause"].as_str().unwrap();
    assert!(cause.starts_with("malformed JSON: not UTF-8 at line 2 column "), "{cause}");
}

#[tokio::test]
async fn malformed_first_line_of_jsonl_affects_no_other() {
    let bench = bench(None).await;
    for lines in ["application/jsonl", "APPLICATION/X-NDJSON; charset=utf-8"] {
        let body = format!("\u{feff}{{oops\n\n{}\n", alert(&[]));
        let (status, response) = bench.post_with(&[("content-type", lines)], body).await;
        assert_eq!((status, outcomes(&response)), (207, vec!["invalid", "accepted"]), "{lines}");
    }
}

#[tokio::test]
async fn undefined_alert_type_is_accepted_with_a_warning() {
    let bench = bench(None).await;
    let warning = async |alert_type: &str| {
        let (status, response) = bench.post(&alert(&[("alert_type", alert_type.into())])).await;
        assert_eq!(status, 200, "{response}");
        response["results"][0]["warning"].as_str().map(str::to_owned)
    };
    let expected = "alert_type \"vol_spike\" is not defined and was stored as unknown";
    assert_eq!(warning("vol_spike").await.as_deref(), Some(expected));
    assert_eq!((warning("volume_spike").await, warning("unknown").await), (None, None));
}

#[tokio::test]
async fn other_paths_and_methods_get_a_text() {
    let bench = bench(None).await;
    let client = reqwest::Client::new();
    let url = |path: &str| format!("http://{}{path}", bench.address);
    let cases = [
        (client.get(url("/")), 404, "POST /v1/findings"),
        (client.get(url("/v1/findings")), 405, "method"),
        (client.put(url("/v1/findings/")), 405, "method"),
    ];
    for (request, status, part) in cases {
        let response = request.send().await.unwrap();
        assert_eq!(response.status().as_u16(), status);
        let body: serde_json::Value = response.json().await.unwrap();
        assert!(body["error"].as_str().is_some_and(|text| text.contains(part)), "{body}");
    }
    let slash = client.post(url("/v1/findings/")).body(alert(&[])).send().await.unwrap();
    assert_eq!(slash.status().as_u16(), 200);
}

#[tokio::test]
async fn large_body_is_rejected_before_100_continue() {
    let bench = bench(None).await;
    let mut stream = tokio::net::TcpStream::connect(bench.address).await.unwrap();
    let head = "POST /v1/findings HTTP/1.1\r\nhost: edge\r\nexpect: 100-continue\r\ncontent-length: 900000000\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut response = [0; 12];
    stream.read_exact(&mut response).await.unwrap();
    assert_eq!(&response, b"HTTP/1.1 413");
}

#[tokio::test]
async fn body_of_unknown_length_is_read_to_its_limit() {
    let bench = bench(None).await;
    let post = async |body: &str| {
        let mut stream = tokio::net::TcpStream::connect(bench.address).await.unwrap();
        let head = "POST /v1/findings HTTP/1.1\r\nhost: edge\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n";
        let request = format!("{head}{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).await.unwrap();
        response[9..12].to_owned()
    };
    assert_eq!(post(&alert(&[("message", "m".repeat(4_000).into())])).await, "200");
    assert_eq!(post(&" ".repeat(10_001)).await, "413");
}

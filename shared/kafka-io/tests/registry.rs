//! The registry client against a server that misbehaves as real ones and their proxies do.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use contracts::{Topic, WriterFault, WriterSchemas};
use kafka_io::{Registry, RegistryConfig, RegistryError};

const SCHEMA: &str = r#"{"schema":"\"string\""}"#;
const UNKNOWN: &str = r#"{"error_code":40403,"message":"Schema not found"}"#;
const BROKEN: &str = r#"{"error_code":50001,"message":"Error in the backend data store"}"#;

/// What the server says next; `None` is silence.
type Script = Arc<Mutex<VecDeque<Option<(u16, &'static str, &'static str)>>>>;

/// A server that says what its script says, then `SCHEMA` for ever, and counts.
struct Scripted {
    runtime: tokio::runtime::Runtime,
    address: SocketAddr,
    script: Script,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Scripted {
    fn start(script: impl IntoIterator<Item = Option<(u16, &'static str, &'static str)>>) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let script: Script = Arc::new(Mutex::new(script.into_iter().collect()));
        let asked = Arc::<Mutex<Vec<String>>>::default();
        let (said, heard) = (Arc::clone(&script), Arc::clone(&asked));
        let router = axum::Router::new().fallback(move |uri: axum::http::Uri| {
            heard.lock().unwrap().push(uri.path().to_owned());
            let next = said.lock().unwrap().pop_front();
            async move {
                match next {
                    Some(None) => std::future::pending().await,
                    Some(Some((status, kind, body))) => answer(status, kind, body),
                    None => answer(200, "application/json", SCHEMA),
                }
            }
        });
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        runtime.spawn(async move { axum::serve(listener, router).await });
        Self { runtime, address, script, asked }
    }

    fn registry(&self) -> Registry {
        let config = RegistryConfig {
            url: format!("http://{}/", self.address),
            timeout_ms: 300,
            start_patience_ms: 2_000,
            ..RegistryConfig::default()
        };
        Registry::new(&config, self.runtime.handle().clone()).unwrap()
    }

    fn calls(&self) -> usize {
        self.asked.lock().unwrap().len()
    }
}

fn answer(status: u16, kind: &'static str, body: &'static str) -> axum::response::Response {
    (StatusCode::from_u16(status).unwrap(), [(header::CONTENT_TYPE, kind)], body).into_response()
}

fn json(status: u16, body: &'static str) -> Option<(u16, &'static str, &'static str)> {
    Some((status, "application/vnd.schemaregistry.v1+json", body))
}

#[test]
fn a_known_schema_is_asked_for_once() {
    let server = Scripted::start([]);
    let registry = server.registry();
    for _ in 0..3 {
        registry.writer(9).unwrap();
    }
    assert_eq!(*server.asked.lock().unwrap(), ["/schemas/ids/9"]);
}

#[test]
fn an_unknown_id_is_not_asked_for_again() {
    let server = Scripted::start([json(404, UNKNOWN)]);
    let registry = server.registry();
    for _ in 0..3 {
        assert_eq!(registry.writer(9).unwrap_err(), WriterFault::Unknown { id: 9 });
    }
    assert_eq!(server.calls(), 1);
}

#[test]
fn transient_failures_of_every_kind_are_forgotten_at_once() {
    let html = "<html>not the registry</html>";
    let script = [
        json(500, BROKEN),
        json(503, BROKEN),
        json(504, ""),
        json(429, r#"{"error_code":429,"message":"slow down"}"#),
        Some((404, "text/html", html)),
        Some((200, "text/html", html)),
        Some((200, "application/json", r#"{"schema":"#)),
        None,
    ];
    let failures = script.len();
    let server = Scripted::start(script);
    let registry = server.registry();
    for number in 0..failures {
        let fault = registry.writer(9).unwrap_err();
        let named = fault.to_string().contains(&server.address.to_string());
        assert!(matches!(fault, WriterFault::Unavailable { id: 9, .. }) && named, "{number}: {fault}");
    }
    registry.writer(9).unwrap();
    assert_eq!(server.calls(), failures + 1);
    assert!(server.script.lock().unwrap().is_empty());
}

#[test]
fn a_silent_registry_costs_no_more_than_the_timeout() {
    let server = Scripted::start([None]);
    let begun = Instant::now();
    assert!(server.registry().writer(1).is_err());
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
}

#[test]
fn what_is_no_avro_is_unreadable_and_says_so() {
    let server = Scripted::start([
        json(200, r#"{"schemaType":"JSON","schema":"{}"}"#),
        json(200, r#"{"schema":"{\"type\":\"recrod\"}"}"#),
    ]);
    let registry = server.registry();
    assert!(matches!(registry.writer(1), Err(WriterFault::Unreadable { id: 1, .. })));
    assert!(matches!(registry.writer(2), Err(WriterFault::Unreadable { id: 2, .. })));
}

#[test]
fn a_start_waits_for_a_registry_that_stumbles() {
    let server =
        Scripted::start([json(500, BROKEN), Some((200, "text/html", "<html>")), json(200, r#"{"id":17}"#)]);
    let registry = server.registry();
    server.runtime.block_on(registry.register(&[Topic::AlertRaised])).unwrap();
    assert_eq!(registry.id(Topic::AlertRaised).unwrap(), 17);
    assert_eq!(registry.id(contracts::Topic::AlertRaised).unwrap(), 17);
    assert!(matches!(registry.id(Topic::BarClosed), Err(RegistryError::NotRegistered { .. })));
    assert_eq!(server.asked.lock().unwrap()[2], "/subjects/scanner.alert.raised.v1-value/versions");
    registry.writer(17).unwrap();
    assert_eq!(server.calls(), 3, "our own schema is never fetched");
}

#[test]
fn an_incompatible_schema_is_refused_at_once_with_the_registrys_words() {
    let incompatible = r#"{"error_code":409,"message":"Schema being registered is incompatible"}"#;
    let server = Scripted::start([json(409, incompatible)]);
    let error =
        server.runtime.block_on(server.registry().register(&[Topic::AlertRaised])).unwrap_err().to_string();
    assert!(
        error.contains("scanner.alert.raised.v1-value") && error.contains("is incompatible (409)"),
        "{error}"
    );
    assert_eq!(server.calls(), 1);
}

#[test]
fn an_unreachable_registry_is_named() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let config = RegistryConfig {
        url: "http://127.0.0.1:1".to_owned(),
        start_patience_ms: 300,
        ..RegistryConfig::default()
    };
    let registry = Registry::new(&config, runtime.handle().clone()).unwrap();
    let error = runtime.block_on(registry.register(&[Topic::AlertRaised])).unwrap_err();
    assert!(matches!(error, RegistryError::Unreachable { .. }));
    assert!(
        error.to_string().contains("http://127.0.0.1:1") && error.to_string().contains("300 ms"),
        "{error}"
    );
}

#[test]
fn an_address_that_is_none_is_refused() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let config = RegistryConfig { url: "localhost:8081".to_owned(), ..RegistryConfig::default() };
    let error = Registry::new(&config, runtime.handle().clone()).err().unwrap().to_string();
    assert!(error.contains("localhost:8081"), "{error}");
}

//! The registry client against a server that misbehaves as real ones and their proxies do.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use contracts::{Topic, WriterError, WriterSchemas};
use kafka_io::{Registry, RegistryConfig, RegistryError, Started};

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

    fn config(&self) -> RegistryConfig {
        RegistryConfig {
            url: format!("http://{}/", self.address),
            timeout_ms: 300,
            start_patience_ms: 2_000,
            cached_start_patience_ms: 200,
            lookup_wait_ms: 3_000,
            ..RegistryConfig::default()
        }
    }

    fn registry(&self) -> Registry {
        self.registry_with(&self.config())
    }

    fn registry_with(&self, config: &RegistryConfig) -> Registry {
        Registry::new(config, self.runtime.handle().clone()).unwrap()
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
        assert_eq!(registry.writer(9).unwrap_err(), WriterError::Unknown { id: 9 });
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
    let registry = server.registry_with(&RegistryConfig { breaker_failures: 100, ..server.config() });
    for number in 0..failures {
        let fault = registry.writer(9).unwrap_err();
        let named = fault.to_string().contains(&server.address.to_string());
        assert!(matches!(fault, WriterError::Unavailable { id: 9, .. }) && named, "{number}: {fault}");
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
fn a_record_waits_only_shortly_for_a_lookup_that_goes_on() {
    let server = Scripted::start([None]);
    let config = RegistryConfig { lookup_wait_ms: 1_000, timeout_ms: 20_000, ..server.config() };
    let (registry, begun) = (server.registry_with(&config), Instant::now());
    // Ten partitions that meet the same writer wait once.
    for _ in 0..10 {
        assert!(matches!(registry.writer(9), Err(WriterError::Unavailable { .. })));
    }
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    assert_eq!(server.calls(), 1, "one call an id at a time");
}

#[test]
fn a_registry_that_fails_in_a_row_is_left_alone_for_a_while_then_tried_once() {
    let server = Scripted::start([json(500, BROKEN), None]);
    let config = RegistryConfig { breaker_failures: 2, ..server.config() };
    let registry = server.registry_with(&config);
    assert!(registry.writer(1).is_err());
    assert!(registry.writer(2).is_err());
    let shed = registry.writer(3).unwrap_err().to_string();
    assert!(shed.contains("asked again in") && shed.contains(&server.address.to_string()), "{shed}");
    // A breaker of no effect would have called; its first wait is a second at most.
    assert_eq!(server.calls(), 2);
    let deadline = Instant::now() + Duration::from_secs(5);
    while let Err(fault) = registry.writer(3) {
        assert!(Instant::now() < deadline, "{fault}");
        std::thread::park_timeout(Duration::from_millis(5));
    }
    assert_eq!(server.calls(), 3);
    registry.writer(1).unwrap();
}

#[test]
fn what_is_no_avro_is_unreadable_and_says_so() {
    let server = Scripted::start([
        json(200, r#"{"schemaType":"JSON","schema":"{}"}"#),
        json(200, r#"{"schema":"{\"type\":\"recrod\"}"}"#),
    ]);
    let registry = server.registry();
    assert!(matches!(registry.writer(1), Err(WriterError::Unreadable { id: 1, .. })));
    assert!(matches!(registry.writer(2), Err(WriterError::Unreadable { id: 2, .. })));
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

/// Ids 17 for alerts, as a server would say it, and the default schema for every lookup.
fn warmed(folder: &Path) -> (Scripted, RegistryConfig) {
    let server = Scripted::start([json(200, r#"{"id":17}"#)]);
    let config = RegistryConfig { cache_folder: folder.to_owned(), ..server.config() };
    let registry = server.registry_with(&config);
    let started = server.runtime.block_on(registry.start(&[Topic::AlertRaised])).unwrap();
    assert!(matches!(started, Started::Registered), "{started:?}");
    registry.writer(9).unwrap();
    (server, config)
}

/// The file is written behind the lookup's back.
fn wait_for(folder: &Path, text: &str) {
    let (path, deadline) = (folder.join("registry-cache.json"), Instant::now() + Duration::from_secs(10));
    while !std::fs::read_to_string(&path).is_ok_and(|kept| kept.contains(text)) {
        assert!(Instant::now() < deadline, "{text} is not in {}", path.display());
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

/// A registry of this configuration that nobody answers for.
fn unanswered(config: &RegistryConfig) -> (tokio::runtime::Runtime, Registry) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let registry = Registry::new(config, runtime.handle().clone()).unwrap();
    (runtime, registry)
}

#[test]
fn a_service_starts_without_the_registry_from_its_cache_folder() {
    let folder = tempfile::tempdir().unwrap();
    let (server, config) = warmed(folder.path());
    wait_for(folder.path(), "\"9\"");
    drop(server);

    let (runtime, registry) = unanswered(&config);
    let begun = Instant::now();
    let started = runtime.block_on(registry.start(&[Topic::AlertRaised])).unwrap();
    assert!(matches!(started, Started::Cached(RegistryError::Unreachable { .. })), "{started:?}");
    assert!(begun.elapsed() < Duration::from_millis(1_500), "{:?}", begun.elapsed());
    assert_eq!(registry.id(Topic::AlertRaised).unwrap(), 17);
    registry.writer(17).unwrap();
    registry.writer(9).unwrap();

    // A schema that it never registered is not in the folder.
    let error = runtime.block_on(registry.start(&[Topic::AlertRaised, Topic::GapDetected])).unwrap_err();
    assert!(matches!(error, RegistryError::Unreachable { waited_ms: 2_000, .. }), "{error}");
}

#[test]
fn ids_of_the_cache_folder_are_confirmed_or_refused_when_the_registry_is_back() {
    let answers = [
        (r#"{"id":17}"#, None),
        (r#"{"id":18}"#, Some("has id 18 for scanner.alert.raised.v1-value, records were written under 17")),
    ];
    for (answer, expected) in answers {
        let folder = tempfile::tempdir().unwrap();
        drop(warmed(folder.path()));
        let server = Scripted::start([json(503, BROKEN), json(503, BROKEN), json(200, answer)]);
        // The address is part of the cache: the server that is back has the old one.
        let path = folder.path().join("registry-cache.json");
        let kept: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        let old = kept["registry"].as_str().unwrap().to_owned();
        std::fs::write(&path, kept.to_string().replace(&old, &server.address.to_string())).unwrap();

        let config = RegistryConfig {
            cache_folder: folder.path().to_owned(),
            cached_start_patience_ms: 0,
            ..server.config()
        };
        let registry = server.registry_with(&config);
        let started = server.runtime.block_on(registry.start(&[Topic::AlertRaised])).unwrap();
        assert!(matches!(started, Started::Cached(_)), "{started:?}");
        let confirmed = server.runtime.block_on(registry.confirm(&[Topic::AlertRaised]));
        match expected {
            None => confirmed.unwrap(),
            Some(text) => {
                let error = confirmed.unwrap_err().to_string();
                assert!(error.contains(text), "{error}");
            }
        }
    }
}

#[test]
fn a_registry_made_anew_is_not_read_by_what_the_old_one_said() {
    let folder = tempfile::tempdir().unwrap();
    let (server, config) = warmed(folder.path());
    wait_for(folder.path(), "\"9\"");
    server.script.lock().unwrap().push_back(json(200, r#"{"id":1}"#));
    let registry = server.registry_with(&config);
    server.runtime.block_on(registry.start(&[Topic::AlertRaised])).unwrap();
    assert_eq!(registry.id(Topic::AlertRaised).unwrap(), 1);
    let before = server.calls();
    registry.writer(9).unwrap();
    assert_eq!(server.calls(), before + 1, "asked again");
}

#[test]
fn a_cache_folder_that_is_broken_or_not_writable_is_done_without() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("registry-cache.json");
    for broken in ["", "{", r#"{"registry":"x","own":{},"writers":{},"more":1}"#, &"[".repeat(9 << 20)] {
        std::fs::write(&file, broken).unwrap();
        let (server, config) = warmed(folder.path());
        wait_for(folder.path(), "\"9\"");
        drop(server);
        let (runtime, registry) = unanswered(&config);
        runtime.block_on(registry.start(&[Topic::AlertRaised])).unwrap();
    }
    // A folder that is a file can't be written, whoever tries.
    let (server, config) = warmed(&file);
    drop(server);
    let (runtime, registry) = unanswered(&config);
    let error = runtime.block_on(registry.start(&[Topic::AlertRaised])).unwrap_err();
    assert!(matches!(error, RegistryError::Unreachable { .. }), "{error}");
}

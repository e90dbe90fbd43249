//! The registry client against a server with the failures of real registries and their proxies.
#![allow(clippy::unwrap_used, reason = "a panic fails the test")]

mod scripted;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use contracts::{Topic, WriterError, WriterSchemas};
use kafka_io::{Registry, RegistryConfig, RegistryError, Started};
use scripted::{BROKEN, Scripted, ScriptedResponse, UNKNOWN, json};

#[test]
fn cached_schema_is_fetched_once() {
    let server = Scripted::start([]);
    let registry = server.registry();
    for _ in 0..3 {
        registry.writer(9).unwrap();
    }
    assert_eq!(*server.requests.lock().unwrap(), ["/schemas/ids/9"]);
}

#[test]
fn unknown_id_is_not_fetched_again() {
    let server = Scripted::start([json(404, UNKNOWN)]);
    let registry = server.registry();
    for _ in 0..3 {
        assert_eq!(registry.writer(9).unwrap_err(), WriterError::Unknown { id: 9 });
    }
    assert_eq!(server.calls(), 1);
}

#[test]
fn temporary_failures_are_not_cached() {
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
        let error = registry.writer(9).unwrap_err();
        let is_named = error.to_string().contains(&server.address.to_string());
        assert!(matches!(error, WriterError::Unavailable { id: 9, .. }) && is_named, "{number}: {error}");
    }
    registry.writer(9).unwrap();
    assert_eq!(server.calls(), failures + 1);
    assert!(server.script.lock().unwrap().is_empty());
}

/// The cause of an unavailable schema.
fn cause(result: Result<Arc<apache_avro::Schema>, WriterError>) -> String {
    match result {
        Err(WriterError::Unavailable { cause, .. }) => cause,
        other => panic!("not unavailable: {other:?}"),
    }
}

#[test]
fn lookup_without_response_ends_at_the_call_timeout() {
    let server = Scripted::start([None]);
    // The caller would wait for an hour.
    let config = RegistryConfig { lookup_wait_ms: 3_600_000.into(), ..server.config() };
    let cause = cause(server.registry_with(&config).writer(1));
    assert!(cause.contains("timed out") && !cause.contains("continues"), "{cause}");
    assert_eq!(server.calls(), 1);
}

#[test]
fn callers_share_the_wait_for_a_lookup_that_continues() {
    let server = Scripted::start([None]);
    // Ten waits of their own would outlast the call, whose timeout then is the cause.
    let config = RegistryConfig { lookup_wait_ms: 1_000.into(), timeout_ms: 8_000.into(), ..server.config() };
    let registry = server.registry_with(&config);
    for _ in 0..10 {
        let cause = cause(registry.writer(9));
        assert!(cause.contains("the lookup continues"), "{cause}");
    }
    assert_eq!(server.calls(), 1, "one call per id at a time");
}

#[test]
fn consecutive_failures_open_the_breaker_until_one_probe() {
    let server = Scripted::start([json(500, BROKEN), None]);
    let config = RegistryConfig { breaker_failures: 2, ..server.config() };
    let registry = server.registry_with(&config);
    assert!(cause(registry.writer(1)).contains("Error in the backend data store"));
    assert!(cause(registry.writer(2)).contains("timed out"));
    let shed = cause(registry.writer(3));
    assert!(shed.contains("next attempt in") && shed.contains(&server.address.to_string()), "{shed}");
    // The breaker made no call; its first wait is a second at most.
    assert_eq!(server.calls(), 2);
    let deadline = Instant::now() + Duration::from_secs(20);
    while let Err(error) = registry.writer(3) {
        assert!(Instant::now() < deadline, "{error}");
        std::thread::park_timeout(Duration::from_millis(5));
    }
    assert_eq!(server.calls(), 3);
    registry.writer(1).unwrap();
}

#[test]
fn schema_that_is_not_avro_is_unreadable() {
    let server = Scripted::start([
        json(200, r#"{"schemaType":"JSON","schema":"{}"}"#),
        json(200, r#"{"schema":"{\"type\":\"recrod\"}"}"#),
    ]);
    let registry = server.registry();
    assert!(matches!(registry.writer(1), Err(WriterError::Unreadable { id: 1, .. })));
    assert!(matches!(registry.writer(2), Err(WriterError::Unreadable { id: 2, .. })));
}

/// A server, and a configuration whose cache folder holds its id 17 for alerts and its schema 9.
fn with_cache_folder(folder: &Path) -> (Scripted, RegistryConfig) {
    let server = Scripted::start([json(200, r#"{"id":17}"#)]);
    let config = RegistryConfig { cache_folder: folder.to_owned(), ..server.config() };
    let registry = server.registry_with(&config);
    let started = server.runtime.block_on(registry.start(&[Topic::AlertRaised], &|_| {})).unwrap();
    assert!(matches!(started, Started::Registered), "{started:?}");
    registry.writer(9).unwrap();
    (server, config)
}

/// The file is written after the lookup has returned.
fn wait_for(folder: &Path, text: &str) {
    let (path, deadline) = (folder.join("registry-cache.json"), Instant::now() + Duration::from_secs(10));
    while !std::fs::read_to_string(&path).is_ok_and(|kept| kept.contains(text)) {
        assert!(Instant::now() < deadline, "{text} is not in {}", path.display());
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

/// A client of this configuration, whose registry has ended.
fn without_server(config: &RegistryConfig) -> (tokio::runtime::Runtime, Registry) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let registry = Registry::new(config, runtime.handle().clone()).unwrap();
    (runtime, registry)
}

#[test]
fn service_starts_from_the_cache_folder_without_registry() {
    let folder = tempfile::tempdir().unwrap();
    let (server, config) = with_cache_folder(folder.path());
    wait_for(folder.path(), "\"9\"");
    drop(server);

    let (runtime, registry) = without_server(&config);
    let started = runtime.block_on(registry.start(&[Topic::AlertRaised], &|_| {})).unwrap();
    // The time limit is that of a start with a cache.
    let is_cached = matches!(started, Started::Cached(RegistryError::Unreachable { waited_ms: 200, .. }));
    assert!(is_cached, "{started:?}");
    assert_eq!(registry.id(Topic::AlertRaised).unwrap(), 17);
    registry.writer(17).unwrap();
    registry.writer(9).unwrap();

    // A schema that was never registered is not in the folder.
    let error =
        runtime.block_on(registry.start(&[Topic::AlertRaised, Topic::GapDetected], &|_| {})).unwrap_err();
    assert!(matches!(error, RegistryError::Unreachable { waited_ms: 2_000, .. }), "{error}");
}

/// A registry with this script, and a configuration whose cache folder holds its id 17 for alerts.
fn restarted(folder: &Path, script: Vec<ScriptedResponse>) -> (Scripted, RegistryConfig) {
    drop(with_cache_folder(folder));
    let server = Scripted::start(script);
    // The address is part of the cache: the restarted server gets the old one.
    let path = folder.join("registry-cache.json");
    let kept: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    let old = kept["registry"].as_str().unwrap().to_owned();
    std::fs::write(&path, kept.to_string().replace(&old, &server.address.to_string())).unwrap();
    let config = RegistryConfig {
        cache_folder: folder.to_owned(),
        cached_start_patience_ms: 0.into(),
        ..server.config()
    };
    (server, config)
}

#[test]
fn cached_ids_are_confirmed_or_rejected_by_the_registry() {
    const OTHER_ID: &str = "has id 18 for scanner.alert.raised.v1-value, records were written under 17";
    const INCOMPATIBLE: &str = r#"{"error_code":409,"message":"Schema is incompatible"}"#;
    let html = "<html>no backend</html>";
    let unavailable = || vec![json(503, BROKEN); 2];
    // Twice a look-up and a registration, of the confirmation: the time limit of the start is 0, so it makes no call.
    let of_ingress = |status| vec![Some((status, "text/html", html)); 4];
    let responses = [
        (unavailable(), vec![json(200, r#"{"id":17}"#)], None),
        (unavailable(), vec![json(200, r#"{"id":18}"#)], Some(OTHER_ID)),
        (of_ingress(404), vec![json(200, r#"{"id":17}"#)], None),
        (of_ingress(200), vec![json(200, r#"{"id":18}"#)], Some(OTHER_ID)),
        (of_ingress(404), vec![json(404, UNKNOWN), json(409, INCOMPATIBLE)], Some("rejected the schema")),
    ];
    for (failures, response, expected) in responses {
        let folder = tempfile::tempdir().unwrap();
        let (server, config) = restarted(folder.path(), [failures, response].concat());
        let registry = server.registry_with(&config);
        let started = server.runtime.block_on(registry.start(&[Topic::AlertRaised], &|_| {})).unwrap();
        assert!(matches!(started, Started::Cached(_)), "{started:?}");
        assert_eq!((registry.id(Topic::AlertRaised).unwrap(), server.calls()), (17, 0));
        let confirmed = server.runtime.block_on(registry.confirm(&[Topic::AlertRaised]));
        let left = server.script.lock().unwrap().clone();
        assert!(left.is_empty(), "{left:?} {confirmed:?}");
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
fn start_without_cached_ids_fails_at_once_at_another_server() {
    let folder = tempfile::tempdir().unwrap();
    let page = Some((404, "text/html", "<html>no backend</html>"));
    let (server, config) = restarted(folder.path(), vec![page; 2]);
    let registry = server.registry_with(&config);
    let error = server.runtime.block_on(registry.start(&[Topic::GapDetected], &|_| {})).unwrap_err();
    assert!(matches!(error, RegistryError::NotRegistry { .. }), "{error}");
    assert_eq!(server.calls(), 2);
}

#[test]
fn recreated_registry_clears_the_cache_folder() {
    let folder = tempfile::tempdir().unwrap();
    let (server, config) = with_cache_folder(folder.path());
    wait_for(folder.path(), "\"9\"");
    server.script.lock().unwrap().push_back(json(200, r#"{"id":1}"#));
    let registry = server.registry_with(&config);
    server.runtime.block_on(registry.start(&[Topic::AlertRaised], &|_| {})).unwrap();
    assert_eq!(registry.id(Topic::AlertRaised).unwrap(), 1);
    let before = server.calls();
    registry.writer(9).unwrap();
    assert_eq!(server.calls(), before + 1, "fetched again");
}

#[test]
fn unusable_cache_folder_is_ignored() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("registry-cache.json");
    for broken in ["", "{", r#"{"registry":"x","own":{},"writers":{},"more":1}"#, &"[".repeat(9 << 20)] {
        std::fs::write(&file, broken).unwrap();
        let (server, config) = with_cache_folder(folder.path());
        wait_for(folder.path(), "\"9\"");
        drop(server);
        let (runtime, registry) = without_server(&config);
        runtime.block_on(registry.start(&[Topic::AlertRaised], &|_| {})).unwrap();
    }
    // A folder that is a file can't be written.
    let (server, config) = with_cache_folder(&file);
    drop(server);
    let (runtime, registry) = without_server(&config);
    let error = runtime.block_on(registry.start(&[Topic::AlertRaised], &|_| {})).unwrap_err();
    assert!(matches!(error, RegistryError::Unreachable { .. }), "{error}");
}

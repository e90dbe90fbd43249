//! Registration of schemas at a server with the failures of real registries, of their proxies, and of other servers.
#![allow(clippy::unwrap_used, reason = "a panic fails the test")]

mod scripted;

use std::sync::{Arc, Mutex};

use contracts::{Topic, WriterSchemas};
use kafka_io::{ErrorChain, Registry, RegistryCallError, RegistryConfig, RegistryError, RegistryErrorKind};
use scripted::{BROKEN, Scripted, ScriptedResponse, UNKNOWN, json};

/// The paths of a look-up and of a registration of an alert's schema.
const FIND: &str = "/subjects/scanner.alert.raised.v1-value";
const REGISTER: &str = "/subjects/scanner.alert.raised.v1-value/versions";

#[test]
fn start_retries_temporary_failures_of_the_registry() {
    let proxy = Some((503, "text/html", "<html>"));
    let script = [json(500, BROKEN), proxy, json(404, UNKNOWN), json(503, BROKEN), json(404, UNKNOWN)];
    let server = Scripted::start(script.into_iter().chain([json(200, r#"{"id":17}"#)]));
    let registry = server.registry();
    server.runtime.block_on(registry.register(&[Topic::AlertRaised])).unwrap();
    assert_eq!(registry.id(Topic::AlertRaised).unwrap(), 17);
    assert!(matches!(registry.id(Topic::BarClosed), Err(RegistryError::NotRegistered { .. })));
    assert_eq!(*server.requests.lock().unwrap(), [FIND, FIND, FIND, REGISTER, FIND, REGISTER]);
    registry.writer(17).unwrap();
    assert_eq!(server.calls(), 6, "a registered schema is never fetched");
}

#[test]
fn start_reports_what_it_waits_for() {
    let server = Scripted::start([json(500, BROKEN), json(200, r#"{"id":17}"#)]);
    let retried = Arc::<Mutex<Vec<String>>>::default();
    let received = Arc::clone(&retried);
    let waiting = move |error: &RegistryCallError| received.lock().unwrap().push(error.to_string());
    server.runtime.block_on(server.registry().start(&[Topic::AlertRaised], &waiting)).unwrap();
    assert_eq!(*retried.lock().unwrap(), ["Error in the backend data store (50001)"]);
}

#[test]
fn read_only_registry_with_the_schema_suffices() {
    let server = Scripted::start([json(200, r#"{"subject":"s","version":1,"id":17,"schema":"\"string\""}"#)]);
    let registry = server.registry();
    server.runtime.block_on(registry.register(&[Topic::AlertRaised])).unwrap();
    assert_eq!(registry.id(Topic::AlertRaised).unwrap(), 17);
    assert_eq!(*server.requests.lock().unwrap(), [FIND]);
}

/// The responses of a registry or its proxy that denies every POST.
const DENYING: [ScriptedResponse; 3] = [
    Some((401, "application/json", r#"{"error_code":40101,"message":"Unauthorized"}"#)),
    Some((403, "text/html", "<html>403</html>")),
    Some((405, "application/json", r#"{"error_code":405,"message":"HTTP 405 Method Not Allowed"}"#)),
];

/// A version of a subject with the schema of alerts, its JSON in another notation.
fn version_of_alert(version: u32, id: u32) -> ScriptedResponse {
    let schema = contracts::catalogue::contract(Topic::AlertRaised).unwrap().schema;
    let schema: serde_json::Value = serde_json::from_str(schema).unwrap();
    let body =
        serde_json::json!({"subject": "s", "version": version, "id": id, "schema": format!("{schema:#}")});
    json(200, body.to_string().leak())
}

#[test]
fn registry_that_denies_every_post_suffices_with_the_schema() {
    const OTHER: &str = r#"{"subject":"s","version":3,"id":19,"schema":"\"string\""}"#;
    const DELETED: &str = r#"{"error_code":40402,"message":"Version 2 not found."}"#;
    let versions = |numbers: &[&str]| -> Vec<String> {
        let paths = numbers.iter().map(|number| format!("{REGISTER}/{number}"));
        [FIND.to_owned()].into_iter().chain(paths).collect()
    };
    for denied in DENYING {
        for (script, paths) in [
            (vec![version_of_alert(1, 17)], versions(&["latest"])),
            (
                vec![json(200, OTHER), json(404, DELETED), version_of_alert(1, 17)],
                versions(&["latest", "2", "1"]),
            ),
        ] {
            let server = Scripted::start([vec![denied], script].concat());
            let registry = server.registry();
            server.runtime.block_on(registry.register(&[Topic::AlertRaised])).unwrap();
            assert_eq!(registry.id(Topic::AlertRaised).unwrap(), 17);
            assert_eq!(*server.requests.lock().unwrap(), paths);
        }
    }
}

#[test]
fn missing_schema_in_a_read_only_registry_fails_at_once() {
    for denied in DENYING {
        let (error, text, calls) = start_error([denied, json(404, UNKNOWN), denied]);
        assert_eq!((error.kind(), calls), (RegistryErrorKind::Rejected, 3), "{text}");
        assert!(!text.contains("no schema registry"), "{text}");
    }
}

#[test]
fn status_that_no_repetition_changes_fails_at_once() {
    const UNSUPPORTED: &str = r#"{"error_code":501,"message":"Not Implemented"}"#;
    for status in [501, 505, 506, 508, 510, 511] {
        for response in [Some((status, "text/html", "<html>")), json(status, UNSUPPORTED)] {
            let (error, text, calls) = start_error([response, response]);
            assert_eq!((error.kind(), calls), (RegistryErrorKind::Rejected, 2), "{status}: {text}");
        }
    }
    for status in [500, 502, 503, 504] {
        let page = Some((status, "text/html", "<html>"));
        let server = Scripted::start([page, json(200, r#"{"id":17}"#)]);
        server.runtime.block_on(server.registry().register(&[Topic::AlertRaised])).unwrap();
        assert_eq!(server.calls(), 2, "{status}");
    }
}

/// The error of a start at a registry with these responses to look-up and registration, and the number of calls.
fn start_error<const N: usize>(script: [ScriptedResponse; N]) -> (RegistryError, String, usize) {
    let server = Scripted::start(script);
    let error = server.runtime.block_on(server.registry().register(&[Topic::AlertRaised])).unwrap_err();
    let text = ErrorChain(&error).to_string();
    assert!(text.contains(&format!("http://{}", server.address)), "{text}");
    (error, text, server.calls())
}

#[test]
fn permanent_rejections_fail_at_once_with_address_and_cause() {
    const READ_ONLY: &str = r#"{"error_code":42205,"message":"Subject is in read-only mode"}"#;
    const INVALID: &str = r#"{"error_code":42201,"message":"Invalid schema"}"#;
    const INCOMPATIBLE: &str = r#"{"error_code":409,"message":"Schema is incompatible"}"#;
    for (status, body, cause) in [
        (422, READ_ONLY, "read-only mode (42205)"),
        (422, INVALID, "Invalid schema (42201)"),
        (409, INCOMPATIBLE, "incompatible (409)"),
    ] {
        let (error, text, calls) = start_error([json(404, UNKNOWN), json(status, body)]);
        assert!(matches!(error, RegistryError::Rejected { .. }) && text.contains(cause), "{text}");
        assert_eq!((error.kind(), calls), (RegistryErrorKind::Rejected, 2));
    }
}

#[test]
fn server_that_is_no_registry_fails_at_once() {
    let html = "<html>404</html>";
    let responses = [
        Some((200, "text/html", html)),
        Some((404, "text/html", html)),
        Some((405, "text/plain", "")),
        json(200, "{}"),
        json(404, r#"{"error_code":404,"message":"HTTP 404 Not Found"}"#),
        json(404, r#"{"detail":"no route"}"#),
    ];
    for response in responses {
        let (error, text, calls) = start_error([response, response]);
        assert!(matches!(error, RegistryError::NotRegistry { .. }), "{text}");
        assert!(text.starts_with("no schema registry at http://127.0.0.1"), "{text}");
        assert_eq!((error.kind(), calls), (RegistryErrorKind::Rejected, 2), "{response:?}");
    }
}

#[test]
fn denied_access_fails_at_once() {
    for status in [401, 403] {
        let response = json(status, r#"{"error_code":40101,"message":"Unauthorized"}"#);
        let (error, text, calls) = start_error([response, response, response]);
        assert!(matches!(error, RegistryError::Denied { .. }), "{text}");
        assert_eq!((error.kind(), calls), (RegistryErrorKind::Rejected, 3));
    }
}

#[test]
fn time_limit_does_not_hide_the_cause_of_a_failure() {
    let server = Scripted::start([json(503, BROKEN), None]);
    let limits =
        RegistryConfig { timeout_ms: 60_000.into(), start_patience_ms: 1_000.into(), ..server.config() };
    let start = server.registry_with(&limits);
    let error = server.runtime.block_on(start.register(&[Topic::AlertRaised])).unwrap_err();
    assert_eq!(server.calls(), 2);
    let text = ErrorChain(&error).to_string();
    assert!(text.ends_with("within 1000 ms: Error in the backend data store (50001)"), "{text}");
}

#[test]
fn error_names_an_unavailable_registry() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let config = RegistryConfig {
        url: "http://127.0.0.1:1".to_owned(),
        start_patience_ms: 2_000.into(),
        ..RegistryConfig::default()
    };
    let registry = Registry::new(&config, runtime.handle().clone()).unwrap();
    let error = runtime.block_on(registry.register(&[Topic::AlertRaised])).unwrap_err();
    assert!(matches!(error, RegistryError::Unreachable { waited_ms: 2_000, .. }), "{error:?}");
    let text = ErrorChain(&error).to_string();
    for part in ["http://127.0.0.1:1", "2000 ms", "Connection refused"] {
        assert!(text.contains(part), "{part:?} is not in {text}");
    }
}

#[test]
fn invalid_address_is_rejected() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let error_of = |url: &str| {
        let config = RegistryConfig { url: url.to_owned(), ..RegistryConfig::default() };
        let error = Registry::new(&config, runtime.handle().clone()).err().unwrap();
        assert_eq!(error.kind(), RegistryErrorKind::Config);
        ErrorChain(&error).to_string()
    };
    let text = error_of("localhost:8081");
    assert_eq!(text, "invalid registry.url \"localhost:8081\": its scheme is not http or https");
    assert_eq!(error_of("http://a:99999"), "invalid registry.url \"http://a:99999\": invalid port number");
    let text = error_of("http://me:hun/ter2@a:1");
    let expected =
        "invalid registry.url \"http://[redacted]@a:1\": it contains a user: use username and password";
    assert_eq!(text, expected);
}

//! `tapeline schemas` at registries that are read-only, and at servers that are none.

use serde_json::json;

use crate::http_server::{self, Request, Response};
use crate::process::{stderr, tapeline};
use crate::simulated_edge::{Behaviour, SimulatedEdge};

#[test]
fn address_without_a_registry_is_not_one_without_subjects() {
    let server = SimulatedEdge::start(Behaviour { status: Some(404), ..Behaviour::default() });
    let url = format!("http://{}", server.address);
    let output = tapeline(&["schemas", "check", "--registry", &url]).output().unwrap();
    assert_eq!(output.status.code(), Some(7), "{}", stderr(&output));
    assert!(stderr(&output).contains(&url) && stderr(&output).contains("404"), "{}", stderr(&output));
    assert_eq!(String::from_utf8_lossy(&output.stdout), "");
}

/// A registry that has the schemas of all topics but `missing`, and whose proxy permits GET alone.
fn read_only(denied: u16, missing: &'static str, compatibility: &'static str) -> String {
    let page = move || Some((denied, format!("<html>{denied}</html>")));
    let unknown = || Some((404, json!({"error_code": 40_401, "message": "not found"}).to_string()));
    http_server::start(move |Request { target, .. }: Request| -> Response {
        let Some(path) = target.strip_prefix("GET ") else { return page() };
        if let Some(subject) = path.strip_prefix("/config/") {
            // The registry has one level for all subjects.
            let level = json!({"compatibilityLevel": compatibility}).to_string();
            return if subject.ends_with("?defaultToGlobal=true") { Some((200, level)) } else { unknown() };
        }
        let subject = path.strip_prefix("/subjects/").and_then(|rest| rest.strip_suffix("/versions/latest"));
        let mut contracts = contracts::catalogue::contracts().zip(1..);
        let found = contracts.find(|(it, _)| it.topic.subject().as_deref() == subject);
        match found.filter(|_| subject != Some(missing)) {
            Some((contract, id)) => Some((
                200,
                json!({"subject": subject, "version": 1, "id": id, "schema": contract.schema}).to_string(),
            )),
            None => unknown(),
        }
    })
}

fn register(address: &str) -> (Option<i32>, String, String) {
    let url = format!("http://{address}");
    let output = tapeline(&["schemas", "register", "--registry", &url]).output().unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned(), stderr(&output))
}

#[test]
fn complete_read_only_registry_is_registered() {
    for denied in [401, 403, 405] {
        let (code, out, err) = register(&read_only(denied, "", "FULL_TRANSITIVE"));
        assert_eq!((code, out.lines().count()), (Some(0), 17), "{denied}: {err}");
    }
}

#[test]
fn incomplete_read_only_registry_exits_with_7() {
    const MISSING: &str = "feature.vector.computed.v1-value";
    for denied in [401, 403, 405] {
        for (missing, level) in [(MISSING, "FULL_TRANSITIVE"), ("", "BACKWARD")] {
            let address = read_only(denied, missing, level);
            let (code, _, err) = register(&address);
            assert_eq!(code, Some(7), "{denied}: {err}");
            for part in [&address, missing, &denied.to_string()] {
                assert!(err.contains(part), "{part}: {err}");
            }
        }
    }
}

/// A registry with one version of each schema, whose integers have 64 bits, and whose levels allow any change.
fn incompatible(request: Request) -> Response {
    let (method, path) = request.target.split_once(' ').expect("a method and a path");
    if path.starts_with("/config/") {
        let key = if method == "PUT" { "compatibility" } else { "compatibilityLevel" };
        return Some((200, json!({ key: "NONE" }).to_string()));
    }
    let path = path.strip_prefix("/subjects/").expect("a subject");
    let (subject, rest) = path.split_at(path.find(['/', '?']).expect("versions, or a query"));
    let mut contracts = contracts::catalogue::contracts();
    let found = contracts.find(|it| it.topic.subject().as_deref() == Some(subject)).expect("a known subject");
    let schema = found.schema.replace("\"int\"", "\"long\"");
    let version = json!({"subject": subject, "version": 1, "id": 1, "schema": schema}).to_string();
    match (method, rest) {
        ("GET", "/versions") => Some((200, json!([1]).to_string())),
        // The second is the look-up of a schema.
        ("GET", "/versions/1") | ("POST", "?deleted=false") => Some((200, version)),
        _ => panic!("{method} {path}: nothing is registered"),
    }
}

#[test]
fn incompatible_registered_version_exits_with_1() {
    let (code, _, err) = register(&http_server::start(incompatible));
    assert_eq!(code, Some(1), "{err}");
    let text = "failed to register a version of scanner.symbol.proposed.v1-value: version 1: ";
    assert!(err.contains(text), "{err}");
}

#[test]
fn permanent_server_error_exits_with_7_and_the_address() {
    for status in [501, 505] {
        let server = SimulatedEdge::start(Behaviour { status: Some(status), ..Behaviour::default() });
        for command in ["register", "check"] {
            let url = format!("http://{}", server.address);
            let output = tapeline(&["schemas", command, "--registry", &url]).output().unwrap();
            assert_eq!(output.status.code(), Some(7), "{command}: {}", stderr(&output));
            let err = stderr(&output);
            assert!(err.contains(&url) && err.contains(&status.to_string()), "{err}");
        }
    }
}

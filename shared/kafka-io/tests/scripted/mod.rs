//! A registry that returns the responses of a script.
#![allow(dead_code, reason = "each test binary uses part of it")]

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use kafka_io::{Registry, RegistryConfig};

pub(crate) const SCHEMA: &str = r#"{"schema":"\"string\""}"#;
pub(crate) const UNKNOWN: &str = r#"{"error_code":40403,"message":"Schema not found"}"#;
pub(crate) const BROKEN: &str = r#"{"error_code":50001,"message":"Error in the backend data store"}"#;

/// Status, content type and body of a response; `None` is no response.
pub(crate) type ScriptedResponse = Option<(u16, &'static str, &'static str)>;

/// The server's next responses.
pub(crate) type Script = Arc<Mutex<VecDeque<ScriptedResponse>>>;

/// A server that returns the responses of its script, then always `SCHEMA`, and records the paths of all requests.
pub(crate) struct Scripted {
    pub(crate) runtime: tokio::runtime::Runtime,
    pub(crate) address: SocketAddr,
    pub(crate) script: Script,
    pub(crate) requests: Arc<Mutex<Vec<String>>>,
}

impl Scripted {
    pub(crate) fn start(script: impl IntoIterator<Item = ScriptedResponse>) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let script: Script = Arc::new(Mutex::new(script.into_iter().collect()));
        let requests = Arc::<Mutex<Vec<String>>>::default();
        let (responses, received) = (Arc::clone(&script), Arc::clone(&requests));
        let router = axum::Router::new().fallback(move |uri: axum::http::Uri| {
            received.lock().unwrap().push(uri.path().to_owned());
            let next = responses.lock().unwrap().pop_front();
            async move {
                match next {
                    Some(None) => std::future::pending().await,
                    Some(Some((status, kind, body))) => response(status, kind, body),
                    None => response(200, "application/json", SCHEMA),
                }
            }
        });
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        runtime.spawn(async move { axum::serve(listener, router).await });
        Self { runtime, address, script, requests }
    }

    pub(crate) fn config(&self) -> RegistryConfig {
        RegistryConfig {
            url: format!("http://{}/", self.address),
            timeout_ms: 300.into(),
            start_patience_ms: 2_000.into(),
            cached_start_patience_ms: 200.into(),
            lookup_wait_ms: 3_000.into(),
            ..RegistryConfig::default()
        }
    }

    pub(crate) fn registry(&self) -> Registry {
        self.registry_with(&self.config())
    }

    pub(crate) fn registry_with(&self, config: &RegistryConfig) -> Registry {
        Registry::new(config, self.runtime.handle().clone()).unwrap()
    }

    pub(crate) fn calls(&self) -> usize {
        self.requests.lock().unwrap().len()
    }
}

fn response(status: u16, kind: &'static str, body: &'static str) -> axum::response::Response {
    (StatusCode::from_u16(status).unwrap(), [(header::CONTENT_TYPE, kind)], body).into_response()
}

pub(crate) fn json(status: u16, body: &'static str) -> ScriptedResponse {
    Some((status, "application/vnd.schemaregistry.v1+json", body))
}

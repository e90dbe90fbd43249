//! How the registry says it: Confluent's paths, JSON and error codes.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde::Deserialize;
use serde_json::{Value, json};

use super::store::{AccessDenied, Registered, Store};

const MEDIA_TYPE: &str = "application/vnd.schemaregistry.v1+json";
const COMPATIBILITY: &str = "FULL_TRANSITIVE";

type Shared = State<Arc<Mutex<Store>>>;
type Answer = Result<Said, AccessDenied>;

/// A JSON answer of the registry's media type.
struct Said(Value);

#[derive(Deserialize)]
struct Posted {
    schema: String,
    #[serde(default, rename = "schemaType")]
    schema_type: Option<String>,
    #[serde(default)]
    references: Vec<Value>,
}

#[derive(Deserialize)]
struct Level {
    compatibility: String,
}

pub(super) fn router() -> Router {
    Router::new()
        .route("/", get(async || Said(json!({}))))
        .route("/subjects", get(subjects))
        .route("/subjects/{subject}", post(find))
        .route("/subjects/{subject}/versions", get(versions).post(register))
        .route("/subjects/{subject}/versions/{version}", get(version))
        .route("/subjects/{subject}/versions/{version}/schema", get(version_schema))
        .route("/schemas/types", get(async || Said(json!(["AVRO"]))))
        .route("/schemas/ids/{id}", get(schema))
        .route("/schemas/ids/{id}/versions", get(uses))
        .route("/config", get(level).put(set_level))
        .route("/config/{subject}", get(level).put(set_level))
        .route("/compatibility/subjects/{subject}/versions", post(check_all))
        .route("/compatibility/subjects/{subject}/versions/{version}", post(check_one))
        .with_state(Arc::default())
}

async fn subjects(store: Shared) -> Answer {
    Ok(Said(json!(lock(&store).subjects())))
}

async fn versions(store: Shared, Path(subject): Path<String>) -> Answer {
    let count = lock(&store).versions(&subject)?;
    Ok(Said(json!((1..=count).collect::<Vec<_>>())))
}

async fn version(store: Shared, Path((subject, version)): Path<(String, String)>) -> Answer {
    Ok(Said(described(lock(&store).version(&subject, &version)?)))
}

async fn version_schema(
    store: Shared,
    Path((subject, version)): Path<(String, String)>,
) -> Result<Response, AccessDenied> {
    let found = lock(&store).version(&subject, &version)?;
    Ok(([(header::CONTENT_TYPE, MEDIA_TYPE)], found.schema).into_response())
}

async fn register(store: Shared, Path(subject): Path<String>, body: Bytes) -> Answer {
    let schema = posted(&body)?;
    let id = lock(&store).register(&subject, &schema)?;
    Ok(Said(json!({ "id": id })))
}

async fn find(store: Shared, Path(subject): Path<String>, body: Bytes) -> Answer {
    let schema = posted(&body)?;
    Ok(Said(described(lock(&store).find(&subject, &schema)?)))
}

async fn schema(store: Shared, Path(id): Path<String>) -> Answer {
    let id = id.parse().map_err(|_| AccessDenied::SchemaNotFound)?;
    Ok(Said(json!({ "schema": lock(&store).schema(id)? })))
}

async fn uses(store: Shared, Path(id): Path<String>) -> Answer {
    let id = id.parse().map_err(|_| AccessDenied::SchemaNotFound)?;
    let store = lock(&store);
    let uses = store
        .uses(id)?
        .into_iter()
        .map(|(subject, version)| json!({ "subject": subject, "version": version }));
    Ok(Said(uses.collect()))
}

async fn level() -> Said {
    Said(json!({ "compatibilityLevel": COMPATIBILITY }))
}

async fn set_level(body: Bytes) -> Answer {
    let asked: Level = parsed(&body)?;
    if asked.compatibility != COMPATIBILITY {
        return Err(AccessDenied::InvalidCompatibility(asked.compatibility));
    }
    Ok(Said(json!({ "compatibility": COMPATIBILITY })))
}

async fn check_all(store: Shared, Path(subject): Path<String>, body: Bytes) -> Answer {
    let schema = posted(&body)?;
    Ok(verdict(lock(&store).check(&subject, &schema)?))
}

/// Under a transitive level, one version is as good as all.
async fn check_one(store: Shared, Path((subject, version)): Path<(String, String)>, body: Bytes) -> Answer {
    let schema = posted(&body)?;
    let store = lock(&store);
    store.version(&subject, &version)?;
    Ok(verdict(store.check(&subject, &schema)?))
}

fn verdict(checked: Result<(), Vec<String>>) -> Said {
    let messages = checked.err().unwrap_or_default();
    Said(json!({ "is_compatible": messages.is_empty(), "messages": messages }))
}

fn described(found: Registered) -> Value {
    json!({ "subject": found.subject, "version": found.version, "id": found.id, "schema": found.schema })
}

fn posted(body: &Bytes) -> Result<String, AccessDenied> {
    let posted: Posted = parsed(body)?;
    match posted.schema_type.as_deref() {
        None | Some("AVRO") if posted.references.is_empty() => Ok(posted.schema),
        None | Some("AVRO") => Err(AccessDenied::InvalidSchema("references are not supported".to_owned())),
        Some(other) => {
            Err(AccessDenied::InvalidSchema(format!("schema type {other} is not supported, only AVRO")))
        }
    }
}

fn parsed<'a, T: Deserialize<'a>>(body: &'a Bytes) -> Result<T, AccessDenied> {
    serde_json::from_slice(body).map_err(|error| AccessDenied::Malformed(error.to_string()))
}

fn lock(store: &Shared) -> MutexGuard<'_, Store> {
    store.lock().unwrap_or_else(PoisonError::into_inner)
}

impl IntoResponse for Said {
    fn into_response(self) -> Response {
        ([(header::CONTENT_TYPE, MEDIA_TYPE)], self.0.to_string()).into_response()
    }
}

impl IntoResponse for AccessDenied {
    fn into_response(self) -> Response {
        let (code, message) = match self {
            Self::SubjectNotFound(subject) => (40_401, format!("Subject '{subject}' not found.")),
            Self::VersionNotFound(version) => (40_402, format!("Version {version} not found.")),
            Self::SchemaNotFound => (40_403, "Schema not found".to_owned()),
            Self::Incompatible(reasons) => (
                409,
                format!(
                    "Schema being registered is incompatible with an earlier schema: {}",
                    reasons.join("; ")
                ),
            ),
            Self::InvalidSchema(cause) => (42_201, format!("Invalid schema: {cause}")),
            Self::InvalidVersion(version) => {
                (42_202, format!("The specified version '{version}' is not a valid version id"))
            }
            Self::InvalidCompatibility(level) => {
                (42_203, format!("Invalid compatibility level '{level}', it is always {COMPATIBILITY}"))
            }
            Self::Malformed(cause) => (400, format!("Malformed request: {cause}")),
        };
        let status: u16 = if code >= 10_000 {
            u16::try_from(code / 100).unwrap_or(500)
        } else {
            u16::try_from(code).unwrap_or(500)
        };
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        (status, Said(json!({ "error_code": code, "message": message }))).into_response()
    }
}

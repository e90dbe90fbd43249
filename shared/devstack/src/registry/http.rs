//! HTTP API of the registry: Confluent's paths, JSON and error codes.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde::Deserialize;
use serde_json::{Value, json};

use super::store::{Registered, RequestError, Store};

const MEDIA_TYPE: &str = "application/vnd.schemaregistry.v1+json";
const COMPATIBILITY: &str = "FULL_TRANSITIVE";

type Shared = State<Arc<Mutex<Store>>>;
type Reply = Result<RegistryJson, RequestError>;

/// A JSON response of the registry's media type.
struct RegistryJson(Value);

#[derive(Deserialize)]
struct SchemaBody {
    schema: String,
    #[serde(default, rename = "schemaType")]
    schema_type: Option<String>,
    #[serde(default)]
    references: Vec<Value>,
}

#[derive(Deserialize)]
struct CompatibilityBody {
    compatibility: String,
}

pub(super) fn router() -> Router {
    Router::new()
        .route("/", get(async || RegistryJson(json!({}))))
        .route("/subjects", get(subjects))
        .route("/subjects/{subject}", post(find))
        .route("/subjects/{subject}/versions", get(versions).post(register))
        .route("/subjects/{subject}/versions/{version}", get(version))
        .route("/subjects/{subject}/versions/{version}/schema", get(version_schema))
        .route("/schemas/types", get(async || RegistryJson(json!(["AVRO"]))))
        .route("/schemas/ids/{id}", get(schema))
        .route("/schemas/ids/{id}/versions", get(uses))
        .route("/config", get(level).put(set_level))
        .route("/config/{subject}", get(level).put(set_level))
        .route("/compatibility/subjects/{subject}/versions", post(check_all))
        .route("/compatibility/subjects/{subject}/versions/{version}", post(check_one))
        .with_state(Arc::default())
}

async fn subjects(store: Shared) -> Reply {
    Ok(RegistryJson(json!(lock(&store).subjects())))
}

async fn versions(store: Shared, Path(subject): Path<String>) -> Reply {
    let count = lock(&store).versions(&subject)?;
    Ok(RegistryJson(json!((1..=count).collect::<Vec<_>>())))
}

async fn version(store: Shared, Path((subject, version)): Path<(String, String)>) -> Reply {
    Ok(RegistryJson(described(lock(&store).version(&subject, &version)?)))
}

async fn version_schema(
    store: Shared,
    Path((subject, version)): Path<(String, String)>,
) -> Result<Response, RequestError> {
    let found = lock(&store).version(&subject, &version)?;
    Ok(([(header::CONTENT_TYPE, MEDIA_TYPE)], found.schema).into_response())
}

async fn register(store: Shared, Path(subject): Path<String>, body: Bytes) -> Reply {
    let schema = parse_schema(&body)?;
    let id = lock(&store).register(&subject, &schema)?;
    Ok(RegistryJson(json!({ "id": id })))
}

async fn find(store: Shared, Path(subject): Path<String>, body: Bytes) -> Reply {
    let schema = parse_schema(&body)?;
    Ok(RegistryJson(described(lock(&store).find(&subject, &schema)?)))
}

async fn schema(store: Shared, Path(id): Path<String>) -> Reply {
    let id = id.parse().map_err(|_| RequestError::SchemaNotFound)?;
    Ok(RegistryJson(json!({ "schema": lock(&store).schema(id)? })))
}

async fn uses(store: Shared, Path(id): Path<String>) -> Reply {
    let id = id.parse().map_err(|_| RequestError::SchemaNotFound)?;
    let store = lock(&store);
    let uses = store
        .uses(id)?
        .into_iter()
        .map(|(subject, version)| json!({ "subject": subject, "version": version }));
    Ok(RegistryJson(uses.collect()))
}

async fn level() -> RegistryJson {
    RegistryJson(json!({ "compatibilityLevel": COMPATIBILITY }))
}

async fn set_level(body: Bytes) -> Reply {
    let requested: CompatibilityBody = parse_body(&body)?;
    if requested.compatibility != COMPATIBILITY {
        return Err(RequestError::InvalidCompatibility(requested.compatibility));
    }
    Ok(RegistryJson(json!({ "compatibility": COMPATIBILITY })))
}

async fn check_all(store: Shared, Path(subject): Path<String>, body: Bytes) -> Reply {
    let schema = parse_schema(&body)?;
    Ok(compatibility(lock(&store).check(&subject, &schema)?))
}

/// Checks all versions: the compatibility is transitive.
async fn check_one(store: Shared, Path((subject, version)): Path<(String, String)>, body: Bytes) -> Reply {
    let schema = parse_schema(&body)?;
    let store = lock(&store);
    store.version(&subject, &version)?;
    Ok(compatibility(store.check(&subject, &schema)?))
}

fn compatibility(checked: Result<(), Vec<String>>) -> RegistryJson {
    let messages = checked.err().unwrap_or_default();
    RegistryJson(json!({ "is_compatible": messages.is_empty(), "messages": messages }))
}

fn described(found: Registered) -> Value {
    json!({ "subject": found.subject, "version": found.version, "id": found.id, "schema": found.schema })
}

fn parse_schema(body: &Bytes) -> Result<String, RequestError> {
    let posted: SchemaBody = parse_body(body)?;
    match posted.schema_type.as_deref() {
        None | Some("AVRO") if posted.references.is_empty() => Ok(posted.schema),
        None | Some("AVRO") => Err(RequestError::InvalidSchema("references are not supported".to_owned())),
        Some(other) => {
            Err(RequestError::InvalidSchema(format!("schema type {other} is not supported, only AVRO")))
        }
    }
}

fn parse_body<'a, T: Deserialize<'a>>(body: &'a Bytes) -> Result<T, RequestError> {
    serde_json::from_slice(body).map_err(|error| RequestError::Malformed(error.to_string()))
}

fn lock(store: &Shared) -> MutexGuard<'_, Store> {
    store.lock().unwrap_or_else(PoisonError::into_inner)
}

impl IntoResponse for RegistryJson {
    fn into_response(self) -> Response {
        ([(header::CONTENT_TYPE, MEDIA_TYPE)], self.0.to_string()).into_response()
    }
}

impl IntoResponse for RequestError {
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
                (42_203, format!("Invalid compatibility level '{level}', only {COMPATIBILITY} is supported"))
            }
            Self::Malformed(cause) => (400, format!("Malformed request: {cause}")),
        };
        let status: u16 = if code >= 10_000 {
            u16::try_from(code / 100).unwrap_or(500)
        } else {
            u16::try_from(code).unwrap_or(500)
        };
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        (status, RegistryJson(json!({ "error_code": code, "message": message }))).into_response()
    }
}

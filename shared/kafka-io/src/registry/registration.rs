//! One attempt to register a schema: it is looked up first, so that to read suffices on a registry that has it.

use std::time::Instant;

use contracts::Topic;
use schema_registry_converter::async_impl::schema_registry::{SrSettings, perform_sr_call};
use schema_registry_converter::schema_registry_common::{RawRegisteredSchema, SrCall};
use serde_json::Value;

use super::error::RegistryCallError;
use super::retry_limit::RetryLimit;

/// The schema that this service registers for a topic.
pub(super) struct OwnSchema {
    pub(super) topic: Topic,
    pub(super) subject: String,
    pub(super) schema: &'static str,
}

/// Returns the schemas of these topics. Dead-letter topics have none.
pub(super) fn own_schemas(topics: &[Topic]) -> impl Iterator<Item = OwnSchema> {
    topics.iter().filter_map(|topic| {
        let schema = contracts::catalogue::contract(*topic)?.schema;
        Some(OwnSchema { topic: *topic, subject: topic.subject()?, schema })
    })
}

/// The calls of a registration, which end at its time limit.
pub(super) struct Registration<'a> {
    pub(super) settings: &'a SrSettings,
    pub(super) limit: RetryLimit,
}

impl Registration<'_> {
    /// Looks the schema up, and registers it if that does not return its id.
    pub(super) async fn find_or_register(&self, own: &OwnSchema) -> Result<u32, RegistryCallError> {
        let body = serde_json::json!({ "schema": own.schema, "schemaType": "AVRO" }).to_string();
        match self.call_for_id(SrCall::PostForVersion(&own.subject, &body)).await {
            Ok(id) => return Ok(id),
            Err(error) if error.is_transient() => return Err(error),
            // A proxy that makes a registry read-only often denies every POST, that of a look-up too.
            Err(error) if error.may_deny_post() => {
                if let Some(id) = self.find_by_get(own).await? {
                    return Ok(id);
                }
            }
            Err(_) => {}
        }
        self.call_for_id(SrCall::PostNew(&own.subject, &body)).await
    }

    /// Returns the id of the newest version with this schema. `None` if there is none, or the registry does not return it.
    async fn find_by_get(&self, own: &OwnSchema) -> Result<Option<u32>, RegistryCallError> {
        let Some(latest) = self.version(SrCall::GetLatest(&own.subject)).await? else { return Ok(None) };
        if let Some(id) = matching_id(own, &latest) {
            return Ok(Some(id));
        }
        for version in (1..latest.version.unwrap_or_default()).rev() {
            // A version may have been deleted.
            let found = self.version(SrCall::GetBySubjectAndVersion(&own.subject, version)).await?;
            if let Some(id) = found.and_then(|found| matching_id(own, &found)) {
                return Ok(Some(id));
            }
        }
        Ok(None)
    }

    async fn version(&self, call: SrCall<'_>) -> Result<Option<RawRegisteredSchema>, RegistryCallError> {
        match self.call(call).await {
            Ok(found) => Ok(Some(found)),
            // A registry permits GET at least.
            Err(RegistryCallError::MethodNotAllowed(text)) => Err(RegistryCallError::NotRegistry(text)),
            Err(error @ RegistryCallError::NotRegistry(_)) => Err(error),
            Err(error) if error.is_transient() => Err(error),
            Err(_) => Ok(None),
        }
    }

    async fn call_for_id(&self, call: SrCall<'_>) -> Result<u32, RegistryCallError> {
        let found = self.call(call).await?;
        found.id.ok_or_else(|| RegistryCallError::NotRegistry("it has no id".to_owned()))
    }

    /// Makes a call, none after the time limit: the registry could process a request of which nothing is awaited.
    async fn call(&self, call: SrCall<'_>) -> Result<RawRegisteredSchema, RegistryCallError> {
        let call = perform_sr_call(self.settings, call);
        let response = match self.limit {
            RetryLimit::Unlimited => call.await,
            RetryLimit::Until { deadline, .. } if deadline <= Instant::now() => {
                return Err(RegistryCallError::TimedOut);
            }
            RetryLimit::Until { deadline, .. } => tokio::time::timeout_at(deadline.into(), call)
                .await
                .map_err(|_| RegistryCallError::TimedOut)?,
        };
        Ok(response?)
    }
}

/// Registries may return the JSON of a schema in another notation than that in which it was registered.
fn matching_id(own: &OwnSchema, found: &RawRegisteredSchema) -> Option<u32> {
    let value = |text: &str| serde_json::from_str::<Value>(text).ok();
    let schema = value(found.schema.as_deref()?)?;
    (value(own.schema)? == schema).then_some(found.id)?
}

//! `tapeline schemas`: registers the schemas of the contract, or compares them with the registry.

use std::time::Duration;

use clap::Subcommand;
use contracts::catalogue::contracts;
use contracts::compat::is_full_transitive;
use kafka_io::{RegistryCallError, http_client, read_response};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::cluster::{self, ClusterArgs};
use crate::exit::{Cause, Failure};
use crate::output::print;

/// Timeout of one registry request.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// The compatibility level of every subject.
const COMPATIBILITY: &str = "FULL_TRANSITIVE";

#[derive(Debug, Subcommand)]
pub enum SchemasCommand {
    /// Register every schema of the contract, set its compatibility level and print its id. A registry that has both is not written to.
    #[command(after_help = "Example:
  tapeline schemas register --registry http://127.0.0.1:8081")]
    Register {
        #[command(flatten)]
        cluster: ClusterArgs,
    },
    /// Compare the registered schemas with the contract and print a line for each difference. Exit code 1 if there is any.
    #[command(after_help = "Example:
  tapeline schemas check --registry http://127.0.0.1:8081")]
    Check {
        #[command(flatten)]
        cluster: ClusterArgs,
    },
}

/// A subject in the registry.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct RegisteredSubject {
    /// Version and schema, the oldest first.
    versions: Vec<(u32, String)>,
    /// The effective compatibility level.
    compatibility: String,
}

#[derive(Debug, Deserialize, Serialize)]
struct SchemaVersion {
    version: u32,
    schema: String,
}

#[derive(Debug, Deserialize)]
struct SubjectConfig {
    #[serde(rename = "compatibilityLevel")]
    level: String,
}

/// Client of the registry's subjects and compatibility levels, which `kafka_io::Registry` does not cover.
struct SubjectClient {
    client: reqwest::Client,
    url: String,
}

/// Runs the subcommand.
///
/// # Errors
/// If the registry is unreachable, denies access or rejects a schema; [`Failure::NotOk`] if schemas differ from the contract.
pub async fn run(command: &SchemasCommand) -> Result<(), Failure> {
    match command {
        SchemasCommand::Register { cluster } => register(cluster).await,
        SchemasCommand::Check { cluster } => check(cluster).await,
    }
}

/// Registers every schema that is not registered and is compatible in both directions with every registered version of its subject, whatever the level of
/// the subject is. From then on the registry rejects other versions itself.
async fn register(cluster: &ClusterArgs) -> Result<(), Failure> {
    let registry = cluster::registry(cluster)?;
    let subjects = SubjectClient::new(cluster)?;
    for contract in contracts() {
        let Some(subject) = contract.topic.subject() else { continue };
        let registered = subjects.subject(&subject).await?.unwrap_or_default();
        let incompatible = incompatibilities(contract.schema, &registered.versions);
        if !incompatible.is_empty() {
            let causes = incompatible.join("; ");
            return Err(Failure::not_ok(format!("failed to register a version of {subject}: {causes}")));
        }
        let id = cluster::register(&registry, contract.topic).await?;
        subjects.ensure_compatibility(&subject).await?;
        print(&format!("{id:>6}  {subject}\n"))?;
    }
    Ok(())
}

async fn check(cluster: &ClusterArgs) -> Result<(), Failure> {
    let client = SubjectClient::new(cluster)?;
    let (mut subjects, mut lines) = (0, Vec::new());
    for contract in contracts() {
        let Some(name) = contract.topic.subject() else { continue };
        subjects += 1;
        let subject = client.subject(&name).await?;
        let found = differences(contract.schema, subject.as_ref());
        lines.extend(found.into_iter().map(|difference| format!("{name}: {difference}")));
    }
    if lines.is_empty() {
        return print(&format!("{subjects} subjects match the contract\n"));
    }
    print(&lines.iter().map(|line| format!("differs    {line}\n")).collect::<String>())?;
    Err(Failure::not_ok(format!("schemas differ from the contract: {} differences", lines.len())))
}

/// Returns the differences between a subject and the contract's schema of it. `None`: the subject is not registered.
fn differences(contract: &str, subject: Option<&RegisteredSubject>) -> Vec<String> {
    let Some(RegisteredSubject { versions, compatibility }) = subject else {
        return vec!["not registered".to_owned()];
    };
    let mut differences = Vec::new();
    match versions.last() {
        None => differences.push("not registered".to_owned()),
        Some((latest, schema)) if !is_same(contract, schema) => {
            let same = versions.iter().find(|(_, schema)| is_same(contract, schema));
            differences.push(match same {
                Some((version, _)) => {
                    format!("latest version is {latest}, the contract's schema is version {version}")
                }
                None => format!("no version has the contract's schema, latest version is {latest}"),
            });
        }
        Some(_) => {}
    }
    differences.extend(incompatibilities(contract, versions));
    if compatibility != COMPATIBILITY {
        differences.push(format!("compatibility is {compatibility}, expected {COMPATIBILITY}"));
    }
    differences
}

/// Returns the reasons why the contract's schema is not compatible with the other versions of its subject.
fn incompatibilities(contract: &str, versions: &[(u32, String)]) -> Vec<String> {
    let schemas = versions.iter().map(|(_, schema)| schema.as_str());
    let others: Vec<&str> = schemas.filter(|schema| !is_same(contract, schema)).collect();
    is_full_transitive(&others, contract).err().unwrap_or_default()
}

/// Compares two schemas without regard to their notation.
fn is_same(contract: &str, schema: &str) -> bool {
    let value = |text| serde_json::from_str::<Value>(text).ok();
    value(schema).is_some_and(|schema| Some(schema) == value(contract))
}

impl SubjectClient {
    fn new(cluster: &ClusterArgs) -> Result<Self, Failure> {
        let config = cluster::registry_config(cluster)?;
        let client = http_client(&config)
            .map_err(Failure::usage)?
            .timeout(REQUEST_TIMEOUT)
            .build()
            .map_err(Failure::not_ok)?;
        Ok(Self { client, url: config.url.trim_end_matches('/').to_owned() })
    }

    /// Sets the subject's compatibility level to [`COMPATIBILITY`], unless it has it. A registry that denies it may have that level for all
    /// subjects.
    async fn ensure_compatibility(&self, subject: &str) -> Result<(), Failure> {
        if self.has_compatibility(&format!("config/{subject}")).await? {
            return Ok(());
        }
        let level = serde_json::json!({ "compatibility": COMPATIBILITY });
        let response = self.client.put(format!("{}/config/{subject}", self.url)).json(&level).send().await;
        let set = match response {
            Ok(response) => read_response::<Value>(response).await.map(drop),
            Err(error) => Err(error.into()),
        };
        let Err(error) = set else { return Ok(()) };
        let effective = format!("config/{subject}?defaultToGlobal=true");
        if !error.is_transient() && self.has_compatibility(&effective).await? {
            return Ok(());
        }
        Err(self.failure(&format!("set compatibility of {subject} to {COMPATIBILITY}"), error))
    }

    /// Returns whether this setting has the expected level; `false` if the registry does not return it.
    async fn has_compatibility(&self, path: &str) -> Result<bool, Failure> {
        match self.get::<SubjectConfig>(path).await {
            Ok(config) => Ok(config.is_some_and(|config| config.level == COMPATIBILITY)),
            Err(failure @ Failure::Unreachable(_)) => Err(failure),
            Err(_) => Ok(false),
        }
    }

    /// Returns the subject, `None` if it is not registered.
    async fn subject(&self, subject: &str) -> Result<Option<RegisteredSubject>, Failure> {
        let Some(numbers) = self.get::<Vec<u32>>(&format!("subjects/{subject}/versions")).await? else {
            return Ok(None);
        };
        let mut versions = Vec::new();
        for number in numbers {
            let path = format!("subjects/{subject}/versions/{number}");
            versions.extend(self.get::<SchemaVersion>(&path).await?.map(|it| (it.version, it.schema)));
        }
        let config = self.get::<SubjectConfig>(&format!("config/{subject}?defaultToGlobal=true")).await?;
        let compatibility = config.map_or_else(|| "NONE".to_owned(), |config| config.level);
        Ok(Some(RegisteredSubject { versions, compatibility }))
    }

    /// Fetches a resource, `None` if it does not exist.
    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<Option<T>, Failure> {
        let response = self.client.get(format!("{}/{path}", self.url)).send().await;
        let found = match response {
            Ok(response) => read_response(response).await,
            Err(error) => Err(error.into()),
        };
        match found {
            Ok(found) => Ok(Some(found)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(self.failure(&format!("fetch {path}"), error)),
        }
    }

    /// Only a temporary failure leaves the registry unreachable.
    fn failure(&self, action: &str, error: RegistryCallError) -> Failure {
        let is_transient = error.is_transient();
        let cause = Cause::new(format!("failed to {action} at registry {}", self.url), error);
        if is_transient { Failure::Unreachable(cause) } else { Failure::AccessDenied(cause) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONTRACT: &str =
        r#"{"type":"record","name":"Bar","namespace":"t","fields":[{"name":"a","type":"int"}]}"#;

    fn found(schemas: &[&str], compatibility: &str) -> Vec<String> {
        let versions = (1..).zip(schemas.iter().map(|schema| (*schema).to_owned())).collect();
        differences(CONTRACT, Some(&RegisteredSubject { versions, compatibility: compatibility.to_owned() }))
    }

    #[test]
    fn same_schema_in_other_notation_is_no_difference() {
        let reordered = r#"{"name": "Bar", "type": "record", "namespace": "t", "fields": [{"type": "int", "name": "a"}]}"#;
        assert_eq!(found(&[reordered], "FULL_TRANSITIVE"), Vec::<String>::new());
    }

    #[test]
    fn missing_other_or_incompatible_schema_is_a_difference() {
        assert_eq!(differences(CONTRACT, None), ["not registered"]);
        assert!(found(&[CONTRACT], "BACKWARD")[0].contains("BACKWARD"));

        let newer = CONTRACT.replace(r#"}]}"#, r#"},{"name":"b","type":"int","default":0}]}"#);
        let differences = found(&[CONTRACT, &newer], "FULL_TRANSITIVE");
        assert_eq!(differences, ["latest version is 2, the contract's schema is version 1"]);

        let other = CONTRACT.replace("int", "long");
        let differences = found(&[&other], "FULL_TRANSITIVE");
        let (missing, incompatible) = (&differences[0], &differences[1]);
        assert!(missing.contains("no version") && incompatible.contains("version 1"), "{differences:?}");
    }
}

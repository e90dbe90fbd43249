//! `tapeline schemas check`: what the registry holds, against the schemas of the contract.

use std::time::Duration;

use contracts::catalogue::contracts;
use contracts::compat::is_full_transitive;
use kafka_io::{HttpError, http_client};
use reqwest::StatusCode;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::cli::ClusterArgs;
use crate::cluster::registry_config;
use crate::exit::Failure;
use crate::say::say;

/// How long one answer may take.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// The compatibility that every subject is to be under.
const COMPATIBILITY: &str = "FULL_TRANSITIVE";

/// What the registry says of a subject.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Registered {
    /// Version and schema, the oldest first.
    versions: Vec<(u32, String)>,
    /// The level in force.
    compatibility: String,
}

#[derive(Debug, Deserialize, Serialize)]
struct Version {
    version: u32,
    schema: String,
}

#[derive(Debug, Deserialize)]
struct Level {
    #[serde(rename = "compatibilityLevel")]
    level: String,
}

/// A client of what the registry says of subjects beside their ids.
pub(crate) struct Asker {
    client: reqwest::Client,
    url: String,
}

/// Compares, and prints a line for each difference.
///
/// # Errors
/// [`Failure::NotOk`] when there are any; when the registry can't be asked.
pub async fn run(cluster: &ClusterArgs) -> Result<(), Failure> {
    let asker = Asker::new(cluster)?;
    let (mut subjects, mut lines) = (0, Vec::new());
    for contract in contracts() {
        let Some(subject) = contract.topic.subject() else { continue };
        subjects += 1;
        let registered = asker.registered(&subject).await?;
        let found = differences(contract.schema, registered.as_ref());
        lines.extend(found.into_iter().map(|difference| format!("{subject}: {difference}")));
    }
    if lines.is_empty() {
        say(&format!("{subjects} subjects are as the contract says\n"));
        return Ok(());
    }
    say(&lines.iter().map(|line| format!("differs    {line}\n")).collect::<String>());
    Err(Failure::NotOk(format!("{} differences from the contract", lines.len())))
}

/// Where a subject differs from our schema of it.
fn differences(ours: &str, registered: Option<&Registered>) -> Vec<String> {
    let Some(Registered { versions, compatibility }) = registered else {
        return vec!["is not registered".to_owned()];
    };
    let mut differences = Vec::new();
    let is_ours = |schema: &str| {
        let value = |text| serde_json::from_str::<Value>(text).ok();
        value(schema).is_some_and(|schema| Some(schema) == value(ours))
    };
    match versions.last() {
        None => differences.push("is not registered".to_owned()),
        Some((latest, schema)) if !is_ours(schema) => {
            let known = versions.iter().find(|(_, schema)| is_ours(schema));
            differences.push(match known {
                Some((version, _)) => format!("its newest version is {latest}, ours is version {version}"),
                None => format!("its newest version, {latest}, is not ours, nor is any other"),
            });
        }
        Some(_) => {}
    }
    let earlier: Vec<&str> =
        versions.iter().map(|(_, schema)| schema.as_str()).filter(|schema| !is_ours(schema)).collect();
    differences.extend(is_full_transitive(&earlier, ours).err().unwrap_or_default());
    if compatibility != COMPATIBILITY {
        differences.push(format!("compatibility is {compatibility}, the contract says {COMPATIBILITY}"));
    }
    differences
}

impl Asker {
    /// Nothing is asked yet.
    pub(crate) fn new(cluster: &ClusterArgs) -> Result<Self, Failure> {
        let config = registry_config(cluster)?;
        let client = http_client(&config)
            .map_err(|e| Failure::Usage(e.to_string()))?
            .timeout(ANSWER_TIMEOUT)
            .build()
            .map_err(|e| Failure::NotOk(e.to_string()))?;
        Ok(Self { client, url: config.url.trim_end_matches('/').to_owned() })
    }

    /// Puts a subject under the contract's compatibility.
    pub(crate) async fn hold(&self, subject: &str) -> Result<(), Failure> {
        let level = serde_json::json!({ "compatibility": COMPATIBILITY });
        let asked = self.client.put(format!("{}/config/{subject}", self.url)).json(&level).send().await;
        let fault = match asked {
            Ok(answer) if answer.status().is_success() => return Ok(()),
            Ok(answer) => HttpError::from(answer.status()),
            Err(error) => error.into(),
        };
        Err(self.failed(&format!("did not put {subject} under {COMPATIBILITY}"), &fault))
    }

    /// None where the registry knows no such subject.
    async fn registered(&self, subject: &str) -> Result<Option<Registered>, Failure> {
        let Some(numbers) = self.get::<Vec<u32>>(&format!("subjects/{subject}/versions")).await? else {
            return Ok(None);
        };
        let mut versions = Vec::new();
        for number in numbers {
            let path = format!("subjects/{subject}/versions/{number}");
            versions.extend(self.get::<Version>(&path).await?.map(|it| (it.version, it.schema)));
        }
        let level = self.get::<Level>(&format!("config/{subject}?defaultToGlobal=true")).await?;
        let compatibility = level.map_or_else(|| "NONE".to_owned(), |level| level.level);
        Ok(Some(Registered { versions, compatibility }))
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<Option<T>, Failure> {
        let failed = |fault: HttpError| self.failed(&format!("did not answer {path}"), &fault);
        let asked = self.client.get(format!("{}/{path}", self.url)).send().await;
        let answer = asked.map_err(|error| failed(error.into()))?;
        match answer.status() {
            StatusCode::NOT_FOUND => Ok(None),
            status if !status.is_success() => Err(failed(status.into())),
            _ => answer.json().await.map(Some).map_err(|error| failed(error.into())),
        }
    }

    fn failed(&self, what: &str, fault: &HttpError) -> Failure {
        Failure::of_cause(fault, format!("registry {} {what}: {fault}", self.url))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: &str =
        r#"{"type":"record","name":"Bar","namespace":"t","fields":[{"name":"a","type":"int"}]}"#;

    fn registered(schemas: &[&str], compatibility: &str) -> Registered {
        let versions = (1..).zip(schemas.iter().map(|schema| (*schema).to_owned())).collect();
        Registered { versions, compatibility: compatibility.to_owned() }
    }

    fn found(schemas: &[&str], compatibility: &str) -> Vec<String> {
        differences(OURS, Some(&registered(schemas, compatibility)))
    }

    #[test]
    fn a_subject_with_our_schema_in_any_spelling_is_as_it_should_be() {
        let spelt = r#"{"name": "Bar", "type": "record", "namespace": "t", "fields": [{"type": "int", "name": "a"}]}"#;
        assert_eq!(found(&[spelt], "FULL_TRANSITIVE"), Vec::<String>::new());
    }

    #[test]
    fn what_is_missing_other_incompatible_or_unguarded_is_said() {
        assert_eq!(differences(OURS, None), ["is not registered"]);
        assert!(found(&[OURS], "BACKWARD")[0].contains("BACKWARD"));

        let newer = OURS.replace(r#"}]}"#, r#"},{"name":"b","type":"int","default":0}]}"#);
        let said = found(&[OURS, &newer], "FULL_TRANSITIVE");
        assert_eq!(said, ["its newest version is 2, ours is version 1"]);

        let other = OURS.replace("int", "long");
        let said = found(&[&other], "FULL_TRANSITIVE");
        assert!(said[0].contains("is not ours") && said[1].contains("version 1"), "{said:?}");
    }
}

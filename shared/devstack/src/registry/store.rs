//! What the registry knows: schemas by id, and the versions of each subject.

use std::collections::{BTreeMap, HashMap};

use apache_avro::Schema;
use contracts::compat;
use serde_json::Value;

/// A request that can't be granted, in Confluent's terms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum AccessDenied {
    SubjectNotFound(String),
    VersionNotFound(String),
    SchemaNotFound,
    InvalidSchema(String),
    InvalidVersion(String),
    InvalidCompatibility(String),
    Incompatible(Vec<String>),
    Malformed(String),
}

/// A version of a subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Registered {
    pub(super) subject: String,
    pub(super) version: usize,
    pub(super) id: usize,
    pub(super) schema: String,
}

#[derive(Debug, Default)]
pub(super) struct Store {
    /// Texts as they were first posted; the id is the place, counted from 1.
    schemas: Vec<String>,
    ids: HashMap<String, usize>,
    /// The ids of each subject's versions, counted from 1.
    subjects: BTreeMap<String, Vec<usize>>,
}

impl Store {
    pub(super) fn subjects(&self) -> Vec<&str> {
        self.subjects.keys().map(String::as_str).collect()
    }

    pub(super) fn schema(&self, id: usize) -> Result<&str, AccessDenied> {
        let index = id.checked_sub(1).ok_or(AccessDenied::SchemaNotFound)?;
        self.schemas.get(index).map(String::as_str).ok_or(AccessDenied::SchemaNotFound)
    }

    /// Every (subject, version) with this schema.
    pub(super) fn uses(&self, id: usize) -> Result<Vec<(&str, usize)>, AccessDenied> {
        self.schema(id)?;
        let uses = self.subjects.iter().flat_map(|(subject, ids)| {
            let places = ids.iter().enumerate().filter(move |(_, known)| **known == id);
            places.map(move |(index, _)| (subject.as_str(), index + 1))
        });
        Ok(uses.collect())
    }

    pub(super) fn versions(&self, subject: &str) -> Result<usize, AccessDenied> {
        self.subject(subject).map(<[usize]>::len)
    }

    /// A version by its number or `latest`.
    pub(super) fn version(&self, subject: &str, version: &str) -> Result<Registered, AccessDenied> {
        let ids = self.subject(subject)?;
        let number = match version {
            "latest" | "-1" => ids.len(),
            number => number.parse().map_err(|_| AccessDenied::InvalidVersion(number.to_owned()))?,
        };
        if number == 0 {
            return Err(AccessDenied::InvalidVersion(version.to_owned()));
        }
        let id = *ids.get(number - 1).ok_or_else(|| AccessDenied::VersionNotFound(version.to_owned()))?;
        Ok(Registered {
            subject: subject.to_owned(),
            version: number,
            id,
            schema: self.schema(id)?.to_owned(),
        })
    }

    /// The version under which a subject has this schema.
    pub(super) fn find(&self, subject: &str, schema: &str) -> Result<Registered, AccessDenied> {
        let ids = self.subject(subject)?;
        let id = self.ids.get(&identity(schema)?).copied();
        let index = ids.iter().position(|known| Some(*known) == id).ok_or(AccessDenied::SchemaNotFound)?;
        self.version(subject, &(index + 1).to_string())
    }

    /// Adds a version, if the subject doesn't have it; its id. The same schema has the same id under every subject.
    pub(super) fn register(&mut self, subject: &str, schema: &str) -> Result<usize, AccessDenied> {
        let identity = identity(schema)?;
        let id = self.ids.get(&identity).copied();
        let versions = self.subjects.get(subject).map(Vec::as_slice).unwrap_or_default();
        if let Some(id) = id.filter(|id| versions.contains(id)) {
            return Ok(id);
        }
        self.compatible(versions, schema).map_err(AccessDenied::Incompatible)?;
        let id = id.unwrap_or_else(|| {
            self.schemas.push(schema.to_owned());
            self.ids.insert(identity, self.schemas.len());
            self.schemas.len()
        });
        self.subjects.entry(subject.to_owned()).or_default().push(id);
        Ok(id)
    }

    /// Whether the schema may follow all versions of a subject, and why not.
    pub(super) fn check(&self, subject: &str, schema: &str) -> Result<Result<(), Vec<String>>, AccessDenied> {
        identity(schema)?;
        let versions = self.subjects.get(subject).map(Vec::as_slice).unwrap_or_default();
        Ok(self.compatible(versions, schema))
    }

    fn compatible(&self, versions: &[usize], schema: &str) -> Result<(), Vec<String>> {
        let earlier: Vec<&str> = versions.iter().filter_map(|id| self.schema(*id).ok()).collect();
        compat::is_full_transitive(&earlier, schema)
    }

    fn subject(&self, subject: &str) -> Result<&[usize], AccessDenied> {
        let known = self.subjects.get(subject).map(Vec::as_slice);
        known.ok_or_else(|| AccessDenied::SubjectNotFound(subject.to_owned()))
    }
}

/// What makes two schemas the same: their JSON, whatever its spacing and the order of its keys.
fn identity(schema: &str) -> Result<String, AccessDenied> {
    let invalid = |error: &dyn std::fmt::Display| AccessDenied::InvalidSchema(error.to_string());
    Schema::parse_str(schema).map_err(|error| invalid(&error))?;
    let value: Value = serde_json::from_str(schema).map_err(|error| invalid(&error))?;
    Ok(value.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(fields: &str) -> String {
        format!(r#"{{"type":"record","name":"R","fields":[{fields}]}}"#)
    }

    const A: &str = r#"{"name":"a","type":"long"}"#;
    const B: &str = r#"{"name":"b","type":["null","long"],"default":null}"#;
    const C: &str = r#"{"name":"c","type":"long"}"#;

    #[test]
    fn the_same_schema_has_the_same_id_under_every_subject_and_in_every_spelling() {
        let mut store = Store::default();
        assert_eq!(store.register("s", &record(A)), Ok(1));
        assert_eq!(store.register("t", &format!(" {}", record(A).replace(':', " : "))), Ok(1));
        assert_eq!(store.register("s", &record(A)), Ok(1));
        assert_eq!(store.versions("s"), Ok(1));
        assert_eq!(store.uses(1), Ok(vec![("s", 1), ("t", 1)]));
    }

    #[test]
    fn a_version_must_be_compatible_with_every_earlier_one() {
        let mut store = Store::default();
        store.register("s", &record(A)).unwrap();
        assert_eq!(store.register("s", &record(&format!("{A},{B}"))), Ok(2));
        assert!(matches!(
            store.register("s", &record(&format!("{A},{B},{C}"))),
            Err(AccessDenied::Incompatible(_))
        ));
        assert!(matches!(store.register("s", &record(B)), Err(AccessDenied::Incompatible(_))));
        assert_eq!(store.versions("s"), Ok(2));
        assert_eq!(store.version("s", "latest").map(|found| (found.version, found.id)), Ok((2, 2)));
        assert_eq!(store.register("other", &record(&format!("{A},{B},{C}"))), Ok(3));
    }

    #[test]
    fn what_is_missing_is_named() {
        let mut store = Store::default();
        store.register("s", &record(A)).unwrap();
        assert_eq!(store.versions("t"), Err(AccessDenied::SubjectNotFound("t".to_owned())));
        assert_eq!(store.version("s", "2"), Err(AccessDenied::VersionNotFound("2".to_owned())));
        assert_eq!(store.version("s", "0"), Err(AccessDenied::InvalidVersion("0".to_owned())));
        assert_eq!(store.schema(2), Err(AccessDenied::SchemaNotFound));
        assert_eq!(store.schema(0), Err(AccessDenied::SchemaNotFound));
        assert_eq!(store.find("s", &record(C)), Err(AccessDenied::SchemaNotFound));
        assert!(matches!(store.register("s", "{"), Err(AccessDenied::InvalidSchema(_))));
    }
}

//! Content of the registry: schemas by id, and the versions of each subject.

use std::collections::{BTreeMap, HashMap};

use apache_avro::Schema;
use contracts::compat;
use serde_json::Value;

/// An error of a request, as in Confluent's API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum RequestError {
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
    /// Schemas as they were first posted. The id is the index, counted from 1.
    schemas: Vec<String>,
    ids: HashMap<String, usize>,
    /// The ids of each subject's versions. Versions are counted from 1.
    subjects: BTreeMap<String, Vec<usize>>,
}

impl Store {
    pub(super) fn subjects(&self) -> Vec<&str> {
        self.subjects.keys().map(String::as_str).collect()
    }

    pub(super) fn schema(&self, id: usize) -> Result<&str, RequestError> {
        let index = id.checked_sub(1).ok_or(RequestError::SchemaNotFound)?;
        self.schemas.get(index).map(String::as_str).ok_or(RequestError::SchemaNotFound)
    }

    /// Returns every (subject, version) with this schema.
    pub(super) fn uses(&self, id: usize) -> Result<Vec<(&str, usize)>, RequestError> {
        self.schema(id)?;
        let uses = self.subjects.iter().flat_map(|(subject, ids)| {
            let versions = ids.iter().enumerate().filter(move |(_, known)| **known == id);
            versions.map(move |(index, _)| (subject.as_str(), index + 1))
        });
        Ok(uses.collect())
    }

    pub(super) fn versions(&self, subject: &str) -> Result<usize, RequestError> {
        self.subject(subject).map(<[usize]>::len)
    }

    /// Returns a version by its number or `latest`.
    pub(super) fn version(&self, subject: &str, version: &str) -> Result<Registered, RequestError> {
        let ids = self.subject(subject)?;
        let number = match version {
            "latest" | "-1" => ids.len(),
            number => number.parse().map_err(|_| RequestError::InvalidVersion(number.to_owned()))?,
        };
        if number == 0 {
            return Err(RequestError::InvalidVersion(version.to_owned()));
        }
        let id = *ids.get(number - 1).ok_or_else(|| RequestError::VersionNotFound(version.to_owned()))?;
        Ok(Registered {
            subject: subject.to_owned(),
            version: number,
            id,
            schema: self.schema(id)?.to_owned(),
        })
    }

    /// Returns the version of a subject that has this schema.
    pub(super) fn find(&self, subject: &str, schema: &str) -> Result<Registered, RequestError> {
        let ids = self.subject(subject)?;
        let id = self.ids.get(&identity(schema)?).copied();
        let index = ids.iter().position(|known| Some(*known) == id).ok_or(RequestError::SchemaNotFound)?;
        self.version(subject, &(index + 1).to_string())
    }

    /// Adds a version unless the subject has it, and returns its id. A schema has the same id under every subject.
    pub(super) fn register(&mut self, subject: &str, schema: &str) -> Result<usize, RequestError> {
        let identity = identity(schema)?;
        let id = self.ids.get(&identity).copied();
        let versions = self.subjects.get(subject).map(Vec::as_slice).unwrap_or_default();
        if let Some(id) = id.filter(|id| versions.contains(id)) {
            return Ok(id);
        }
        self.compatible(versions, schema).map_err(RequestError::Incompatible)?;
        let id = id.unwrap_or_else(|| {
            self.schemas.push(schema.to_owned());
            self.ids.insert(identity, self.schemas.len());
            self.schemas.len()
        });
        self.subjects.entry(subject.to_owned()).or_default().push(id);
        Ok(id)
    }

    /// Checks whether the schema is compatible with all versions of a subject. Returns the incompatibilities.
    pub(super) fn check(&self, subject: &str, schema: &str) -> Result<Result<(), Vec<String>>, RequestError> {
        identity(schema)?;
        let versions = self.subjects.get(subject).map(Vec::as_slice).unwrap_or_default();
        Ok(self.compatible(versions, schema))
    }

    fn compatible(&self, versions: &[usize], schema: &str) -> Result<(), Vec<String>> {
        let earlier: Vec<&str> = versions.iter().filter_map(|id| self.schema(*id).ok()).collect();
        compat::is_full_transitive(&earlier, schema)
    }

    fn subject(&self, subject: &str) -> Result<&[usize], RequestError> {
        let known = self.subjects.get(subject).map(Vec::as_slice);
        known.ok_or_else(|| RequestError::SubjectNotFound(subject.to_owned()))
    }
}

/// Returns the canonical form of a schema: its JSON without whitespace and with sorted keys.
fn identity(schema: &str) -> Result<String, RequestError> {
    let invalid = |error: &dyn std::fmt::Display| RequestError::InvalidSchema(error.to_string());
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
    fn schema_has_one_id_in_all_subjects_and_spellings() {
        let mut store = Store::default();
        assert_eq!(store.register("s", &record(A)), Ok(1));
        assert_eq!(store.register("t", &format!(" {}", record(A).replace(':', " : "))), Ok(1));
        assert_eq!(store.register("s", &record(A)), Ok(1));
        assert_eq!(store.versions("s"), Ok(1));
        assert_eq!(store.uses(1), Ok(vec![("s", 1), ("t", 1)]));
    }

    #[test]
    fn new_version_must_be_compatible_with_all_earlier_ones() {
        let mut store = Store::default();
        store.register("s", &record(A)).unwrap();
        assert_eq!(store.register("s", &record(&format!("{A},{B}"))), Ok(2));
        assert!(matches!(
            store.register("s", &record(&format!("{A},{B},{C}"))),
            Err(RequestError::Incompatible(_))
        ));
        assert!(matches!(store.register("s", &record(B)), Err(RequestError::Incompatible(_))));
        assert_eq!(store.versions("s"), Ok(2));
        assert_eq!(store.version("s", "latest").map(|found| (found.version, found.id)), Ok((2, 2)));
        assert_eq!(store.register("other", &record(&format!("{A},{B},{C}"))), Ok(3));
    }

    #[test]
    fn missing_and_invalid_items_are_named_errors() {
        let mut store = Store::default();
        store.register("s", &record(A)).unwrap();
        assert_eq!(store.versions("t"), Err(RequestError::SubjectNotFound("t".to_owned())));
        assert_eq!(store.version("s", "2"), Err(RequestError::VersionNotFound("2".to_owned())));
        assert_eq!(store.version("s", "0"), Err(RequestError::InvalidVersion("0".to_owned())));
        assert_eq!(store.schema(2), Err(RequestError::SchemaNotFound));
        assert_eq!(store.schema(0), Err(RequestError::SchemaNotFound));
        assert_eq!(store.find("s", &record(C)), Err(RequestError::SchemaNotFound));
        assert!(matches!(store.register("s", "{"), Err(RequestError::InvalidSchema(_))));
    }
}

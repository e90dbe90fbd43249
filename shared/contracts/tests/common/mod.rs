//! Shared by the tests of this crate: the examples, and a registry with fixed ids.
#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]
#![allow(dead_code, reason = "each test file uses a part")]

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use apache_avro::Schema;
use contracts::{Topic, WriterError, WriterSchemas};

/// Schema id of the embedded schemas in these tests.
pub(crate) const OWN: u32 = 7;

/// A registry with the given schemas.
#[derive(Default)]
pub(crate) struct Registry(HashMap<u32, Arc<Schema>>);

impl Registry {
    /// Returns a registry with one schema, whose id is [`OWN`].
    pub(crate) fn of(text: &str) -> Self {
        Self::default().with(OWN, text)
    }

    /// Adds a schema.
    pub(crate) fn with(mut self, id: u32, text: &str) -> Self {
        self.0.insert(id, Arc::new(Schema::parse_str(text).unwrap()));
        self
    }
}

impl WriterSchemas for Registry {
    fn writer(&self, id: u32) -> Result<Arc<Schema>, WriterError> {
        self.0.get(&id).cloned().ok_or(WriterError::Unknown { id })
    }
}

/// A file of `schemas/<event>/examples`.
pub(crate) struct Example {
    pub(crate) topic: Topic,
    pub(crate) name: String,
    pub(crate) text: String,
}

impl Example {
    pub(crate) fn value(&self) -> serde_json::Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{}: {error}", self.name))
    }
}

/// Returns the valid examples of every event, sorted by name.
pub(crate) fn valid_examples() -> Vec<Example> {
    examples("examples")
}

/// Returns the invalid examples.
pub(crate) fn invalid_examples() -> Vec<Example> {
    examples("examples/invalid")
}

fn examples(folder: &str) -> Vec<Example> {
    let mut found = Vec::new();
    for topic in Topic::ALL.iter().filter(|topic| !topic.is_dead_letter()) {
        let folder = schemas().join(topic.event()).join(folder);
        let mut files: Vec<PathBuf> = fs::read_dir(&folder)
            .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
            .collect();
        files.sort();
        for path in files {
            let name = format!("{}/{}", topic.event(), path.file_stem().unwrap().to_str().unwrap());
            found.push(Example { topic: *topic, name, text: fs::read_to_string(&path).unwrap() });
        }
    }
    found
}

/// Returns the folder `schemas/` of the repository.
pub(crate) fn schemas() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../schemas")
}

/// Parses pairs of hexadecimal digits.
pub(crate) fn from_hex(text: &str) -> Vec<u8> {
    assert!(text.len().is_multiple_of(2), "an odd number of digits");
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

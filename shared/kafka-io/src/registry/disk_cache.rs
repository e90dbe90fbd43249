//! Cache of ids and schemas in a file, so that a service can start while the registry is unavailable.
//!
//! One small JSON file, replaced as a whole. All its contents can be fetched again, so a file that can't be read or written is logged
//! and ignored, never an error.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use apache_avro::Schema;
use kit::SaturatingFrom;
use serde::{Deserialize, Serialize};

const FILE: &str = "registry-cache.json";

/// A larger file is not such a cache: all schemas of Tapeline are 40 KB.
const FILE_BYTES_MAX: u64 = 8 << 20;

/// Cached schemas of other writers: many times an old and a new version of each.
const WRITERS_MAX: usize = 256;

/// Bytes of a cached schema of another writer.
const SCHEMA_BYTES_MAX: usize = 12 << 10;

/// The file and its contents.
pub(super) struct DiskCache {
    path: PathBuf,
    contents: Mutex<Contents>,
}

#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Contents {
    /// The registry's address: ids are unique within one registry only.
    registry: String,
    /// The schemas that this service registered, by subject.
    own: BTreeMap<String, RegisteredSchema>,
    /// Schemas of other writers by id.
    writers: BTreeMap<u32, String>,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RegisteredSchema {
    id: u32,
    /// The registered text: any other text is another schema.
    schema: String,
}

impl DiskCache {
    /// Opens the cache in this folder. `None` if no folder is configured.
    pub(super) fn open(folder: &Path, url: &str) -> Option<Self> {
        if folder.as_os_str().is_empty() {
            return None;
        }
        let (path, registry) = (folder.join(FILE), without_credentials(url));
        let empty = Contents { registry: registry.to_owned(), ..Contents::default() };
        let contents = match read(&path) {
            Ok(Some(found)) if found.registry == registry => found,
            Ok(Some(found)) => {
                tracing::warn!(path = %path.display(), registry, found = found.registry, "schema cache of another registry ignored");
                empty
            }
            Ok(None) => empty,
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "failed to read the schema cache: ignored");
                empty
            }
        };
        Some(Self { path, contents: Mutex::new(contents) })
    }

    /// Returns the id of a registered schema with exactly this text.
    pub(super) fn own(&self, subject: &str, schema: &str) -> Option<u32> {
        self.contents().own.get(subject).filter(|own| own.schema == schema).map(|own| own.id)
    }

    /// Returns the schemas of other writers.
    pub(super) fn writers(&self) -> Vec<(u32, Arc<Schema>)> {
        let contents = self.contents();
        let parsed = contents
            .writers
            .iter()
            .filter_map(|(id, text)| Some((*id, Arc::new(Schema::parse_str(text).ok()?))));
        parsed.collect()
    }

    /// Stores the ids of registered schemas. An id that contradicts a stored one means that the registry was recreated: all earlier
    /// contents are removed.
    pub(super) fn store_own(&self, registered: &[(String, &'static str, u32)]) {
        let mut contents = self.contents();
        let is_recreated = registered.iter().any(|(subject, schema, id)| {
            let stored = contents.own.get(subject).filter(|own| own.schema == **schema);
            stored.is_some_and(|own| own.id != *id)
        });
        if is_recreated {
            tracing::warn!(path = %self.path.display(), "registry has other ids than before: schema cache cleared");
            contents.own.clear();
            contents.writers.clear();
        }
        let mut has_changed = false;
        for (subject, schema, id) in registered {
            let own = RegisteredSchema { id: *id, schema: (*schema).to_owned() };
            if contents.own.get(subject) != Some(&own) {
                contents.own.insert(subject.clone(), own);
                has_changed = true;
            }
        }
        if has_changed {
            self.write(&contents);
        }
    }

    /// Stores the schema of another writer if there is room.
    pub(super) fn store_writer(&self, id: u32, schema: &str) {
        let mut contents = self.contents();
        let has_room = contents.writers.len() < WRITERS_MAX && schema.len() <= SCHEMA_BYTES_MAX;
        if has_room && !contents.writers.contains_key(&id) {
            contents.writers.insert(id, schema.to_owned());
            self.write(&contents);
        }
    }

    fn write(&self, contents: &Contents) {
        if let Err(error) = replace(&self.path, contents) {
            tracing::warn!(path = %self.path.display(), %error, "failed to write the schema cache");
        }
    }

    fn contents(&self) -> MutexGuard<'_, Contents> {
        self.contents.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn read(path: &Path) -> io::Result<Option<Contents>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut text = Vec::new();
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut text)?;
    if u64::saturating_from(text.len()) > FILE_BYTES_MAX {
        return Err(io::Error::other(format!("longer than {FILE_BYTES_MAX} bytes")));
    }
    Ok(Some(serde_json::from_slice(&text)?))
}

/// Replaces the file atomically: a reader sees the old or the new one, also after a crash. The temporary file's name contains the
/// process id, so that another instance in the same folder does not write to it at the same time.
fn replace(path: &Path, contents: &Contents) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let temporary = path.with_extension(format!("{}.tmp", std::process::id()));
    let written = (|| {
        let mut file = File::create(&temporary)?;
        file.write_all(&serde_json::to_vec_pretty(contents)?)?;
        file.sync_all()?;
        fs::rename(&temporary, path)
    })();
    if written.is_err() {
        // The file may not exist.
        drop(fs::remove_file(&temporary));
    }
    written
}

/// Removes credentials from an address, which are not to be stored in the file.
fn without_credentials(url: &str) -> &str {
    url.rsplit_once('@').map_or_else(|| url.split_once("://").map_or(url, |(_, rest)| rest), |(_, rest)| rest)
}

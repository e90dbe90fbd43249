//! What the registry said, in a file, so that a service can start while it is away.
//!
//! One small JSON file, replaced as a whole. It is a copy of what can be had again: a file that can't be read or written is told
//! and done without, never a reason to stop.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use apache_avro::Schema;
use serde::{Deserialize, Serialize};

const FILE: &str = "registry-cache.json";

/// More than this is no cache of ours: all schemas of Tapeline are 40 KB.
const MAX_FILE_BYTES: u64 = 8 << 20;

/// Schemas of other writers that are kept: an old and a new version of everything, many times over.
const MAX_WRITERS: usize = 256;

/// The longest schema of another writer that is kept.
const MAX_SCHEMA_BYTES: usize = 12 << 10;

/// The file, and what it holds.
pub(super) struct Disk {
    path: PathBuf,
    contents: Mutex<Contents>,
}

#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Contents {
    /// Ids mean something in one registry alone.
    registry: String,
    /// Our own schemas by subject.
    own: BTreeMap<String, Own>,
    /// Schemas of other writers by id.
    writers: BTreeMap<u32, String>,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Own {
    id: u32,
    /// The very text that was registered: any other is another schema.
    schema: String,
}

impl Disk {
    /// The cache in this folder; none when it is empty.
    pub(super) fn open(folder: &Path, url: &str) -> Option<Self> {
        if folder.as_os_str().is_empty() {
            return None;
        }
        let (path, registry) = (folder.join(FILE), without_credentials(url));
        let empty = Contents { registry: registry.to_owned(), ..Contents::default() };
        let contents = match read(&path) {
            Ok(Some(found)) if found.registry == registry => found,
            Ok(Some(found)) => {
                tracing::warn!(path = %path.display(), registry, found = found.registry, "schema cache is of another registry, ignored");
                empty
            }
            Ok(None) => empty,
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "schema cache can't be read, ignored");
                empty
            }
        };
        Some(Self { path, contents: Mutex::new(contents) })
    }

    /// The id of our own schema with this very text.
    pub(super) fn own(&self, subject: &str, schema: &str) -> Option<u32> {
        self.contents().own.get(subject).filter(|own| own.schema == schema).map(|own| own.id)
    }

    /// The schemas of other writers.
    pub(super) fn writers(&self) -> Vec<(u32, Arc<Schema>)> {
        let contents = self.contents();
        let parsed = contents
            .writers
            .iter()
            .filter_map(|(id, text)| Some((*id, Arc::new(Schema::parse_str(text).ok()?))));
        parsed.collect()
    }

    /// Keeps the ids of our own schemas. One that contradicts what is kept shows that the registry was made anew, and what it said
    /// before is forgotten.
    pub(super) fn keep_own(&self, registered: &[(String, &'static str, u32)]) {
        let mut contents = self.contents();
        let is_anew = registered.iter().any(|(subject, schema, id)| {
            let known = contents.own.get(subject).filter(|own| own.schema == **schema);
            known.is_some_and(|own| own.id != *id)
        });
        if is_anew {
            tracing::warn!(path = %self.path.display(), "the registry gives other ids than before, schema cache begun anew");
            contents.own.clear();
            contents.writers.clear();
        }
        let mut has_news = false;
        for (subject, schema, id) in registered {
            let own = Own { id: *id, schema: (*schema).to_owned() };
            if contents.own.get(subject) != Some(&own) {
                contents.own.insert(subject.clone(), own);
                has_news = true;
            }
        }
        if has_news {
            self.write(&contents);
        }
    }

    /// Keeps the schema of another writer, while there is room.
    pub(super) fn keep_writer(&self, id: u32, schema: &str) {
        let mut contents = self.contents();
        let has_room = contents.writers.len() < MAX_WRITERS && schema.len() <= MAX_SCHEMA_BYTES;
        if has_room && !contents.writers.contains_key(&id) {
            contents.writers.insert(id, schema.to_owned());
            self.write(&contents);
        }
    }

    fn write(&self, contents: &Contents) {
        if let Err(error) = replace(&self.path, contents) {
            tracing::warn!(path = %self.path.display(), %error, "schema cache can't be written");
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
    file.take(MAX_FILE_BYTES + 1).read_to_end(&mut text)?;
    if u64::try_from(text.len()).unwrap_or(u64::MAX) > MAX_FILE_BYTES {
        return Err(io::Error::other(format!("longer than {MAX_FILE_BYTES} bytes")));
    }
    Ok(Some(serde_json::from_slice(&text)?))
}

/// Whoever reads the file sees the old or the new one, also after a crash. The temporary file has the process's number: another
/// instance in the same folder overwrites what we write, not while we write it.
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
        // It may not even be there.
        drop(fs::remove_file(&temporary));
    }
    written
}

/// The file is no place for a password.
fn without_credentials(url: &str) -> &str {
    url.rsplit_once('@').map_or_else(|| url.split_once("://").map_or(url, |(_, rest)| rest), |(_, rest)| rest)
}

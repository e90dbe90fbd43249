//! What a run leaves behind for others: every topic, and the vectors.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use contracts::{Codec, SetResult, Vector, WriterSchemas};
use domain::Timestamp;
use serde::Serialize;
use std::collections::BTreeMap;

use crate::collect::Collected;
use crate::decoded::DecodedRecord;
use crate::exit::Failure;

/// Writes each topic to `folder/<topic>.ndjson`, a record a line, by partition and offset.
///
/// # Errors
/// What the file system says, with the path; a registry that can't be asked.
pub fn topics(folder: &Path, collected: &Collected, writers: &dyn WriterSchemas) -> Result<(), Failure> {
    std::fs::create_dir_all(folder).map_err(|e| at(folder, &e))?;
    let codec = Codec::new();
    for (topic, records) in &collected.records {
        let path = folder.join(format!("{}.ndjson", topic.name()));
        let mut lines = Lines::create(&path)?;
        for record in records {
            let decoded = DecodedRecord::of(record, &codec, writers);
            if let Some(cause) = decoded.unknown() {
                return Err(Failure::Unreachable(cause.to_owned()));
            }
            lines.write(&decoded)?;
        }
        lines.finish()?;
    }
    Ok(())
}

/// A file of JSON, an object a line.
pub struct Lines {
    path: std::path::PathBuf,
    file: BufWriter<File>,
}

impl Lines {
    /// Begins the file anew.
    ///
    /// # Errors
    /// What the file system says, with the path.
    pub fn create(path: &Path) -> Result<Self, Failure> {
        let file = File::create(path).map_err(|e| at(path, &e))?;
        Ok(Self { path: path.to_path_buf(), file: BufWriter::new(file) })
    }

    /// Writes one line.
    ///
    /// # Errors
    /// What the file system says, with the path.
    pub fn write(&mut self, line: &impl Serialize) -> Result<(), Failure> {
        serde_json::to_writer(&mut self.file, line).map_err(|e| at(&self.path, &e.into()))?;
        self.file.write_all(b"\n").map_err(|e| at(&self.path, &e))
    }

    /// Hands everything to the system.
    ///
    /// # Errors
    /// What the file system says, with the path.
    pub fn finish(&mut self) -> Result<(), Failure> {
        self.file.flush().map_err(|e| at(&self.path, &e))
    }
}

fn at(path: &Path, error: &std::io::Error) -> Failure {
    Failure::Usage(format!("{}: {error}", path.display()))
}

/// A vector as `--vectors` writes it; numbers with all their digits.
#[derive(Debug, Serialize)]
pub struct VectorLine<'a> {
    symbol: &'a str,
    timeframe: &'a str,
    as_of: String,
    request_id: &'a str,
    sets: BTreeMap<&'a str, SetLine<'a>>,
}

#[derive(Debug, Serialize)]
struct SetLine<'a> {
    status: &'a str,
    reason: Option<&'a str>,
    values: &'a BTreeMap<String, f64>,
}

impl<'a> VectorLine<'a> {
    /// The line of a vector.
    #[must_use]
    pub fn of(vector: &'a Vector) -> Self {
        let line = |set: &'a SetResult| SetLine {
            status: set.status.as_str(),
            reason: set.reason.as_deref(),
            values: &set.values,
        };
        Self {
            symbol: &vector.symbol,
            timeframe: &vector.timeframe,
            as_of: Timestamp::from_micros(vector.as_of).to_string(),
            request_id: &vector.request_id,
            sets: vector.sets.iter().map(|(name, set)| (name.as_str(), line(set))).collect(),
        }
    }
}

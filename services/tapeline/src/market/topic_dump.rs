//! The topics of a run as files, for `--topics`.

use std::path::{Path, PathBuf};

use contracts::{Codec, Topic, WriterSchemas};

use super::topic_contents::TopicContents;
use crate::exit::Failure;
use crate::output::{DecodedRecord, NdjsonFile};

/// Returns the file of a topic.
pub(super) fn file_of(folder: &Path, topic: Topic) -> PathBuf {
    folder.join(format!("{}.ndjson", topic.name()))
}

/// Writes each topic to `folder/<topic>.ndjson`, a record a line, by partition and offset.
///
/// # Errors
/// The error of the file system, with the path; [`Failure::Unreachable`] if the registry is unavailable.
pub(super) fn dump(
    folder: &Path,
    contents: &TopicContents,
    writers: &dyn WriterSchemas,
) -> Result<(), Failure> {
    std::fs::create_dir_all(folder).map_err(|error| Failure::file("create", folder, error))?;
    let codec = Codec::new();
    for (topic, records) in &contents.records {
        let mut file = NdjsonFile::create(&file_of(folder, *topic))?;
        for record in records {
            let decoded = DecodedRecord::of(record, &codec, writers);
            if let Some(cause) = decoded.retryable_error() {
                return Err(Failure::unreachable(cause));
            }
            file.write(&decoded)?;
        }
        file.flush()?;
    }
    Ok(())
}

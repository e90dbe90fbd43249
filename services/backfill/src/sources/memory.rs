//! Memory of a source, as a part of the sum that is compared with the limit of the container at start.

use hosting::Part;
use kit::SaturatingFrom;

use super::bar_file::FILE_BYTES_MAX;
use crate::config::{ExecutorSection, SourceKind};

/// A file is in memory once as a whole, and once more if all of it is one row.
const FILE_COPIES: u64 = 2;

/// The bars of a chunk: at most 3,660 of 48 bytes, and the growth of their list.
const CHUNK_BYTES: u64 = 1 << 20;

/// Returns the memory of the files that are read at once: one for each running fetch. None for other sources.
#[must_use]
pub fn memory_parts(source: SourceKind, executor: &ExecutorSection) -> Vec<Part> {
    let files = u64::saturating_from(executor.running_max);
    match source {
        SourceKind::Csv => vec![Part {
            name: "executor.running_max bar files".to_owned(),
            bytes: files.saturating_mul(FILE_COPIES * FILE_BYTES_MAX + CHUNK_BYTES),
        }],
        SourceKind::None | SourceKind::Synthetic => Vec::new(),
    }
}

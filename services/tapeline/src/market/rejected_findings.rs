//! The rejected findings of a file.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::exit::Failure;

/// Messages of one kind that are printed.
const PRINTED_MAX: u64 = 100;

/// Counts the findings of one file that were rejected or have a warning. Clones share the counts.
#[derive(Debug, Clone)]
pub struct RejectedFindings {
    file: Option<PathBuf>,
    count: Arc<AtomicU64>,
    warnings: Arc<AtomicU64>,
}

impl RejectedFindings {
    /// Returns the count of this file.
    #[must_use]
    pub fn of(file: Option<&Path>) -> Self {
        Self { file: file.map(Path::to_path_buf), count: Arc::default(), warnings: Arc::default() }
    }

    /// Counts a finding of this line; `None` means that it is not of the file. Returns the text to print, `None` after many.
    pub(super) fn add(&self, line: Option<u64>, reason: &str) -> Option<String> {
        match self.count.fetch_add(1, Ordering::Relaxed) {
            0..PRINTED_MAX => Some(format!("rejected: {}{reason}", self.position(line))),
            PRINTED_MAX => {
                Some(format!("more than {PRINTED_MAX} findings are rejected: the others are only counted"))
            }
            _ => None,
        }
    }

    /// Counts a finding that was accepted with this warning. Returns the text to print, `None` after many.
    pub(super) fn warn(&self, line: Option<u64>, warning: &str) -> Option<String> {
        match self.warnings.fetch_add(1, Ordering::Relaxed) {
            0..PRINTED_MAX => Some(format!("{}warning: {warning}", self.position(line))),
            PRINTED_MAX => {
                Some(format!("more than {PRINTED_MAX} findings have a warning: the others are not shown"))
            }
            _ => None,
        }
    }

    fn position(&self, line: Option<u64>) -> String {
        match (&self.file, line) {
            (Some(file), Some(line)) => format!("{}:{line}: ", file.display()),
            _ => String::new(),
        }
    }

    /// Returns the result of the command.
    ///
    /// # Errors
    /// [`Failure::NotOk`] if a finding was rejected.
    pub fn verdict(&self) -> Result<(), Failure> {
        match self.count.load(Ordering::Relaxed) {
            0 => Ok(()),
            count => Err(Failure::not_ok(format!("{count} findings rejected"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rejected_finding_counts_and_the_first_are_printed() {
        let rejected = RejectedFindings::of(Some(Path::new("f.ndjson")));
        rejected.verdict().unwrap();
        let printed: Vec<String> =
            (1..=200).filter_map(|line| rejected.clone().add(Some(line), "cause")).collect();
        assert_eq!((printed.len(), printed[1].as_str()), (101, "rejected: f.ndjson:2: cause"));
        let warned: Vec<String> = (1..=200).filter_map(|line| rejected.warn(Some(line), "cause")).collect();
        assert_eq!((warned.len(), warned[1].as_str()), (101, "f.ndjson:2: warning: cause"));
        assert_eq!(rejected.verdict().unwrap_err().to_string(), "200 findings rejected");
    }
}

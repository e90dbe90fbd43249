//! A range of a file as of a time, and its content.

use std::path::Path;

use domain::{Interval, IntervalSet, Timestamp};
use kit::ErrorChain;

use super::error::InvalidRow;
use crate::sources::source::{Defects, Rejected};

/// A range of a file at a time.
#[derive(Debug, Clone, Copy)]
pub(in crate::sources) struct Excerpt {
    pub(in crate::sources) range: Interval,
    /// Records that are not complete by then do not count.
    pub(in crate::sources) now: Timestamp,
}

/// The valid records of a range.
pub(in crate::sources) struct RangeOfFile<R> {
    pub(in crate::sources) records: Vec<R>,
    /// The time of the last valid record that is complete, within the range or not; an earlier one if rows follow it that go back in time.
    pub(in crate::sources) last: Timestamp,
    /// The first invalid rows that concern the range.
    pub(in crate::sources) invalid: Vec<InvalidRow>,
    /// The number of all invalid rows that concern the range.
    pub(in crate::sources) invalid_count: u64,
    /// The times of the range that the records of these rows may have.
    pub(in crate::sources) unknown: IntervalSet,
    /// The time of each row of the range that repeats that of a record.
    pub(in crate::sources) duplicates: Vec<Timestamp>,
}

impl<R> RangeOfFile<R> {
    /// Returns the defects of the range, in the file of this path.
    pub(in crate::sources) fn defects(&self, path: &Path) -> Defects {
        let row = |row: &InvalidRow| Rejected {
            file: path.display().to_string(),
            line: Some(row.line),
            cause: ErrorChain(&row.cause).to_string(),
        };
        Defects {
            rows: self.invalid.iter().map(row).collect(),
            rejected: self.invalid_count,
            files: 0,
            unknown: self.unknown.clone(),
            duplicates: self.duplicates.clone(),
        }
    }
}

#[cfg(test)]
impl<R> RangeOfFile<R> {
    /// Returns the error of the invalid rows of AAPL.csv.
    pub(super) fn without_invalid(self) -> Result<Self, super::CsvError> {
        match self {
            Self { invalid_count: 0, .. } => Ok(self),
            Self { invalid: rows, invalid_count: count, .. } => {
                Err(super::CsvError::InvalidRows { path: "AAPL.csv".into(), rows, count })
            }
        }
    }
}

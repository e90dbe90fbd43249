//! A range of a bar file as of a time, and its content.

use std::path::Path;

use domain::{Bar, Interval, IntervalSet, Timestamp};
use kit::ErrorChain;

use super::error::InvalidRow;
use crate::sources::source::{Defects, RejectedRow};

/// A range of a file at a time.
#[derive(Debug, Clone, Copy)]
pub(in crate::sources) struct Excerpt {
    pub(in crate::sources) range: Interval,
    /// Bars that have not closed by then do not count.
    pub(in crate::sources) now: Timestamp,
}

/// The valid bars of a range.
pub(in crate::sources) struct RangeOfFile {
    pub(in crate::sources) bars: Vec<Bar>,
    /// The open time of the last valid bar that has closed, within the range or not; an earlier one if rows follow it that go back in time.
    pub(in crate::sources) last_open: Timestamp,
    /// The first invalid rows that concern the range.
    pub(in crate::sources) invalid: Vec<InvalidRow>,
    /// The number of all invalid rows that concern the range.
    pub(in crate::sources) invalid_count: u64,
    /// The times of the range that the bars of these rows may have.
    pub(in crate::sources) unknown: IntervalSet,
    /// The open time of each row of the range that repeats that of a bar.
    pub(in crate::sources) duplicates: Vec<Timestamp>,
}

impl RangeOfFile {
    /// Returns the defects of the range, in the file of this path.
    pub(in crate::sources) fn defects(&self, path: &Path) -> Defects {
        let row = |row: &InvalidRow| RejectedRow {
            file: path.display().to_string(),
            line: row.line,
            cause: ErrorChain(&row.cause).to_string(),
        };
        Defects {
            rows: self.invalid.iter().map(row).collect(),
            rejected: self.invalid_count,
            unknown: self.unknown.clone(),
            duplicates: self.duplicates.clone(),
        }
    }
}

#[cfg(test)]
impl RangeOfFile {
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

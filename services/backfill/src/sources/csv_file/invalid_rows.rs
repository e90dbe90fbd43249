//! Invalid rows of a file: the first ones, the number of all, and the times that their bars may have.

use domain::{Interval, IntervalSet, Timestamp};

use super::error::{InvalidRow, LISTED_ROWS_MAX, RowError};

/// Invalid rows: the first that were added.
#[derive(Debug, Default)]
pub(super) struct InvalidRows {
    listed: Vec<InvalidRow>,
    count: u64,
}

impl InvalidRows {
    pub(super) fn push(&mut self, line: u64, cause: RowError) {
        self.count += 1;
        if self.listed.len() < LISTED_ROWS_MAX {
            self.listed.push(InvalidRow { line, cause });
        }
    }

    pub(super) fn append(&mut self, other: Self) {
        self.count += other.count;
        let free = LISTED_ROWS_MAX.saturating_sub(self.listed.len());
        self.listed.extend(other.listed.into_iter().take(free));
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Returns the listed rows by line, and the number of all.
    pub(super) fn into_rows(mut self) -> (Vec<InvalidRow>, u64) {
        self.listed.sort_unstable_by_key(|row| row.line);
        (self.listed, self.count)
    }
}

/// The invalid rows that concern a range, and the times of it that their bars may have.
#[derive(Debug)]
pub(super) struct Concerning {
    /// `None` for all times.
    range: Option<Interval>,
    pub(super) rows: InvalidRows,
    pub(super) unknown: IntervalSet,
}

impl Concerning {
    pub(super) fn new(range: Option<Interval>) -> Self {
        Self { range, rows: InvalidRows::default(), unknown: IntervalSet::new() }
    }

    /// Adds rows whose bars may have a time from `start` to `end` (exclusive). Returns `false` if that has no part of the range: the rows do
    /// not concern it.
    pub(super) fn add(&mut self, rows: InvalidRows, start: Timestamp, end: Timestamp) -> bool {
        if rows.is_empty() {
            return false;
        }
        let is_concerned = self.mark_unknown(start, end);
        if is_concerned {
            self.rows.append(rows);
        }
        is_concerned
    }

    /// Records that it is unknown which bars the file has from `start` to `end` (exclusive). Returns `false` if that has no part of the
    /// range.
    pub(super) fn mark_unknown(&mut self, start: Timestamp, end: Timestamp) -> bool {
        let Some(range) = self.range else { return true };
        let part = Interval::new(start, end).ok().and_then(|unknown| unknown.intersection(range));
        if let Some(part) = part {
            self.unknown.insert(part);
        }
        part.is_some()
    }
}

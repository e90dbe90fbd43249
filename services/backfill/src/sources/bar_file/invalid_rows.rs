//! Invalid rows of a file: the first ones, and the number of all.

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

    /// Returns the listed rows by line, and the number of all. `None` if there are none.
    pub(super) fn into_rows(mut self) -> Option<(Vec<InvalidRow>, u64)> {
        self.listed.sort_unstable_by_key(|row| row.line);
        (self.count > 0).then_some((self.listed, self.count))
    }
}

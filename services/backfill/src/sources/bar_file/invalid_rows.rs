//! Invalid rows of a file: the first ones, and the number of all.

use super::error::{InvalidRow, LISTED_ROWS_MAX, RowError};

/// Invalid rows in the order of their lines.
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

    /// Appends rows that follow.
    pub(super) fn append(&mut self, later: Self) {
        self.count += later.count;
        let free = LISTED_ROWS_MAX.saturating_sub(self.listed.len());
        self.listed.extend(later.listed.into_iter().take(free));
    }

    /// Returns the first rows and the number of all. `None` if there are none.
    pub(super) fn into_rows(self) -> Option<(Vec<InvalidRow>, u64)> {
        (self.count > 0).then_some((self.listed, self.count))
    }
}

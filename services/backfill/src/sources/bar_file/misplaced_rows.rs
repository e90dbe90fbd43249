//! Rows of a file whose dates are absent or wrong. The dates of their neighbours decide whether their bars may belong to the range.

use domain::{Interval, Timestamp};

use super::error::RowError;
use super::excerpt::Excerpt;
use super::invalid_rows::InvalidRows;

/// The rows since the last ascending date that have no valid place. The next ascending date decides whether they concern the range.
#[derive(Debug, Default)]
pub(super) struct MisplacedRows {
    /// The last ascending date.
    last: Option<Timestamp>,
    /// The date of the last row with a date, if it goes back in time: less than `last`.
    resumed: Option<Timestamp>,
    /// The first instant that the rows of `undated` and `unclosed` may have. `None` without such rows.
    first: Option<Timestamp>,
    /// Rows without a date.
    undated: InvalidRows,
    /// Rows whose bars have not closed. At the end of the file their dates may be right.
    unclosed: InvalidRows,
    /// Rows that go back in time. At the end of the file they have lowered the end of what the file has.
    backward: InvalidRows,
}

impl MisplacedRows {
    pub(super) fn undated(&mut self, line: u64, cause: RowError) {
        self.continue_after();
        self.undated.push(line, cause);
    }

    pub(super) fn unclosed(&mut self, line: u64, cause: RowError) {
        self.continue_after();
        self.unclosed.push(line, cause);
    }

    pub(super) fn backward(&mut self, line: u64, cause: RowError) {
        self.backward.push(line, cause);
    }

    /// Records the date of a row that goes back in time: the rows that follow may continue from it.
    pub(super) fn resume_at(&mut self, date: Timestamp) {
        self.resumed = Some(date);
    }

    /// Moves the rows that concern the range to `invalid`, given the ascending date after them.
    pub(super) fn place_before(
        &mut self,
        next: Timestamp,
        excerpt: Option<Excerpt>,
        invalid: &mut InvalidRows,
    ) {
        let Self { last, first, undated, unclosed, backward, .. } =
            std::mem::replace(self, Self { last: Some(next), ..Self::default() });
        if concerns(first.unwrap_or(FIRST), next, excerpt) {
            invalid.append(undated);
            invalid.append(unclosed);
        }
        // The last ascending date may be the wrong one.
        if concerns(last.unwrap_or(FIRST), next, excerpt) {
            invalid.append(backward);
        }
    }

    /// Moves the rows that concern the range to `invalid`, at the end of the file.
    pub(super) fn place_at_end(&mut self, excerpt: Option<Excerpt>, invalid: &mut InvalidRows) {
        let Self { first, undated, .. } = std::mem::take(self);
        if concerns(first.unwrap_or(FIRST), Timestamp::from_micros(i64::MAX), excerpt) {
            invalid.append(undated);
        }
    }

    fn continue_after(&mut self) {
        let first = self.resumed.or(self.last).map_or(FIRST, |last| last.saturating_add_micros(1));
        self.first = Some(self.first.map_or(first, |earlier| earlier.min(first)));
    }
}

const FIRST: Timestamp = Timestamp::from_micros(i64::MIN);

/// Returns `true` if the time from `start` to `end` (exclusive) has a part of the range.
fn concerns(start: Timestamp, end: Timestamp, excerpt: Option<Excerpt>) -> bool {
    excerpt.is_none_or(|Excerpt { range, .. }| {
        Interval::new(start, end).is_ok_and(|between| between.intersection(range).is_some())
    })
}

//! Rows of a file whose dates are absent or wrong. The dates of their neighbours decide whether their bars may belong to the range.

use domain::Timestamp;

use super::error::RowError;
use super::invalid_rows::{Concerning, InvalidRows};

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
    /// Rows that go back in time and are not listed yet. At the end of the file they have lowered the end of what the file has.
    backward: InvalidRows,
    /// `true` if a row goes back in time, listed or not.
    goes_back: bool,
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

    /// Adds a row that goes back in time to this date: the rows that follow may continue from it. Without a cause, the row is listed.
    pub(super) fn backward(&mut self, line: u64, cause: Option<RowError>, date: Timestamp) {
        if let Some(cause) = cause {
            self.backward.push(line, cause);
        }
        self.goes_back = true;
        self.resumed = Some(date);
    }

    /// Moves the rows that concern the range to `concerning`, given the ascending date after them.
    pub(super) fn place_before(&mut self, next: Timestamp, concerning: &mut Concerning) {
        let Self { last, first, undated, unclosed, backward, goes_back, .. } =
            std::mem::replace(self, Self { last: Some(next), ..Self::default() });
        concerning.add(undated, first.unwrap_or(FIRST), next);
        concerning.add(unclosed, first.unwrap_or(FIRST), next);
        // The last ascending date may be the wrong one.
        if goes_back && concerning.mark_unknown(last.unwrap_or(FIRST), next) {
            concerning.rows.append(backward);
        }
    }

    /// Moves the rows that concern the range to `concerning`, at the end of the file.
    pub(super) fn place_at_end(&mut self, concerning: &mut Concerning) {
        let Self { first, undated, .. } = std::mem::take(self);
        concerning.add(undated, first.unwrap_or(FIRST), Timestamp::from_micros(i64::MAX));
    }

    fn continue_after(&mut self) {
        let first = self.resumed.or(self.last).map_or(FIRST, |last| last.saturating_add_micros(1));
        self.first = Some(self.first.map_or(first, |earlier| earlier.min(first)));
    }
}

const FIRST: Timestamp = Timestamp::from_micros(i64::MIN);

//! The rows of a bar file: the bars of a range, the invalid rows that concern it, and the last bar.

use std::path::Path;

use domain::{Bar, Timeframe, Timestamp, calendar};
use jiff::civil::Date;

use super::error::{CsvError, RowError};
use super::excerpt::{Excerpt, RangeOfFile};
use super::invalid_rows::InvalidRows;
use super::misplaced_rows::MisplacedRows;
use super::records::Record;
use super::row::Columns;

/// The rows of a file so far.
pub(super) struct Rows {
    /// `None` for all times.
    excerpt: Option<Excerpt>,
    /// The valid bars of the range.
    bars: Vec<Bar>,
    /// The open time of the last valid bar, or of a later row that goes back in time: what the file has after that row is unknown, unless
    /// a row with a later date follows.
    last_open: Option<Timestamp>,
    /// The greatest date so far.
    last_date: Option<Date>,
    /// The first ascending date at or after the last instant of the range.
    first_after_range: Option<Timestamp>,
    invalid: InvalidRows,
    misplaced: MisplacedRows,
}

impl Rows {
    pub(super) fn new(excerpt: Option<Excerpt>) -> Self {
        Self {
            excerpt,
            bars: Vec::new(),
            last_open: None,
            last_date: None,
            first_after_range: None,
            invalid: InvalidRows::default(),
            misplaced: MisplacedRows::default(),
        }
    }

    pub(super) fn add(&mut self, line: u64, record: &Record<'_>, columns: &Columns) {
        let date = match record.check_one_line().and_then(|()| columns.date(record)) {
            Ok(date) => date,
            Err(cause) => return self.misplaced.undated(line, cause),
        };
        let open_time = calendar::day_open(date);
        let is_in_range = self.contains(open_time);
        if self.is_open(open_time) {
            let cause = RowError::NotClosed { date };
            return if is_in_range {
                self.invalid.push(line, cause);
            } else {
                self.misplaced.unclosed(line, cause);
            };
        }
        if let Some(cause) = self.last_date.and_then(|previous| not_after(previous, date)) {
            return self.add_backward(line, cause, open_time);
        }
        self.misplaced.place_before(open_time, self.excerpt, &mut self.invalid);
        self.last_date = Some(date);
        if self.excerpt.is_some_and(|excerpt| excerpt.range.last() <= open_time) {
            self.first_after_range.get_or_insert(open_time);
        }
        match columns.bar(record, date) {
            Ok(bar) => {
                self.last_open = Some(open_time);
                if is_in_range {
                    self.bars.push(bar);
                }
            }
            Err(cause) if is_in_range => self.invalid.push(line, cause),
            Err(_) => {}
        }
    }

    /// Adds a row whose date is not after the previous one: either of the two is wrong. If the previous one is, its bar is missing between
    /// the last smaller date and this one; if this one is, its bar is missing after the previous one.
    fn add_backward(&mut self, line: u64, cause: RowError, open_time: Timestamp) {
        self.last_open = self.last_open.map(|last| last.min(open_time));
        let concerns = self.excerpt.is_none_or(|excerpt| {
            // The last smaller date is before the end of the range.
            open_time >= excerpt.range.start()
                && self.first_after_range.is_none_or(|first| first >= open_time)
        });
        self.misplaced.resume_at(open_time);
        if concerns {
            self.invalid.push(line, cause);
        } else {
            self.misplaced.backward(line, cause);
        }
    }

    fn contains(&self, open_time: Timestamp) -> bool {
        self.excerpt.is_none_or(|excerpt| excerpt.range.contains(open_time))
    }

    /// Returns `true` if the bar has not closed.
    fn is_open(&self, open_time: Timestamp) -> bool {
        self.excerpt.is_some_and(|excerpt| calendar::bar_close(Timeframe::Day1, open_time) > excerpt.now)
    }

    pub(super) fn finish(mut self, path: &Path) -> Result<RangeOfFile, CsvError> {
        self.misplaced.place_at_end(self.excerpt, &mut self.invalid);
        let path = || path.to_path_buf();
        if let Some((rows, count)) = self.invalid.into_rows() {
            return Err(CsvError::InvalidRows { path: path(), rows, count });
        }
        let last_open = self.last_open.ok_or_else(|| CsvError::NoBars { path: path() })?;
        Ok(RangeOfFile { bars: self.bars, last_open })
    }
}

/// Returns the error of a date that is not after the previous one.
fn not_after(previous: Date, date: Date) -> Option<RowError> {
    match date.cmp(&previous) {
        std::cmp::Ordering::Less => Some(RowError::UnsortedDate { date, previous }),
        std::cmp::Ordering::Equal => Some(RowError::DuplicateDate { date }),
        std::cmp::Ordering::Greater => None,
    }
}

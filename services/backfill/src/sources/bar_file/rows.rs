//! The rows of a bar file: the bars of a range, the invalid rows that concern it, and the last bar.

use std::path::Path;

use domain::{Bar, Interval, Timeframe, Timestamp, calendar};
use jiff::civil::Date;

use super::error::{CsvError, RowError};
use super::excerpt::{Excerpt, RangeOfFile};
use super::invalid_rows::InvalidRows;
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
    last_date: Option<Date>,
    invalid: InvalidRows,
    /// Rows without a date after `last_date`. The next date decides whether they concern the range.
    undated: InvalidRows,
}

impl Rows {
    pub(super) fn new(excerpt: Option<Excerpt>) -> Self {
        Self {
            excerpt,
            bars: Vec::new(),
            last_open: None,
            last_date: None,
            invalid: InvalidRows::default(),
            undated: InvalidRows::default(),
        }
    }

    pub(super) fn add(&mut self, line: u64, record: &Record<'_>, columns: &Columns) {
        let date = match columns.date(record) {
            Ok(date) => date,
            Err(cause) => return self.undated.push(line, cause),
        };
        let open_time = calendar::day_open(date);
        let is_in_range = self.contains(open_time);
        if self.is_open(open_time) {
            return self.reject(line, RowError::NotClosed { date }, is_in_range);
        }
        if let Some(cause) = self.last_date.and_then(|previous| not_after(previous, date)) {
            self.last_open = self.last_open.map(|last| last.min(open_time));
            return self.reject(line, cause, is_in_range);
        }
        self.place_undated(Some(date));
        self.last_date = Some(date);
        match columns.bar(record, date) {
            Ok(bar) => {
                self.last_open = Some(bar.open_time);
                if is_in_range {
                    self.bars.push(bar);
                }
            }
            Err(cause) => self.reject(line, cause, is_in_range),
        }
    }

    fn reject(&mut self, line: u64, cause: RowError, is_in_range: bool) {
        if is_in_range {
            self.invalid.push(line, cause);
        }
    }

    /// Decides whether the rows without a date concern the range, given the date after them; `None` at the end of the file.
    fn place_undated(&mut self, next: Option<Date>) {
        let undated = std::mem::take(&mut self.undated);
        let after =
            self.last_date.map_or(i64::MIN, |date| calendar::day_open(date).micros().saturating_add(1));
        let before = next.map_or(i64::MAX, |date| calendar::day_open(date).micros());
        let between = Interval::new(Timestamp::from_micros(after), Timestamp::from_micros(before)).ok();
        let concerns = match self.excerpt {
            None => true,
            Some(Excerpt { range, .. }) => {
                between.is_some_and(|between| between.intersection(range).is_some())
            }
        };
        if concerns {
            self.invalid.append(undated);
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
        self.place_undated(None);
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

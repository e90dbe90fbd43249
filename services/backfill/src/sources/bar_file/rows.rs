//! The rows of a bar file: the bars of a range, the invalid rows that concern it, and the last bar.

use std::path::Path;

use domain::{Bar, Timeframe, Timestamp, calendar};
use jiff::civil::Date;

use super::error::{CsvError, RowError};
use super::excerpt::{Excerpt, RangeOfFile};
use super::invalid_rows::Concerning;
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
    /// The open time of each row of the range that repeats that of a bar.
    duplicates: Vec<Timestamp>,
    invalid: Concerning,
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
            duplicates: Vec::new(),
            invalid: Concerning::new(excerpt.map(|excerpt| excerpt.range)),
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
                self.reject(line, cause, date);
            } else {
                self.misplaced.unclosed(line, cause);
            };
        }
        if let Some(cause) = self.last_date.and_then(|previous| not_after(previous, date)) {
            let row = columns.bar(record, date).ok();
            return self.add_backward(line, cause, date, row.as_ref());
        }
        self.misplaced.place_before(open_time, &mut self.invalid);
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
            Err(cause) if is_in_range => self.reject(line, cause, date),
            Err(_) => {}
        }
    }

    /// Adds a row of the range that is no valid bar: the file does not have the bar of its date.
    fn reject(&mut self, line: u64, cause: RowError, date: Date) {
        self.invalid.mark_unknown(calendar::day_open(date), day_end(date));
        self.invalid.rows.push(line, cause);
    }

    /// Adds a row whose date is not after the previous one: either of the two is wrong. If the previous one is, its bar is missing between
    /// the last smaller date and this one; if this one is, its bar is missing after the previous one. A copy of a bar of the range is
    /// neither.
    fn add_backward(&mut self, line: u64, cause: RowError, date: Date, row: Option<&Bar>) {
        let open_time = calendar::day_open(date);
        let Some(range) = self.excerpt.map(|excerpt| excerpt.range) else {
            self.invalid.rows.push(line, cause);
            return;
        };
        let after = self.bars.partition_point(|bar| bar.open_time < open_time);
        let same_time = self.bars.get(after).filter(|bar| bar.open_time == open_time);
        if same_time.is_some() {
            self.duplicates.push(open_time);
        }
        if same_time.is_some_and(|bar| row == Some(bar)) {
            return;
        }
        self.last_open = self.last_open.map(|last| last.min(open_time));
        let smaller = after.checked_sub(1).map(|index| self.bars[index].open_time.saturating_add_micros(1));
        // The last smaller date is before the end of the range.
        let concerns =
            open_time >= range.start() && self.first_after_range.is_none_or(|first| first >= open_time);
        let cause = if concerns {
            self.invalid.mark_unknown(smaller.unwrap_or(range.start()), day_end(date));
            self.invalid.rows.push(line, cause);
            None
        } else {
            Some(cause)
        };
        self.misplaced.backward(line, cause, open_time);
    }

    fn contains(&self, open_time: Timestamp) -> bool {
        self.excerpt.is_none_or(|excerpt| excerpt.range.contains(open_time))
    }

    /// Returns `true` if the bar has not closed.
    fn is_open(&self, open_time: Timestamp) -> bool {
        self.excerpt.is_some_and(|excerpt| calendar::bar_close(Timeframe::Day1, open_time) > excerpt.now)
    }

    /// # Errors
    /// The file has no valid bar, or all of it is read and a row is invalid.
    pub(super) fn finish(mut self, path: &Path) -> Result<RangeOfFile, CsvError> {
        self.misplaced.place_at_end(&mut self.invalid);
        let Concerning { rows, unknown, .. } = self.invalid;
        let path = || path.to_path_buf();
        let has_invalid = !rows.is_empty();
        let (invalid, invalid_count) = rows.into_rows();
        let Some(last_open) = self.last_open.filter(|_| !has_invalid || self.excerpt.is_some()) else {
            return Err(match invalid_count {
                0 => CsvError::NoBars { path: path() },
                count => CsvError::InvalidRows { path: path(), rows: invalid, count },
            });
        };
        let mut bars = self.bars;
        bars.retain(|bar| !unknown.contains(bar.open_time));
        Ok(RangeOfFile { bars, last_open, invalid, invalid_count, unknown, duplicates: self.duplicates })
    }
}

/// Returns the end of a date in New York.
fn day_end(date: Date) -> Timestamp {
    calendar::day_open(date.tomorrow().unwrap_or(date))
}

/// Returns the error of a date that is not after the previous one.
fn not_after(previous: Date, date: Date) -> Option<RowError> {
    match date.cmp(&previous) {
        std::cmp::Ordering::Less => Some(RowError::UnsortedDate { date, previous }),
        std::cmp::Ordering::Equal => Some(RowError::DuplicateDate { date }),
        std::cmp::Ordering::Greater => None,
    }
}

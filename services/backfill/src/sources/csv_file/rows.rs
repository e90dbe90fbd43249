//! The rows of a file: the records of a range, the invalid rows that concern it, and the last record.

use std::collections::BTreeSet;
use std::path::Path;

use domain::Timestamp;

use super::error::{CsvError, RowError};
use super::excerpt::{Excerpt, RangeOfFile};
use super::format::Format;
use super::invalid_rows::Concerning;
use super::layout::Layout;
use super::misplaced_rows::MisplacedRows;
use super::row::Row;

/// The rows of a file so far.
pub(super) struct Rows<'l, F: Format> {
    layout: &'l Layout<'l, F>,
    /// `None` for all times.
    excerpt: Option<Excerpt>,
    /// The valid records of the range.
    records: Vec<F::Record>,
    /// The time of the last valid record, or of a later row that goes back in time: what the file has after that row is unknown, unless
    /// a row with a later time follows.
    last: Option<Timestamp>,
    is_lowered: bool,
    /// The last time of the rows of other symbols.
    last_of_others: Option<Timestamp>,
    /// The greatest time so far.
    time_max: Option<Timestamp>,
    /// The first ascending time at or after the last instant of the range.
    first_after_range: Option<Timestamp>,
    /// The time of each row of the range that repeats that of a record.
    duplicates: Vec<Timestamp>,
    invalid: Concerning,
    misplaced: MisplacedRows,
}

impl<'l, F: Format> Rows<'l, F> {
    pub(super) fn new(layout: &'l Layout<'l, F>, excerpt: Option<Excerpt>) -> Self {
        Self {
            layout,
            excerpt,
            records: Vec::new(),
            last: None,
            is_lowered: false,
            last_of_others: None,
            time_max: None,
            first_after_range: None,
            duplicates: Vec::new(),
            invalid: Concerning::new(excerpt.map(|excerpt| excerpt.range)),
            misplaced: MisplacedRows::default(),
        }
    }

    pub(super) fn add(&mut self, line: u64, row: &Row<'_>) {
        let belongs = row.record.check_one_line().and_then(|()| self.layout.is_of_symbol(row));
        match (belongs, self.layout.time(row)) {
            (Ok(true), Ok(time)) => self.add_timed(line, row, time),
            (Ok(false), Ok(time)) if !self.is_open(time) => {
                self.last_of_others = self.last_of_others.max(Some(time));
            }
            (Ok(false), _) => {}
            // The record may be one of the symbol.
            (Err(cause @ RowError::InvalidSymbol { .. }), Ok(time)) => {
                if self.contains(time) {
                    self.reject(line, cause, time);
                }
            }
            (Ok(true), Err(cause)) | (Err(cause), _) => self.misplaced.undated(line, cause),
        }
    }

    fn add_timed(&mut self, line: u64, row: &Row<'_>, time: Timestamp) {
        let is_in_range = self.contains(time);
        if self.is_open(time) {
            let (column, text) = (self.layout.time_column(), self.layout.format.text(time));
            let cause = RowError::NotClosed { column, time: text };
            return if is_in_range {
                self.reject(line, cause, time);
            } else {
                self.misplaced.unclosed(line, cause);
            };
        }
        let record = row.check_length().and_then(|()| self.layout.format.record(row, time));
        if let Some(cause) = self.time_max.and_then(|previous| self.not_after(previous, time)) {
            return self.add_backward(line, cause, time, record.ok().as_ref());
        }
        self.misplaced.place_before(time, &mut self.invalid);
        self.time_max = Some(time);
        if self.excerpt.is_some_and(|excerpt| excerpt.range.last() <= time) {
            self.first_after_range.get_or_insert(time);
        }
        match record {
            Ok(record) => {
                self.last = Some(time);
                self.is_lowered = false;
                if is_in_range {
                    self.records.push(record);
                }
            }
            Err(cause) if is_in_range => self.reject(line, cause, time),
            Err(_) => {}
        }
    }

    /// Adds a row of the range that is no valid record: the file does not have the record of its time.
    fn reject(&mut self, line: u64, cause: RowError, time: Timestamp) {
        self.invalid.mark_unknown(time, self.layout.format.period_end(time));
        self.invalid.rows.push(line, cause);
    }

    /// Adds a row whose time is not after the previous one: either of the two is wrong. If the previous one is, its record is missing
    /// between the last smaller time and this one; if this one is, its record is missing after the previous one. A copy of a record of the
    /// range is neither.
    fn add_backward(&mut self, line: u64, cause: RowError, time: Timestamp, record: Option<&F::Record>) {
        let Some(range) = self.excerpt.map(|excerpt| excerpt.range) else {
            self.invalid.rows.push(line, cause);
            return;
        };
        let after = self.records.partition_point(|record| F::time_of(record) < time);
        let mut same_time = self.records[after..].iter().take_while(|other| F::time_of(other) == time);
        if !self.layout.format.may_repeat() && same_time.clone().next().is_some() {
            self.duplicates.push(time);
        }
        if same_time.any(|other| record == Some(other)) {
            return;
        }
        self.last = self.last.map(|last| last.min(time));
        self.is_lowered = true;
        let smaller = after.checked_sub(1).map(|index| F::time_of(&self.records[index]));
        let smaller = smaller.map_or(range.start(), |smaller| smaller.saturating_add_micros(1));
        // The last smaller time is before the end of the range.
        let concerns = time >= range.start() && self.first_after_range.is_none_or(|first| first >= time);
        let cause = if concerns {
            self.invalid.mark_unknown(smaller, self.layout.format.period_end(time));
            self.invalid.rows.push(line, cause);
            None
        } else {
            Some(cause)
        };
        self.misplaced.backward(line, cause, time);
    }

    fn contains(&self, time: Timestamp) -> bool {
        self.excerpt.is_none_or(|excerpt| excerpt.range.contains(time))
    }

    /// Returns `true` if the record is not complete.
    fn is_open(&self, time: Timestamp) -> bool {
        self.excerpt.is_some_and(|excerpt| self.layout.format.complete_at(time) > excerpt.now)
    }

    /// Returns the error of a time that is not after the previous one.
    fn not_after(&self, previous: Timestamp, time: Timestamp) -> Option<RowError> {
        let text = |time| self.layout.format.text(time);
        let column = self.layout.time_column();
        match time.cmp(&previous) {
            std::cmp::Ordering::Less => {
                Some(RowError::Unsorted { column, time: text(time), previous: text(previous) })
            }
            std::cmp::Ordering::Equal if !self.layout.format.may_repeat() => {
                Some(RowError::Duplicate { column, time: text(time) })
            }
            _ => None,
        }
    }

    /// # Errors
    /// The file has no valid record, or all of it is read and a row is invalid.
    pub(super) fn finish(mut self, path: &Path) -> Result<RangeOfFile<F::Record>, CsvError> {
        self.misplaced.place_at_end(&mut self.invalid);
        let Concerning { rows, unknown, .. } = self.invalid;
        let path = || path.to_path_buf();
        let has_invalid = !rows.is_empty();
        let (invalid, invalid_count) = rows.into_rows();
        let last = if self.is_lowered { self.last } else { self.last.max(self.last_of_others) };
        let Some(last) = last.filter(|_| !has_invalid || self.excerpt.is_some()) else {
            return Err(match invalid_count {
                0 => CsvError::NoRecords { path: path() },
                count => CsvError::InvalidRows { path: path(), rows: invalid, count },
            });
        };
        let mut records = self.records;
        records.retain(|record| !unknown.contains(F::time_of(record)));
        Ok(RangeOfFile {
            records: without_repeated_ids::<F>(records),
            last,
            invalid,
            invalid_count,
            unknown,
            duplicates: self.duplicates,
        })
    }
}

/// Keeps the last record of each id.
fn without_repeated_ids<F: Format>(mut records: Vec<F::Record>) -> Vec<F::Record> {
    let mut ids = BTreeSet::new();
    let is_last: Vec<bool> =
        records.iter().rev().map(|record| F::id_of(record).is_none_or(|id| ids.insert(id))).collect();
    let mut is_last = is_last.into_iter().rev();
    records.retain(|_| is_last.next().unwrap_or(true));
    records
}

//! Bar file: the day bars of one symbol as CSV, with a header that names the columns date, open, high, low, close and volume.
//!
//! A row is read by its date: a row outside the requested range may be invalid, for example a row of `null` from long ago. A row whose
//! date cannot be read concerns each range between the dates of its neighbours. Of two rows that go back in time either may have the wrong
//! date: they concern each range in which a bar is missing then. Other columns are not read, and may have any content.
//!
//! A row is one line. A quoted field with a line break may contain rows, whichever its column: it concerns each range between the dates of
//! the rows around it, like a row without a date.
//!
//! A source reads a file as of a time. The file may be changed meanwhile, and its dates may be wrong: neither must cover a range whose bars
//! are missing. A bar that has not closed yet does not count, wherever it is; a half-written file is not read.

mod content;
mod error;
mod excerpt;
mod invalid_rows;
mod lines;
mod misplaced_rows;
mod records;
mod row;
mod rows;

use std::path::Path;

use domain::Bar;
use kit::file_format;

pub(super) use content::FILE_BYTES_MAX;
pub use error::{CsvError, InvalidRow, MissingEnd, RowError};
pub(super) use excerpt::{Excerpt, RangeOfFile};

use self::content::Content;
use self::lines::LineCounter;
use self::records::{Record, Records};
use self::row::{COLUMNS, Columns};
use self::rows::Rows;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Reads one file of day bars, in ascending order.
///
/// # Errors
/// [`CsvError`]: an unreadable file, a missing or repeated column, no bars, or all rows that are not valid bars in ascending order.
pub fn read_bars(path: &Path) -> Result<Vec<Bar>, CsvError> {
    Ok(read(path, None)?.bars)
}

/// Reads the bars of a file that open within a range, in ascending order. Rows outside the range may be invalid.
///
/// # Errors
/// [`CsvError`]: as [`read_bars`], for the rows of the range; a bar of the range that has not closed; a file that is being written.
pub(super) fn read_range(path: &Path, excerpt: Excerpt) -> Result<RangeOfFile, CsvError> {
    read(path, Some(excerpt))
}

fn read(path: &Path, excerpt: Option<Excerpt>) -> Result<RangeOfFile, CsvError> {
    let Content { bytes, written_until } = content::read(path, excerpt.map(|excerpt| excerpt.now))?;
    let Some(until) = written_until else { return parse(path, &bytes, excerpt) };
    let being_written = |missing| CsvError::BeingWritten { path: path.to_path_buf(), missing, until };
    match bytes.last() {
        _ if bytes.trim_ascii().is_empty() => return Err(being_written(MissingEnd::Bars)),
        Some(b'\n' | b'\r') => {}
        _ => return Err(being_written(MissingEnd::LineEnd)),
    }
    parse(path, &bytes, excerpt).map_err(|error| match error {
        CsvError::NoBars { .. } => being_written(MissingEnd::Bars),
        error => error,
    })
}

fn parse(path: &Path, bytes: &[u8], excerpt: Option<Excerpt>) -> Result<RangeOfFile, CsvError> {
    if let Some(format) = file_format::of(bytes) {
        return Err(CsvError::OtherFormat { path: path.to_path_buf(), format });
    }
    let text = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
    let mut lines = LineCounter::new(text);
    let mut records = Records::new(text);
    let mut columns: Option<Columns> = None;
    let mut rows = Rows::new(excerpt);
    while let Some(record) = records.next() {
        let line = lines.line_at(record.offset);
        match &columns {
            _ if record.is_empty() && record.check_one_line().is_ok() => {}
            Some(columns) => rows.add(line, &record, columns),
            None => columns = Some(header(path, line, &record)?),
        }
    }
    if columns.is_none() {
        let column = COLUMNS[0];
        return Err(CsvError::MissingColumn { path: path.to_path_buf(), line: 1, column });
    }
    rows.finish(path)
}

fn header(path: &Path, line: u64, names: &Record<'_>) -> Result<Columns, CsvError> {
    let invalid = |cause| CsvError::InvalidHeader { path: path.to_path_buf(), line, cause };
    names.check_one_line().map_err(invalid)?;
    let mut indexes = [0_usize; COLUMNS.len()];
    for (index, column) in indexes.iter_mut().zip(COLUMNS) {
        let is_column =
            |at: &usize| names.get(*at).is_some_and(|name| name.eq_ignore_ascii_case(column.as_bytes()));
        let mut found = (0..names.len).filter(is_column);
        let path = || path.to_path_buf();
        *index = found.next().ok_or_else(|| CsvError::MissingColumn { path: path(), line, column })?;
        if found.next().is_some() {
            return Err(CsvError::RepeatedColumn { path: path(), line, column });
        }
    }
    Ok(Columns { indexes, count: names.len })
}

#[cfg(test)]
mod exports;
#[cfg(test)]
mod line_breaks;
#[cfg(test)]
mod tests;

//! File of the records of one series, or of all symbols: bars, news or corporate actions, as CSV or Parquet.
//!
//! A row is read by its time: a row outside the requested range may be invalid, for example a row of `null` from long ago. A row whose
//! time cannot be read concerns each range between the times of its neighbours. Of two rows that go back in time either may have the wrong
//! time: they concern each range in which a record is missing then. Other columns are not read, and may have any content.
//!
//! A row is one line. A quoted field with a line break may contain rows, whichever its column: it concerns each range between the times of
//! the rows around it, like a row without a time.
//!
//! A source reads a file as of a time. The file may be changed meanwhile, and its times may be wrong: neither must cover a range whose
//! records are missing. A bar that has not closed yet does not count, wherever it is; a half-written file is not read.

mod content;
mod error;
mod excerpt;
mod format;
mod invalid_rows;
mod layout;
mod lines;
mod misplaced_rows;
#[cfg_attr(not(feature = "parquet"), path = "csv_file/parquet_absent.rs")]
mod parquet;
mod records;
mod row;
mod rows;

use std::path::Path;

use domain::{Bar, Timestamp};
use kit::file_format;

#[cfg(feature = "s3")]
pub(super) use content::of_bytes;
pub(super) use content::{Content, FILE_BYTES_MAX, LARGE_FILE_BYTES_MAX, Limits, read as read_file};
pub use error::{CsvError, InvalidRow, MissingEnd, NextAttempt, RowError};
pub(super) use excerpt::{Excerpt, RangeOfFile};
pub(super) use format::{BarFormat, Format};
pub(super) use layout::Layout;
pub(super) use row::Row;

use self::lines::LineCounter;
use self::records::Records;
use self::row::Columns;
use self::rows::Rows;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Reads one file of day bars, in ascending order.
///
/// # Errors
/// [`CsvError`]: an unreadable file, a missing or repeated column, no bars, or all rows that are not valid bars in ascending order.
pub fn read_bars(path: &Path) -> Result<Vec<Bar>, CsvError> {
    let layout = Layout::of_one_symbol(BarFormat::of_days());
    let limits = Limits::default();
    Ok(read_content(path, read_file(path, limits, None)?, limits, &layout, None)?.records)
}

/// Returns the records of a file within a range, in ascending order. Rows outside the range may be invalid.
///
/// # Errors
/// [`CsvError`]: a missing or repeated column, no valid record, a file that is being written.
pub(super) fn read_content<F: Format>(
    path: &Path,
    content: Content,
    limits: Limits,
    layout: &Layout<'_, F>,
    excerpt: Option<Excerpt>,
) -> Result<RangeOfFile<F::Record>, CsvError> {
    let Content { bytes, written_until } = content;
    if limits.is_of_format(path, "parquet") {
        let rows = parquet::parse(path, bytes, limits.bytes_max, layout, excerpt);
        return rows.map_err(|error| whole_or_written(path, error, written_until));
    }
    let Some(until) = written_until else { return parse(path, &bytes, layout, excerpt) };
    let being_written = |missing| CsvError::BeingWritten { path: path.to_path_buf(), missing, until };
    match bytes.last() {
        _ if bytes.trim_ascii().is_empty() => return Err(being_written(MissingEnd::Records)),
        Some(b'\n' | b'\r') => {}
        _ => return Err(being_written(MissingEnd::LineEnd)),
    }
    parse(path, &bytes, layout, excerpt).map_err(|error| match error {
        CsvError::NoRecords { .. } => being_written(MissingEnd::Records),
        error => error,
    })
}

/// Returns the error of a Parquet file. One that is being written has no footer yet, or no row.
fn whole_or_written(path: &Path, error: CsvError, written_until: Option<Timestamp>) -> CsvError {
    let missing = match error {
        CsvError::InvalidParquet { .. } => MissingEnd::Footer,
        CsvError::NoRecords { .. } => MissingEnd::Records,
        _ => return error,
    };
    let path = path.to_path_buf();
    written_until.map_or(error, |until| CsvError::BeingWritten { path, missing, until })
}

fn parse<F: Format>(
    path: &Path,
    bytes: &[u8],
    layout: &Layout<'_, F>,
    excerpt: Option<Excerpt>,
) -> Result<RangeOfFile<F::Record>, CsvError> {
    if let Some(format) = file_format::of(bytes) {
        return Err(CsvError::OtherFormat { path: path.to_path_buf(), format });
    }
    let text = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
    let mut lines = LineCounter::new(text);
    let mut records = Records::new(text);
    let mut columns: Option<Columns> = None;
    let mut rows = Rows::new(layout, excerpt);
    while let Some(record) = records.next() {
        let line = lines.line_at(record.offset);
        match &columns {
            _ if record.is_empty() && record.check_one_line().is_ok() => {}
            Some(columns) => rows.add(line, &Row { record, columns }),
            None => columns = Some(layout.header(path, Some(line), &record)?),
        }
    }
    if columns.is_none() {
        return Err(layout.missing_column(path.to_path_buf(), Some(1), layout.time_column()));
    }
    rows.finish(path)
}

#[cfg(test)]
mod exports;
#[cfg(test)]
mod line_breaks;
#[cfg(test)]
mod tests;

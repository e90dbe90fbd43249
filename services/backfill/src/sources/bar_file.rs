//! Bar file: the day bars of one symbol as CSV, with a header that names the columns date, open, high, low, close and volume.
//!
//! A row is read by its date: a row outside the requested range may be invalid, for example a row of `null` from long ago. A row whose
//! date cannot be read concerns each range between the dates of its neighbours. Other columns are not read, and may have any content.

mod error;
mod invalid_rows;
mod lines;
mod row;

use std::io::Read;
use std::path::Path;

use domain::{Bar, Interval, Timestamp, calendar};
use jiff::civil::Date;

pub use error::{CsvError, InvalidRow, RowError};

use self::invalid_rows::InvalidRows;
use self::lines::LineCounter;
use self::row::{COLUMNS, Columns};

/// The maximum size of a file: a hundred times the day bars of a century. A larger file is no bar file, and it is read as a whole.
const FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Reads one file of day bars, in ascending order.
///
/// # Errors
/// [`CsvError`]: an unreadable file, a missing or repeated column, no bars, or all rows that are not valid bars in ascending order.
pub fn read_bars(path: &Path) -> Result<Vec<Bar>, CsvError> {
    Ok(read(path, None)?.bars)
}

/// The valid bars of a range.
pub(super) struct RangeOfFile {
    pub(super) bars: Vec<Bar>,
    /// The open time of the last valid bar of the file, within the range or not.
    pub(super) last_open: Timestamp,
}

/// Reads the bars of a file that open within `range`, in ascending order. Rows outside the range may be invalid.
///
/// # Errors
/// [`CsvError`]: as [`read_bars`], for the rows of the range.
pub(super) fn read_range(path: &Path, range: Interval) -> Result<RangeOfFile, CsvError> {
    read(path, Some(range))
}

fn read(path: &Path, range: Option<Interval>) -> Result<RangeOfFile, CsvError> {
    let content = content(path)?;
    let text = content.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&content);
    let mut lines = LineCounter::new(text);
    let mut reader =
        csv::ReaderBuilder::new().has_headers(false).flexible(true).trim(csv::Trim::All).from_reader(text);
    let mut columns: Option<Columns> = None;
    let mut rows = Rows::new(range);
    let mut record = csv::ByteRecord::new();
    let malformed = |cause| CsvError::Malformed { path: path.to_path_buf(), cause };
    while reader.read_byte_record(&mut record).map_err(malformed)? {
        let line = lines.line_at(record.position().map_or(0, csv::Position::byte));
        match &columns {
            _ if row::is_empty(&record) => {}
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

/// Reads the file as a whole, so that an error of the device is no error of the content.
fn content(path: &Path) -> Result<Vec<u8>, CsvError> {
    let unreadable = |cause: std::io::Error| CsvError::Unreadable { path: path.to_path_buf(), cause };
    // Opening a pipe would wait for its writer.
    if !std::fs::metadata(path).map_err(unreadable)?.is_file() {
        return Err(CsvError::NotAFile { path: path.to_path_buf() });
    }
    let file = std::fs::File::open(path).map_err(unreadable)?;
    let bytes = file.metadata().map_err(unreadable)?.len();
    if bytes > FILE_BYTES_MAX {
        return Err(CsvError::TooLarge { path: path.to_path_buf(), bytes, max: FILE_BYTES_MAX });
    }
    let mut content = Vec::new();
    // The file may grow while it is read.
    file.take(FILE_BYTES_MAX).read_to_end(&mut content).map_err(unreadable)?;
    Ok(content)
}

fn header(path: &Path, line: u64, names: &csv::ByteRecord) -> Result<Columns, CsvError> {
    let mut indexes = [0_usize; COLUMNS.len()];
    for (index, column) in indexes.iter_mut().zip(COLUMNS) {
        let mut found = (0..names.len()).filter(|at| names[*at].eq_ignore_ascii_case(column.as_bytes()));
        let path = || path.to_path_buf();
        *index = found.next().ok_or_else(|| CsvError::MissingColumn { path: path(), line, column })?;
        if found.next().is_some() {
            return Err(CsvError::RepeatedColumn { path: path(), line, column });
        }
    }
    Ok(Columns { indexes, count: names.len() })
}

/// The rows of a file so far.
struct Rows {
    /// `None` for all times.
    range: Option<Interval>,
    /// The valid bars of the range.
    bars: Vec<Bar>,
    last_open: Option<Timestamp>,
    last_date: Option<Date>,
    invalid: InvalidRows,
    /// Rows without a date after `last_date`. The next date decides whether they concern the range.
    undated: InvalidRows,
}

impl Rows {
    fn new(range: Option<Interval>) -> Self {
        Self {
            range,
            bars: Vec::new(),
            last_open: None,
            last_date: None,
            invalid: InvalidRows::default(),
            undated: InvalidRows::default(),
        }
    }

    fn add(&mut self, line: u64, record: &csv::ByteRecord, columns: &Columns) {
        let date = match columns.date(record) {
            Ok(date) => date,
            Err(cause) => return self.undated.push(line, cause),
        };
        let is_in_range = self.contains(calendar::day_open(date));
        if let Some(previous) = self.last_date.filter(|previous| date <= *previous) {
            if is_in_range {
                let cause = match date == previous {
                    true => RowError::DuplicateDate { date },
                    false => RowError::UnsortedDate { date, previous },
                };
                self.invalid.push(line, cause);
            }
            return;
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
            Err(cause) if is_in_range => self.invalid.push(line, cause),
            Err(_) => {}
        }
    }

    /// Decides whether the rows without a date concern the range, given the date after them; `None` at the end of the file.
    fn place_undated(&mut self, next: Option<Date>) {
        let undated = std::mem::take(&mut self.undated);
        let after =
            self.last_date.map_or(i64::MIN, |date| calendar::day_open(date).micros().saturating_add(1));
        let before = next.map_or(i64::MAX, |date| calendar::day_open(date).micros());
        let between = Interval::new(Timestamp::from_micros(after), Timestamp::from_micros(before)).ok();
        let concerns = match self.range {
            None => true,
            Some(range) => between.is_some_and(|between| between.intersection(range).is_some()),
        };
        if concerns {
            self.invalid.append(undated);
        }
    }

    fn contains(&self, open_time: Timestamp) -> bool {
        self.range.is_none_or(|range| range.contains(open_time))
    }

    fn finish(mut self, path: &Path) -> Result<RangeOfFile, CsvError> {
        self.place_undated(None);
        let path = || path.to_path_buf();
        if let Some((rows, count)) = self.invalid.into_rows() {
            return Err(CsvError::InvalidRows { path: path(), rows, count });
        }
        let last_open = self.last_open.ok_or_else(|| CsvError::NoBars { path: path() })?;
        Ok(RangeOfFile { bars: self.bars, last_open })
    }
}

#[cfg(test)]
mod tests;

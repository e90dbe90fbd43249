//! Errors of a file.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use contracts::bounds::cut;
use domain::{BarError, Timeframe, Timestamp};
use jiff::civil::Date;

/// The time after the last change in which an incomplete file counts as being written. Longer than a program waits between the parts of a
/// row, short compared with the time to the next request.
pub(super) const WRITING: Duration = Duration::from_secs(10);

/// The maximum number of invalid rows that an error lists. The others are counted: an operator repairs the kind, not row by row.
pub(super) const LISTED_ROWS_MAX: usize = 20;

/// The maximum number of bytes of a field that an error quotes. A field has no bound: an unclosed quote makes it the rest of the file.
pub(super) const QUOTED_BYTES_MAX: usize = 80;

/// Error of a file. The text begins with the file; [`kit::ErrorChain`] renders it with its causes.
#[derive(Debug, thiserror::Error)]
pub enum CsvError {
    /// The file cannot be opened or read.
    #[error("{}: failed to read", path.display())]
    Unreadable {
        path: PathBuf,
        #[source]
        cause: std::io::Error,
    },
    /// The object of a bucket cannot be read.
    #[error("{}: failed to read", path.display())]
    Unserved {
        path: PathBuf,
        next: NextAttempt,
        #[source]
        cause: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A folder, a pipe or a device.
    #[error("{}: not a regular file", path.display())]
    NotAFile { path: PathBuf },
    /// The file is not complete and was changed a moment ago.
    #[error("{}: {}, and the file was changed less than {} s ago", path.display(), missing, WRITING.as_secs())]
    BeingWritten {
        path: PathBuf,
        missing: MissingEnd,
        /// The time from which the file may be read, unless it is changed again (wall clock).
        until: Timestamp,
    },
    /// The file, or its decompressed content, is larger than permitted.
    #[error("{}: {bytes} bytes, at most {max} are allowed", path.display())]
    TooLarge { path: PathBuf, bytes: u64, max: u64 },
    /// The compressed content is not that of a whole file.
    #[error("{}: failed to decompress", path.display())]
    InvalidCompression {
        path: PathBuf,
        #[source]
        cause: std::io::Error,
    },
    /// The content is not that of a whole Parquet file, or has parts that are not read.
    #[error("{}: failed to read as Parquet", path.display())]
    InvalidParquet {
        path: PathBuf,
        #[source]
        cause: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A column of a Parquet file has values without a text, such as lists.
    #[error("{}: column `{column}` has the type {of}, which is not read", path.display())]
    OtherType { path: PathBuf, column: &'static str, of: String },
    /// The format that the first bytes show.
    #[error("{}: file is {format}, expected CSV in UTF-8", path.display())]
    OtherFormat { path: PathBuf, format: &'static str },
    /// The header lacks a column.
    #[error("{}: column `{column}` is missing; the header must name {columns}", AtLine(path, *line))]
    MissingColumn { path: PathBuf, line: Option<u64>, column: &'static str, columns: String },
    /// The header names a column twice: either may be meant.
    #[error("{}: column `{column}` is named twice", AtLine(path, *line))]
    RepeatedColumn { path: PathBuf, line: Option<u64>, column: &'static str },
    /// The header is not one line.
    #[error("{}: header: {cause}", AtLine(path, *line))]
    InvalidHeader { path: PathBuf, line: Option<u64>, cause: RowError },
    /// No row of the file is a valid record; for example, it has a header alone.
    #[error("{}: no valid row follows the header", path.display())]
    NoRecords { path: PathBuf },
    /// Rows are not valid records.
    #[error("{}", RowsText { path, rows, count: *count })]
    InvalidRows {
        path: PathBuf,
        /// The first invalid rows, in order.
        rows: Vec<InvalidRow>,
        /// The number of all invalid rows.
        count: u64,
    },
}

/// The time of the next attempt to read the object of a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NextAttempt {
    /// It fails as well.
    Never,
    Later,
    /// From this time (wall clock) on, which the server names.
    From(Timestamp),
    /// There is no such object yet.
    NotFound,
}

/// Evidence that a file is not complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MissingEnd {
    /// The last row may be half of a row.
    #[error("its last line has no line end")]
    LineEnd,
    /// The file is empty, or ends before its first valid row.
    #[error("it has no valid row")]
    Records,
    /// The compressed content ends early.
    #[error("its compressed content is not complete")]
    Compressed,
    /// The footer of a Parquet file is its end.
    #[error("it is no whole Parquet file")]
    Footer,
}

/// An invalid row of a file.
#[derive(Debug, Clone, PartialEq)]
pub struct InvalidRow {
    /// The number of the first line of the row; the first line of the file is line 1. In a Parquet file the number of the row, from 1.
    pub line: u64,
    pub cause: RowError,
}

/// Error of one row of a file.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum RowError {
    /// The field may contain the rows of its lines.
    #[error("quoted field spans {lines} lines, but a row is one line")]
    LineBreak {
        /// The number of lines of the record.
        lines: u64,
    },
    /// The rest of the file is one field.
    #[error("quoted field is not closed")]
    UnclosedQuote,
    #[error("{fields} fields, but the header has {columns}")]
    TooManyFields { fields: usize, columns: usize },
    #[error("{column}: field is missing")]
    MissingField { column: &'static str },
    #[error("{column}: `{text}` is not a date (YYYY-MM-DD)")]
    InvalidDate { column: &'static str, text: String },
    #[error("{column}: `{text}` {expected}")]
    InvalidTime { column: &'static str, text: String, expected: &'static str },
    #[error("{column}: `{text}` is not a number")]
    InvalidNumber { column: &'static str, text: String },
    #[error("{column}: `{text}` is not UTF-8 of at most {bytes_max} bytes")]
    InvalidText { column: &'static str, text: String, bytes_max: usize },
    #[error("symbol: `{text}` is not a symbol")]
    InvalidSymbol { text: String },
    #[error("{column}: {value} is not {expected}")]
    OutOfRange { column: &'static str, value: f64, expected: &'static str },
    #[error("{column}: no {timeframe} bar opens at {time}")]
    NotAligned { column: &'static str, time: String, timeframe: Timeframe },
    #[error("{column}: {time} is not within {date}, the date of the file in New York")]
    OtherDate { column: &'static str, time: String, date: Date },
    #[error("{column}: duplicate {column} {time}")]
    Duplicate { column: &'static str, time: String },
    #[error("{column}: {time} follows {previous}; {column}s must be ascending")]
    Unsorted { column: &'static str, time: String, previous: String },
    #[error("{column}: the record of {time} is not complete yet")]
    NotClosed { column: &'static str, time: String },
    #[error(transparent)]
    InvalidBar(#[from] BarError),
}

/// The text of a path and a line of it, if it has one.
struct AtLine<'a>(&'a Path, Option<u64>);

/// Invalid rows as one text: the first with the path, the others with their lines.
struct RowsText<'a> {
    path: &'a Path,
    rows: &'a [InvalidRow],
    count: u64,
}

// === impl CsvError ===

impl CsvError {
    /// Returns `true` if another attempt may succeed: the file was not read. Invalid content is permanent.
    #[must_use]
    pub const fn is_temporary(&self) -> bool {
        match self {
            Self::Unreadable { .. } | Self::BeingWritten { .. } => true,
            Self::Unserved { next, .. } => !matches!(next, NextAttempt::Never),
            _ => false,
        }
    }

    /// Returns the time from which a file that is being written may be read. `None` for other errors.
    pub(in crate::sources) const fn readable_from(&self) -> Option<Timestamp> {
        match self {
            Self::BeingWritten { until, .. } => Some(*until),
            _ => None,
        }
    }

    /// Returns the time from which a server accepts requests again. `None` for other errors.
    pub(in crate::sources) const fn served_from(&self) -> Option<Timestamp> {
        match self {
            Self::Unserved { next: NextAttempt::From(until), .. } => Some(*until),
            _ => None,
        }
    }

    /// Returns `true` if there is no such file.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        match self {
            Self::Unreadable { cause, .. } => cause.kind() == std::io::ErrorKind::NotFound,
            Self::Unserved { next, .. } => *next == NextAttempt::NotFound,
            _ => false,
        }
    }
}

// === impl AtLine ===

impl fmt::Display for AtLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(path, line) = self;
        write!(f, "{}", path.display())?;
        line.map_or(Ok(()), |line| write!(f, ":{line}"))
    }
}

// === impl RowsText ===

impl fmt::Display for RowsText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut listed = 0;
        for InvalidRow { line, cause } in self.rows {
            match listed {
                0 => write!(f, "{}:{line}: {cause}", self.path.display())?,
                _ => write!(f, "; line {line}: {cause}")?,
            }
            listed += 1;
        }
        match self.count.saturating_sub(listed) {
            0 => Ok(()),
            more => write!(f, "; and {more} more rows"),
        }
    }
}

/// Returns a field for an error text: shortened, with control characters escaped and invalid UTF-8 replaced.
pub(super) fn quoted(field: &[u8]) -> String {
    // Four bytes more, so that a shortened character is cut off and not replaced.
    let text = String::from_utf8_lossy(&field[..field.len().min(QUOTED_BYTES_MAX + 4)]);
    let short = cut(&text, QUOTED_BYTES_MAX);
    let end = if field.len() > QUOTED_BYTES_MAX { "…" } else { "" };
    format!("{}{end}", short.escape_debug())
}

#[cfg(test)]
mod tests {
    use super::{QUOTED_BYTES_MAX, quoted};

    #[test]
    fn quoted_field_is_short_and_has_no_control_characters() {
        assert_eq!(quoted(b"1x"), "1x");
        assert_eq!(quoted("٢".as_bytes()), "٢");
        assert_eq!(quoted(b"caf\xe9"), "caf\u{fffd}");
        assert_eq!(quoted(b"a\nb\x1b]0;x\x07"), "a\\nb\\u{1b}]0;x\\u{7}");
        let long = quoted("é".repeat(1_000_000).as_bytes());
        assert_eq!(long, format!("{}…", "é".repeat(QUOTED_BYTES_MAX / 2)));
    }
}

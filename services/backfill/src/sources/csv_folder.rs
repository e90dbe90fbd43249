//! Folder of day bars with one file per symbol: `<SYMBOL>.csv` with the columns date, open, high, low, close, volume.

use std::path::{Path, PathBuf};

use domain::{Bar, BarError, DataType, Interval, Symbol, Timeframe, calendar};
use jiff::civil::Date;

use super::source::{Source, SourceError, bars_within};

const NAME: &str = "csv";

const COLUMNS: [&str; 6] = ["date", "open", "high", "low", "close", "volume"];

/// Error of a bar file. The text begins with file and line; [`super::error_chain`] renders it with its causes.
#[derive(Debug, thiserror::Error)]
pub enum CsvError {
    /// The file cannot be opened or read.
    #[error("{}: failed to read", path.display())]
    Unreadable {
        path: PathBuf,
        #[source]
        cause: csv::Error,
    },
    /// The header lacks a column.
    #[error("{}:1: column `{column}` is missing; the header must name date, open, high, low, close, volume", path.display())]
    MissingColumn { path: PathBuf, column: &'static str },
    /// A line is not a valid bar.
    #[error("{}:{line}", path.display())]
    InvalidRow {
        path: PathBuf,
        /// The line number; the header is line 1.
        line: u64,
        #[source]
        cause: RowError,
    },
}

/// Error of one line of a bar file.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum RowError {
    #[error("{fields} fields, but the header has {columns}")]
    TooManyFields { fields: usize, columns: usize },
    #[error("{column}: field is missing")]
    MissingField { column: &'static str },
    #[error("date: `{text}` is not a date (YYYY-MM-DD)")]
    InvalidDate { text: String },
    #[error("{column}: `{text}` is not a number")]
    InvalidNumber { column: &'static str, text: String },
    #[error("date: duplicate date {date}")]
    DuplicateDate { date: Date },
    #[error("date: {date} follows {previous}; dates must be ascending")]
    UnsortedDate { date: Date, previous: Date },
    #[error(transparent)]
    InvalidBar(#[from] BarError),
}

/// Reads one file of day bars, in ascending order.
///
/// # Errors
/// The first [`CsvError`]: an unreadable file, a missing column, an invalid number or date, dates that are not strictly ascending, or a
/// bar whose low and high do not enclose open and close.
pub fn read_bars(path: &Path) -> Result<Vec<Bar>, CsvError> {
    let unreadable = |cause: csv::Error| CsvError::Unreadable { path: path.to_path_buf(), cause };
    let mut reader =
        csv::ReaderBuilder::new().trim(csv::Trim::All).flexible(true).from_path(path).map_err(unreadable)?;
    let header = reader.headers().map_err(unreadable)?.clone();
    let mut indexes = [0_usize; 6];
    for (index, column) in indexes.iter_mut().zip(COLUMNS) {
        *index = header
            .iter()
            .position(|name| name.eq_ignore_ascii_case(column))
            .ok_or_else(|| CsvError::MissingColumn { path: path.to_path_buf(), column })?;
    }
    let mut bars: Vec<Bar> = Vec::new();
    let mut previous: Option<Date> = None;
    for row in reader.records() {
        let row = row.map_err(unreadable)?;
        let line = row.position().map_or(0, csv::Position::line);
        let (date, bar) = parse_row(&row, header.len(), &indexes, previous)
            .map_err(|cause| CsvError::InvalidRow { path: path.to_path_buf(), line, cause })?;
        previous = Some(date);
        bars.push(bar);
    }
    Ok(bars)
}

fn parse_row(
    row: &csv::StringRecord,
    columns: usize,
    indexes: &[usize; 6],
    previous: Option<Date>,
) -> Result<(Date, Bar), RowError> {
    if row.len() > columns {
        return Err(RowError::TooManyFields { fields: row.len(), columns });
    }
    let field = |i: usize| row.get(indexes[i]).ok_or(RowError::MissingField { column: COLUMNS[i] });
    let text = field(0)?;
    let date: Date = text.parse().map_err(|_| RowError::InvalidDate { text: text.to_owned() })?;
    let number = |i: usize| {
        let text = field(i)?;
        let number = text.parse::<f64>().ok().filter(|number| number.is_finite());
        number.ok_or_else(|| RowError::InvalidNumber { column: COLUMNS[i], text: text.to_owned() })
    };
    let bar = Bar {
        open_time: calendar::day_open(date),
        open: number(1)?,
        high: number(2)?,
        low: number(3)?,
        close: number(4)?,
        volume: number(5)?,
    };
    bar.validate()?;
    match previous {
        Some(previous) if date == previous => Err(RowError::DuplicateDate { date }),
        Some(previous) if date < previous => Err(RowError::UnsortedDate { date, previous }),
        _ => Ok((date, bar)),
    }
}

/// The folder as a source of day bars.
#[derive(Debug, Clone)]
pub struct CsvFolder {
    folder: PathBuf,
}

impl CsvFolder {
    /// Returns a source over `folder`. It reads a file at each request, so files may be added or extended while the service runs.
    #[must_use]
    pub fn new(folder: PathBuf) -> Self {
        Self { folder }
    }
}

impl Source for CsvFolder {
    fn name(&self) -> &'static str {
        NAME
    }

    fn serves(&self, data_type: DataType, timeframe: Timeframe) -> bool {
        data_type == DataType::MarketData && timeframe == Timeframe::Day1
    }

    fn bars(&self, symbol: Symbol, timeframe: Timeframe, range: Interval) -> Result<Vec<Bar>, SourceError> {
        let path = self.folder.join(format!("{symbol}.csv"));
        if timeframe != Timeframe::Day1 || !path.exists() {
            return Ok(Vec::new());
        }
        let bars = read_bars(&path).map_err(|error| match error {
            CsvError::Unreadable { .. } => SourceError::transient(NAME, error),
            CsvError::MissingColumn { .. } | CsvError::InvalidRow { .. } => {
                SourceError::permanent(NAME, error)
            }
        })?;
        Ok(bars_within(bars, range))
    }
}

#[cfg(test)]
mod tests {
    use super::super::error_chain;
    use super::*;

    const HEADER: &str = "date,open,high,low,close,volume\n";

    /// The error of a file with this text, without the path.
    fn error_of(text: &str) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("AAPL.csv");
        std::fs::write(&path, text).unwrap();
        let error = error_chain(&read_bars(&path).unwrap_err());
        assert!(error.contains("AAPL.csv:"), "{error} must name the file");
        error.split("AAPL.csv:").last().unwrap().to_owned()
    }

    #[test]
    fn missing_column_is_named() {
        let error = error_of("date,open,high,low,volume\n2004-01-02,1,1,1,1\n");
        assert!(error.starts_with("1: column `close` is missing"), "{error}");
    }

    #[test]
    fn unreadable_file_is_named_with_the_cause() {
        let error = error_chain(&read_bars(Path::new("/missing/AAPL.csv")).unwrap_err());
        assert!(error.starts_with("/missing/AAPL.csv: failed to read: No such file"), "{error}");
    }

    #[test]
    fn invalid_field_is_named_with_line_and_column() {
        let text = format!("{HEADER}2004-01-02,1,1,1,1,10\n2004-01-05,1,1,1,1x,10\n");
        assert_eq!(error_of(&text), "3: close: `1x` is not a number");
        for (row, error) in [
            ("2004-01-02,1,1,1,NaN,10", "2: close: `NaN` is not a number"),
            ("2004-01-02,1,1", "2: low: field is missing"),
            ("2 Jan,1,1,1,1,1", "2: date: `2 Jan` is not a date (YYYY-MM-DD)"),
        ] {
            assert_eq!(error_of(&format!("{HEADER}{row}\n")), error);
        }
    }

    #[test]
    fn line_with_too_many_fields_is_rejected() {
        let error = error_of(&format!("{HEADER}2004-01-02,1,1,1,1,1,9\n"));
        assert_eq!(error, "2: 7 fields, but the header has 6");
    }

    #[test]
    fn unsorted_and_duplicate_dates_are_rejected() {
        let text = format!("{HEADER}2004-01-05,1,1,1,1,10\n2004-01-02,1,1,1,1,10\n");
        assert_eq!(error_of(&text), "3: date: 2004-01-02 follows 2004-01-05; dates must be ascending");
        let text = format!("{HEADER}2004-01-05,1,1,1,1,10\n2004-01-05,1,1,1,1,10\n");
        assert_eq!(error_of(&text), "3: date: duplicate date 2004-01-05");
    }

    #[test]
    fn high_below_low_is_rejected() {
        let error = error_of(&format!("{HEADER}2004-01-05,1,0.5,1,1,10\n"));
        assert!(error.starts_with("2: ") && error.contains("high"), "{error}");
    }

    #[test]
    fn only_bars_that_open_within_the_range_are_returned() {
        let folder = tempfile::tempdir().unwrap();
        let text = format!("{HEADER}2004-01-02,1,1,1,1,10\n2004-01-05,2,2,2,2,10\n2004-01-06,3,3,3,3,10\n");
        std::fs::write(folder.path().join("AAPL.csv"), text).unwrap();
        let source = CsvFolder::new(folder.path().to_path_buf());
        let day = |d: i8| calendar::day_open(jiff::civil::date(2004, 1, d));
        let range = Interval::from_inclusive(day(2), day(5)).unwrap();
        let aapl = Symbol::parse("AAPL").unwrap();
        let opens: Vec<f64> =
            source.bars(aapl, Timeframe::Day1, range).unwrap().iter().map(|b| b.open).collect();
        assert_eq!(opens, [1.0, 2.0]);
        let unknown = Symbol::parse("MSFT").unwrap();
        assert_eq!(source.bars(unknown, Timeframe::Day1, range).unwrap(), []);
    }
}

//! A folder of day bars, one file a symbol: `<SYMBOL>.csv` with the columns date, open, high, low, close, volume.

use std::path::{Path, PathBuf};

use domain::{Bar, DataType, Interval, Symbol, Timeframe, calendar};
use jiff::civil::Date;

use super::{Source, SourceError};

/// What is wrong with a bar file, and where: file, line and column.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CsvError {
    /// The file can't be opened or read.
    #[error("{}: {cause}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        cause: String,
    },
    /// A column that every bar needs isn't in the header.
    #[error("{}:1: column `{column}` is missing; the header must name date, open, high, low, close, volume", path.display())]
    MissingColumn {
        /// The file.
        path: PathBuf,
        /// The column.
        column: &'static str,
    },
    /// A line that is no bar.
    #[error("{}:{line}: {cause}", path.display())]
    BadLine {
        /// The file.
        path: PathBuf,
        /// Its line, the header being 1.
        line: u64,
        /// What is wrong with it.
        cause: String,
    },
}

const COLUMNS: [&str; 6] = ["date", "open", "high", "low", "close", "volume"];

/// Reads one file of day bars, oldest first.
///
/// # Errors
/// The first [`CsvError`]: a missing column, a number or date that can't be read, dates that don't rise strictly, a bar
/// whose low and high don't enclose open and close.
pub fn read_bars(path: &Path) -> Result<Vec<Bar>, CsvError> {
    let unreadable = |e: csv::Error| CsvError::Unreadable { path: path.to_path_buf(), cause: e.to_string() };
    let mut reader =
        csv::ReaderBuilder::new().trim(csv::Trim::All).flexible(true).from_path(path).map_err(unreadable)?;
    let header = reader.headers().map_err(unreadable)?.clone();
    let mut at = [0_usize; 6];
    for (slot, column) in at.iter_mut().zip(COLUMNS) {
        *slot = header
            .iter()
            .position(|name| name.eq_ignore_ascii_case(column))
            .ok_or_else(|| CsvError::MissingColumn { path: path.to_path_buf(), column })?;
    }
    let mut bars: Vec<Bar> = Vec::new();
    let mut before: Option<Date> = None;
    for row in reader.records() {
        let row = row.map_err(unreadable)?;
        let line = row.position().map_or(0, csv::Position::line);
        let bad = |cause: String| CsvError::BadLine { path: path.to_path_buf(), line, cause };
        if row.len() > header.len() {
            return Err(bad(format!("{} fields, but the header names {}", row.len(), header.len())));
        }
        let (date, bar) = parse_row(&row, &at).map_err(bad)?;
        match before {
            Some(earlier) if date == earlier => return Err(bad(format!("date: {date} stands twice"))),
            Some(earlier) if date < earlier => {
                return Err(bad(format!("date: {date} comes after {earlier}; dates must rise")));
            }
            _ => before = Some(date),
        }
        bars.push(bar);
    }
    Ok(bars)
}

fn parse_row(row: &csv::StringRecord, at: &[usize; 6]) -> Result<(Date, Bar), String> {
    let field =
        |i: usize| row.get(at[i]).ok_or_else(|| format!("{}: the line ends before this column", COLUMNS[i]));
    let text = field(0)?;
    let date: Date = text.parse().map_err(|_| format!("date: `{text}` is not a date (YYYY-MM-DD)"))?;
    let number = |i: usize| {
        let text = field(i)?;
        text.parse::<f64>()
            .ok()
            .filter(|n| n.is_finite())
            .ok_or_else(|| format!("{}: `{text}` is not a number", COLUMNS[i]))
    };
    let bar = Bar {
        open_time: calendar::day_open(date),
        open: number(1)?,
        high: number(2)?,
        low: number(3)?,
        close: number(4)?,
        volume: number(5)?,
    };
    bar.validate().map_err(|fault| fault.to_string())?;
    Ok((date, bar))
}

/// The folder as a source of market data in day bars.
#[derive(Debug, Clone)]
pub struct CsvFolder {
    folder: PathBuf,
}

impl CsvFolder {
    /// A source over `folder`. Files are read when they are asked for, so they may come and grow while it runs.
    #[must_use]
    pub fn new(folder: PathBuf) -> Self {
        Self { folder }
    }
}

impl Source for CsvFolder {
    fn name(&self) -> &'static str {
        "csv"
    }

    fn serves(&self, data_type: DataType, timeframe: Timeframe) -> bool {
        data_type == DataType::MarketData && timeframe == Timeframe::Day1
    }

    fn bars(&self, symbol: Symbol, timeframe: Timeframe, range: Interval) -> Result<Vec<Bar>, SourceError> {
        let path = self.folder.join(format!("{symbol}.csv"));
        if timeframe != Timeframe::Day1 || !path.exists() {
            return Ok(Vec::new());
        }
        let bars = read_bars(&path).map_err(|fault| match fault {
            CsvError::Unreadable { .. } => {
                SourceError::Transient { source_name: "csv", cause: fault.to_string() }
            }
            _ => SourceError::Permanent { source_name: "csv", cause: fault.to_string() },
        })?;
        Ok(within(bars, range))
    }
}

/// Keeps the bars that open within the range.
pub(super) fn within(mut bars: Vec<Bar>, range: Interval) -> Vec<Bar> {
    bars.retain(|bar| range.contains(bar.open_time));
    bars
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "date,open,high,low,close,volume\n";

    fn fault_of(text: &str) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("AAPL.csv");
        std::fs::write(&path, text).unwrap();
        let fault = read_bars(&path).unwrap_err().to_string();
        assert!(fault.contains("AAPL.csv:"), "{fault} must name the file");
        fault.split("AAPL.csv:").last().unwrap().to_owned()
    }

    #[test]
    fn a_missing_column_is_named() {
        assert!(
            fault_of("date,open,high,low,volume\n2004-01-02,1,1,1,1\n")
                .starts_with("1: column `close` is missing")
        );
    }

    #[test]
    fn a_broken_number_is_named_with_line_and_column() {
        let text = format!("{HEADER}2004-01-02,1,1,1,1,10\n2004-01-05,1,1,1,1x,10\n");
        assert_eq!(fault_of(&text), "3: close: `1x` is not a number");
        assert_eq!(
            fault_of(&format!("{HEADER}2004-01-02,1,1,1,NaN,10\n")),
            "2: close: `NaN` is not a number"
        );
        assert_eq!(
            fault_of(&format!("{HEADER}2004-01-02,1,1\n")),
            "2: low: the line ends before this column"
        );
        assert_eq!(
            fault_of(&format!("{HEADER}2 Jan,1,1,1,1,1\n")),
            "2: date: `2 Jan` is not a date (YYYY-MM-DD)"
        );
    }

    #[test]
    fn a_line_with_more_fields_than_the_header_is_refused() {
        let fault = fault_of(&format!("{HEADER}2004-01-02,1,1,1,1,1,9\n"));
        assert_eq!(fault, "2: 7 fields, but the header names 6");
    }

    #[test]
    fn unsorted_and_doubled_dates_are_refused() {
        let text = format!("{HEADER}2004-01-05,1,1,1,1,10\n2004-01-02,1,1,1,1,10\n");
        assert_eq!(fault_of(&text), "3: date: 2004-01-02 comes after 2004-01-05; dates must rise");
        let text = format!("{HEADER}2004-01-05,1,1,1,1,10\n2004-01-05,1,1,1,1,10\n");
        assert_eq!(fault_of(&text), "3: date: 2004-01-05 stands twice");
    }

    #[test]
    fn high_below_low_is_refused() {
        let fault = fault_of(&format!("{HEADER}2004-01-05,1,0.5,1,1,10\n"));
        assert!(fault.starts_with("2: ") && fault.contains("high"), "{fault}");
    }

    #[test]
    fn a_range_gives_the_bars_that_open_in_it_and_an_unknown_symbol_none() {
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
        let other = Symbol::parse("MSFT").unwrap();
        assert_eq!(source.bars(other, Timeframe::Day1, range).unwrap(), []);
    }
}

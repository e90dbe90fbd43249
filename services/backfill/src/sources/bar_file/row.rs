//! One row of a bar file.

use domain::{Bar, calendar};
use jiff::civil::Date;

use super::error::{RowError, quoted};
use super::records::Record;

pub(super) const COLUMNS: [&str; 6] = ["date", "open", "high", "low", "close", "volume"];

/// The indexes of the columns. Other columns are not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Columns {
    /// In the order of [`COLUMNS`].
    pub(super) indexes: [usize; COLUMNS.len()],
    /// The number of columns of the header.
    pub(super) count: usize,
}

impl Columns {
    /// Returns the date of a row.
    pub(super) fn date(&self, row: &Record<'_>) -> Result<Date, RowError> {
        let field = self.field(row, 0)?;
        let date = std::str::from_utf8(field).ok().and_then(|text| text.parse().ok());
        date.ok_or_else(|| RowError::InvalidDate { text: quoted(field) })
    }

    /// Returns the bar of a row with this date.
    pub(super) fn bar(&self, row: &Record<'_>, date: Date) -> Result<Bar, RowError> {
        if row.len > self.count {
            return Err(RowError::TooManyFields { fields: row.len, columns: self.count });
        }
        let number = |column: usize| {
            let field = self.field(row, column)?;
            let number = std::str::from_utf8(field).ok().and_then(|text| text.parse::<f64>().ok());
            number
                .filter(|number| number.is_finite())
                .ok_or_else(|| RowError::InvalidNumber { column: COLUMNS[column], text: quoted(field) })
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
        Ok(bar)
    }

    fn field<'r>(&self, row: &Record<'r>, column: usize) -> Result<&'r [u8], RowError> {
        row.get(self.indexes[column]).ok_or(RowError::MissingField { column: COLUMNS[column] })
    }
}

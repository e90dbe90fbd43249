//! Layout of a file: its columns, and which of its rows belong to a series.

use std::path::Path;

use domain::calendar::Date;
use domain::{Symbol, Timestamp};

use super::error::{CsvError, RowError, quoted};
use super::format::Format;
use super::records::Record;
use super::row::{Columns, Row};
use crate::rules::file_columns::SYMBOL;

/// The layout of a file of records of a format.
#[derive(Debug, Clone)]
pub(in crate::sources) struct Layout<'l, F> {
    pub(in crate::sources) format: F,
    /// Names of columns in headers, with the names that they replace here: (`time`, `timestamp`).
    pub(in crate::sources) aliases: &'l [(String, String)],
    /// The symbol whose rows are read. `None` if the file has one symbol and no column of it is read.
    pub(in crate::sources) symbol: Option<Symbol>,
    /// The only date in New York that the file has. `None` if it has any.
    pub(in crate::sources) date: Option<Date>,
}

impl<F: Format> Layout<'_, F> {
    /// Returns the layout of a file of one symbol, with the names of the format.
    pub(in crate::sources) const fn of_one_symbol(format: F) -> Self {
        Self { format, aliases: &[], symbol: None, date: None }
    }

    pub(super) fn time_column(&self) -> &'static str {
        self.format.columns().first().copied().unwrap_or_default()
    }

    /// Reads the header. `line` is its line in a text.
    pub(super) fn header(
        &self,
        path: &Path,
        line: Option<u64>,
        names: &Record<'_>,
    ) -> Result<Columns, CsvError> {
        let path = || path.to_path_buf();
        names.check_one_line().map_err(|cause| CsvError::InvalidHeader { path: path(), line, cause })?;
        let required = self.format.columns().iter().chain(self.symbol.map(|_| &SYMBOL));
        let required = required.map(|column| (*column, true));
        let optional = self.format.optional_columns().iter().map(|column| (*column, false));
        let mut indexes = Vec::new();
        for (column, is_required) in required.chain(optional) {
            let is_column = |at: &usize| names.get(*at).is_some_and(|name| self.is_name_of(column, name));
            let mut found = (0..names.len).filter(is_column);
            let index = found.next();
            if found.next().is_some() {
                return Err(CsvError::RepeatedColumn { path: path(), line, column });
            }
            if index.is_none() && is_required {
                return Err(self.missing_column(path(), line, column));
            }
            indexes.push((column, index));
        }
        Ok(Columns { indexes, count: names.len })
    }

    pub(super) fn missing_column(
        &self,
        path: std::path::PathBuf,
        line: Option<u64>,
        column: &'static str,
    ) -> CsvError {
        let mut columns = self.format.columns().join(", ");
        if self.symbol.is_some() {
            columns.push_str(", symbol");
        }
        CsvError::MissingColumn { path, line, column, columns }
    }

    fn is_name_of(&self, column: &str, name: &[u8]) -> bool {
        let is_alias =
            |(of, alias): &(String, String)| of == column && name.eq_ignore_ascii_case(alias.as_bytes());
        name.eq_ignore_ascii_case(column.as_bytes()) || self.aliases.iter().any(is_alias)
    }

    /// Returns `true` if the row belongs to the symbol.
    pub(super) fn is_of_symbol(&self, row: &Row<'_>) -> Result<bool, RowError> {
        let Some(symbol) = self.symbol else { return Ok(true) };
        let field = row.field(SYMBOL)?;
        let parsed = std::str::from_utf8(field).ok().and_then(|text| Symbol::parse(text).ok());
        let parsed = parsed.ok_or_else(|| RowError::InvalidSymbol { text: quoted(field) })?;
        Ok(parsed == symbol)
    }

    /// Returns the time of a row.
    pub(super) fn time(&self, row: &Row<'_>) -> Result<Timestamp, RowError> {
        let time = self.format.time(row)?;
        match self.date {
            Some(date) if domain::calendar::date_of(time) != date => {
                let (column, time) = (self.time_column(), self.format.text(time));
                Err(RowError::OtherDate { column, time, date })
            }
            _ => Ok(time),
        }
    }
}

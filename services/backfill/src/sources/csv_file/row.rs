//! One row of a file, and the columns of its header.

use domain::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::error::{RowError, quoted};
use super::records::Record;

/// The columns of a header that are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Columns {
    /// Their names and indexes. `None` for an optional column that the header does not name.
    pub(super) indexes: Vec<(&'static str, Option<usize>)>,
    /// The number of columns of the header.
    pub(super) count: usize,
}

/// A row.
#[derive(Debug, Clone, Copy)]
pub(in crate::sources) struct Row<'r> {
    pub(super) record: Record<'r>,
    pub(super) columns: &'r Columns,
}

impl<'r> Row<'r> {
    /// Checks that the row has no more fields than the header.
    pub(super) const fn check_length(&self) -> Result<(), RowError> {
        let (fields, columns) = (self.record.len, self.columns.count);
        if fields > columns { Err(RowError::TooManyFields { fields, columns }) } else { Ok(()) }
    }

    /// Returns a field of a required column, which may be empty.
    pub(in crate::sources) fn field(&self, column: &'static str) -> Result<&'r [u8], RowError> {
        self.at(column).ok_or(RowError::MissingField { column })
    }

    /// Returns a field that is not empty.
    pub(in crate::sources) fn optional(&self, column: &'static str) -> Option<&'r [u8]> {
        self.at(column).filter(|field| !field.is_empty())
    }

    pub(in crate::sources) fn date(&self, column: &'static str) -> Result<Date, RowError> {
        let field = self.field(column)?;
        let date = std::str::from_utf8(field).ok().and_then(|text| text.parse().ok());
        date.ok_or_else(|| RowError::InvalidDate { column, text: quoted(field) })
    }

    /// Returns a time with an offset, or in `zone` without one.
    pub(in crate::sources) fn time(
        &self,
        column: &'static str,
        zone: Option<&TimeZone>,
    ) -> Result<Timestamp, RowError> {
        parse_time(column, self.field(column)?, zone)
    }

    /// Returns a finite number.
    pub(in crate::sources) fn number(&self, column: &'static str) -> Result<f64, RowError> {
        let field = self.field(column)?;
        let number = std::str::from_utf8(field).ok().and_then(|text| text.parse::<f64>().ok());
        number
            .filter(|number| number.is_finite())
            .ok_or_else(|| RowError::InvalidNumber { column, text: quoted(field) })
    }

    /// Returns a text that is not empty and has at most `bytes_max` bytes.
    pub(in crate::sources) fn text(
        &self,
        column: &'static str,
        bytes_max: usize,
    ) -> Result<String, RowError> {
        let field = self.optional(column).ok_or(RowError::MissingField { column })?;
        let text = std::str::from_utf8(field).ok().filter(|text| text.len() <= bytes_max);
        let invalid = || RowError::InvalidText { column, text: quoted(field), bytes_max };
        text.map(str::to_owned).ok_or_else(invalid)
    }

    fn at(&self, column: &'static str) -> Option<&'r [u8]> {
        let (_, index) = self.columns.indexes.iter().find(|(name, _)| *name == column)?;
        self.record.get((*index)?)
    }
}

/// Parses a time with an offset, or in `zone` without one.
fn parse_time(column: &'static str, field: &[u8], zone: Option<&TimeZone>) -> Result<Timestamp, RowError> {
    let invalid = |expected| RowError::InvalidTime { column, text: quoted(field), expected };
    let text = std::str::from_utf8(field).unwrap_or_default();
    if let Ok(instant) = text.parse::<jiff::Timestamp>() {
        return Ok(Timestamp::from_micros(instant.as_microsecond()));
    }
    let is_date = text.len() < "2024-06-28 09".len();
    let local = text.parse::<jiff::civil::DateTime>().ok().filter(|_| !is_date);
    let local = local.ok_or_else(|| invalid("is not a time, such as 2024-06-28T09:30:00-04:00"))?;
    let zone = zone.ok_or_else(|| invalid("has no offset, and source.time_zone is not set"))?;
    let instant = zone.to_ambiguous_timestamp(local).unambiguous();
    let instant = instant.map_err(|_| invalid("is not one time in source.time_zone: clocks change"))?;
    Ok(Timestamp::from_micros(instant.as_microsecond()))
}

//! Formats: how the rows of a file are read as records.

use domain::calendar::{bar_close, date_of, day_open};
use domain::{Bar, Timeframe, Timestamp};
use jiff::tz::TimeZone;

use super::error::RowError;
use super::row::Row;
use crate::rules::file_columns::{BARS, DAY_BARS};

/// A kind of records.
pub(in crate::sources) trait Format {
    type Record: Clone + PartialEq;

    /// The columns that a header must name. The first has the time.
    fn columns(&self) -> &'static [&'static str];

    /// The columns that a header may name.
    fn optional_columns(&self) -> &'static [&'static str] {
        &[]
    }

    /// Returns the time of a row: the place of its record in the series.
    fn time(&self, row: &Row<'_>) -> Result<Timestamp, RowError>;

    /// Returns the record of a row with this time.
    fn record(&self, row: &Row<'_>, time: Timestamp) -> Result<Self::Record, RowError>;

    fn time_of(record: &Self::Record) -> Timestamp;

    /// Returns the id of a record that other records of the same time may follow. `None` if times are unique.
    fn id_of(record: &Self::Record) -> Option<&str>;

    /// Returns the end of the time that a record of this time fills alone.
    fn period_end(&self, time: Timestamp) -> Timestamp;

    /// Returns the time at which a record of this time is complete.
    fn complete_at(&self, time: Timestamp) -> Timestamp;

    /// Returns `true` if two records may have the same time.
    fn may_repeat(&self) -> bool;

    /// Returns the text of a time in errors.
    fn text(&self, time: Timestamp) -> String;
}

/// Bars of one timeframe. Day bars have a column `date`, others a column `time`.
#[derive(Debug, Clone)]
pub(in crate::sources) struct BarFormat {
    pub(in crate::sources) timeframe: Timeframe,
    /// The time zone of times without an offset.
    pub(in crate::sources) zone: Option<TimeZone>,
}

impl BarFormat {
    /// Day bars.
    pub(in crate::sources) const fn of_days() -> Self {
        Self { timeframe: Timeframe::Day1, zone: None }
    }
}

impl Format for BarFormat {
    type Record = Bar;

    fn columns(&self) -> &'static [&'static str] {
        if self.timeframe == Timeframe::Day1 { &DAY_BARS } else { &BARS }
    }

    fn time(&self, row: &Row<'_>) -> Result<Timestamp, RowError> {
        let Some(minutes) = self.timeframe.minutes() else { return Ok(day_open(row.date("date")?)) };
        let time = row.time("time", self.zone.as_ref())?;
        if time.micros().rem_euclid(minutes * 60_000_000) != 0 {
            let (time, timeframe) = (time.to_string(), self.timeframe);
            return Err(RowError::NotAligned { column: "time", time, timeframe });
        }
        Ok(time)
    }

    fn record(&self, row: &Row<'_>, time: Timestamp) -> Result<Bar, RowError> {
        let bar = Bar {
            open_time: time,
            open: row.number("open")?,
            high: row.number("high")?,
            low: row.number("low")?,
            close: row.number("close")?,
            volume: row.number("volume")?,
        };
        bar.validate()?;
        Ok(bar)
    }

    fn time_of(bar: &Bar) -> Timestamp {
        bar.open_time
    }

    fn id_of(_: &Bar) -> Option<&str> {
        None
    }

    fn period_end(&self, time: Timestamp) -> Timestamp {
        if let Some(minutes) = self.timeframe.minutes() {
            return time.saturating_add_micros(minutes * 60_000_000);
        }
        let date = date_of(time);
        day_open(date.tomorrow().unwrap_or(date))
    }

    fn complete_at(&self, time: Timestamp) -> Timestamp {
        bar_close(self.timeframe, time)
    }

    fn may_repeat(&self) -> bool {
        false
    }

    fn text(&self, time: Timestamp) -> String {
        if self.timeframe == Timeframe::Day1 { date_of(time).to_string() } else { time.to_string() }
    }
}

//! Files in a folder: bars of all timeframes, news and corporate actions as CSV or Parquet, at paths of a pattern
//! ([`crate::rules::path_pattern`]).
//!
//! | module | content |
//! |---|---|
//! | `formats` | news and corporate actions; bars are a format of `csv_file` |
//! | `dated` | series with a file per date |
//!
//! A file is read at each request, so files may be added while the service runs, and replaced by rename or extended by whole lines.

mod dated;
mod formats;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use chassis::Clock;
use domain::{DataType, Interval, Symbol, Timeframe, Timestamp};
use jiff::tz::TimeZone;

use self::formats::{ActionFormat, NewsFormat};
use super::csv_file::{BarFormat, CsvError, Excerpt, FILE_BYTES_MAX, Format, Layout, Limits, read_range};
use super::records::{Action, News};
use super::source::{Part, Source, SourceBars, SourceError};
use crate::config::SourceSection;
use crate::rules::path_pattern::{PathPattern, PatternError};
use crate::rules::series::Series;

/// The maximum size of a file, compressed and not: bars of a minute of two years.
pub(super) const LARGE_FILE_BYTES_MAX: u64 = 2 * FILE_BYTES_MAX;

/// A folder as a source.
#[derive(Debug, Clone)]
pub struct Files {
    name: &'static str,
    folder: PathBuf,
    pattern: PathPattern,
    zone: Option<TimeZone>,
    /// Names of columns in headers, with the names that they replace.
    aliases: Vec<(String, String)>,
    limits: Limits,
    clock: Arc<dyn Clock>,
}

/// A series without a file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no file {}", path.display())]
struct NoFile {
    path: PathBuf,
}

impl Files {
    /// Returns a source over a folder with files `<SYMBOL>.csv` of day bars.
    #[must_use]
    pub fn of_day_bars(folder: PathBuf, clock: Arc<dyn Clock>) -> Self {
        let (pattern, limits) = (PathPattern::of_symbols(), Limits::default());
        Self { name: "csv", folder, pattern, zone: None, aliases: Vec::new(), limits, clock }
    }

    /// Returns the source of a section of kind `files`.
    ///
    /// # Errors
    /// The section has not been validated.
    pub fn new(section: &SourceSection, clock: Arc<dyn Clock>) -> Result<Self, PatternError> {
        Ok(Self {
            name: "files",
            folder: section.folder.clone(),
            pattern: PathPattern::parse(&section.path_pattern)?,
            zone: section.zone(),
            aliases: section.aliases(),
            limits: Limits { bytes_max: LARGE_FILE_BYTES_MAX, has_formats: true },
            clock,
        })
    }

    fn read<F: Format>(
        &self,
        format: F,
        series: Series,
        range: Interval,
    ) -> Result<Part<Vec<F::Record>>, SourceError> {
        let symbol = (!self.pattern.has_symbol()).then_some(series.symbol);
        let layout = Layout { format, aliases: &self.aliases, symbol, date: None };
        if self.pattern.has_date() {
            return self.read_dates(layout, series, range);
        }
        let path = self.folder.join(self.pattern.path(series, None));
        let part = read_range(&path, self.limits, &layout, self.excerpt(range));
        let part = part.map_err(|error| self.error(series.symbol, &path, error))?;
        let defects = part.defects(&path);
        Ok(Part { defects, ..Part::up_to(part.last.saturating_add_micros(1), part.records) })
    }

    fn excerpt(&self, range: Interval) -> Excerpt {
        Excerpt { range, now: Timestamp::from_micros(self.clock.wall_micros()) }
    }

    /// Classifies the error of a file. An absent file is an unknown symbol only while the folder is there.
    fn error(&self, symbol: Symbol, path: &Path, error: CsvError) -> SourceError {
        if error.is_not_found() && self.pattern.has_symbol() && self.folder.is_dir() {
            SourceError::unknown_symbol(self.name, symbol, NoFile { path: path.to_path_buf() })
        } else if let Some(until) = error.readable_from() {
            SourceError::being_written(self.name, until, error)
        } else if error.is_temporary() {
            SourceError::transient(self.name, error)
        } else if matches!(error, CsvError::InvalidRows { .. }) {
            SourceError::invalid_range(self.name, error)
        } else {
            SourceError::permanent(self.name, error)
        }
    }
}

impl Source for Files {
    fn name(&self) -> &'static str {
        self.name
    }

    fn serves(&self, data_type: DataType, timeframe: Option<Timeframe>) -> bool {
        self.pattern.has_place(data_type, timeframe)
    }

    /// The horizon is the time of the file's last bar that has closed + 1 µs: a later bar may be appended.
    fn bars(&self, symbol: Symbol, timeframe: Timeframe, range: Interval) -> Result<SourceBars, SourceError> {
        let series = Series { symbol, data_type: DataType::MarketData, timeframe: Some(timeframe) };
        if !self.serves(series.data_type, series.timeframe) {
            return Err(SourceError::permanent(self.name, format!("no file has bars of {timeframe}")));
        }
        self.read(BarFormat { timeframe, zone: self.zone.clone() }, series, range)
    }

    fn news(&self, symbol: Symbol, range: Interval) -> Result<Part<Vec<News>>, SourceError> {
        let series = Series { symbol, data_type: DataType::News, timeframe: None };
        self.read(NewsFormat { zone: self.zone.clone() }, series, range)
    }

    fn actions(&self, symbol: Symbol, range: Interval) -> Result<Part<Vec<Action>>, SourceError> {
        let series = Series { symbol, data_type: DataType::CorporateActions, timeframe: None };
        self.read(ActionFormat { zone: self.zone.clone(), symbol }, series, range)
    }
}

#[cfg(test)]
mod tests;

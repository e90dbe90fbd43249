//! Files in a folder or a bucket: bars of all timeframes, news and corporate actions as CSV or Parquet, at paths of a pattern
//! ([`crate::rules::path_pattern`]).
//!
//! | module | content |
//! |---|---|
//! | `formats` | news and corporate actions; bars are a format of `csv_file` |
//! | `dated` | series with a file per date |
//! | `storage`, `bucket` | where files are: in a folder, or in a bucket of S3 |
//!
//! A file is read at each request, so files may be added while the service runs, and replaced by rename or extended by whole lines.

#[cfg_attr(not(feature = "s3"), path = "files/bucket_absent.rs")]
mod bucket;
mod dated;
mod formats;
mod storage;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use chassis::Clock;
use domain::{DataType, Interval, Symbol, Timeframe, Timestamp};
use jiff::tz::TimeZone;
use tokio::runtime::Handle;

use self::bucket::Bucket;
pub use self::bucket::BucketError;
use self::formats::{ActionFormat, NewsFormat};
use self::storage::{OpenStorage, Storage};
use super::csv_file::{
    BarFormat, CsvError, Excerpt, Format, LARGE_FILE_BYTES_MAX, Layout, Limits, RangeOfFile, read_content,
};
use super::records::{Action, News};
use super::source::{Part, Source, SourceBars, SourceError};
use crate::config::SourceSection;
use crate::rules::path_pattern::{PathPattern, PatternError};
use crate::rules::series::Series;

/// A folder or a bucket as a source.
#[derive(Debug, Clone)]
pub struct Files {
    name: &'static str,
    storage: Storage,
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
        let storage = Storage::Folder(folder);
        Self { name: "csv", storage, pattern, zone: None, aliases: Vec::new(), limits, clock }
    }

    /// Returns the source of a section of kind `files` with a folder.
    ///
    /// # Errors
    /// The section has not been validated.
    pub fn new(section: &SourceSection, clock: Arc<dyn Clock>) -> Result<Self, PatternError> {
        Self::at(Storage::Folder(section.folder.clone()), section, clock)
    }

    /// Returns the source of a section of kind `files` with a bucket, whose calls end within `call_max`.
    ///
    /// # Errors
    /// The section has not been validated, or the TLS library can't be initialised.
    pub fn of_bucket(
        section: &SourceSection,
        runtime: Handle,
        clock: Arc<dyn Clock>,
        call_max: Duration,
    ) -> Result<Self, BucketError> {
        let bucket = Bucket::new(section, runtime, Arc::clone(&clock), call_max)?;
        Self::at(Storage::Bucket(bucket), section, clock).map_err(|_| BucketError::Invalid)
    }

    fn at(storage: Storage, section: &SourceSection, clock: Arc<dyn Clock>) -> Result<Self, PatternError> {
        Ok(Self {
            name: "files",
            storage,
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
        let storage = self.storage.open();
        if self.pattern.has_date() {
            return self.read_dates(storage, layout, series, range);
        }
        let below = self.pattern.path(series, None);
        let path = storage.path(&below);
        let part = self.records(storage, &below, &layout, range);
        let part = part.map_err(|error| self.error(storage, series.symbol, &path, error))?;
        let defects = part.defects(&path);
        Ok(Part { defects, ..Part::up_to(part.last.saturating_add_micros(1), part.records) })
    }

    /// Reads the records of a file within a range.
    fn records<F: Format>(
        &self,
        storage: OpenStorage<'_>,
        below: &Path,
        layout: &Layout<'_, F>,
        range: Interval,
    ) -> Result<RangeOfFile<F::Record>, CsvError> {
        let excerpt = self.excerpt(range);
        let content = storage.content(below, self.limits, excerpt.now)?;
        read_content(&storage.path(below), content, self.limits, layout, Some(excerpt))
    }

    fn excerpt(&self, range: Interval) -> Excerpt {
        Excerpt { range, now: Timestamp::from_micros(self.clock.wall_micros()) }
    }

    /// Classifies the error of a file. An absent file is an unknown symbol only while the folder is there.
    fn error(&self, storage: OpenStorage<'_>, symbol: Symbol, path: &Path, error: CsvError) -> SourceError {
        if error.is_not_found() && self.pattern.has_symbol() {
            match storage.is_there() {
                Ok(true) => {
                    let cause = NoFile { path: path.to_path_buf() };
                    SourceError::unknown_symbol(self.name, symbol, cause)
                }
                Ok(false) => self.error_of(error),
                Err(error) => self.error_of(error),
            }
        } else {
            self.error_of(error)
        }
    }

    fn error_of(&self, error: CsvError) -> SourceError {
        if let Some(until) = error.served_from() {
            SourceError::transient_until(self.name, until, error)
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

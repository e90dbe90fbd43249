//! The trait of a source, and its errors.

use std::error::Error;

use domain::{Bar, DataType, Interval, IntervalSet, Symbol, Timeframe, Timestamp};

use super::records::{Action, News, Records};
use crate::rules::series::Series;

/// Error of a source. [`kit::ErrorChain`] renders it with its causes.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// A temporary error, such as a timeout or an exhausted quota: another attempt may succeed.
    #[error("source {source_name} failed")]
    Transient {
        source_name: &'static str,
        /// The time (wall clock) from which on another attempt may succeed, if the source names one.
        until: Option<Timestamp>,
        /// `true` if the result of another call has the same error: one request failed for several calls.
        is_shared: bool,
        #[source]
        cause: Box<dyn Error + Send + Sync>,
    },
    /// The data is being written: another attempt may succeed from `until` on. A call before that time fails.
    #[error("source {source_name} failed")]
    BeingWritten {
        source_name: &'static str,
        until: Timestamp,
        #[source]
        cause: Box<dyn Error + Send + Sync>,
    },
    /// The source made no request, and makes none before `until` (wall clock): a limit of its own is reached.
    #[error("source {source_name} is busy")]
    Busy {
        source_name: &'static str,
        until: Timestamp,
        #[source]
        cause: Box<dyn Error + Send + Sync>,
    },
    /// An error in the data of the requested range: another attempt fails as well, but not for a range without these data.
    #[error("source {source_name} failed")]
    InvalidRange {
        source_name: &'static str,
        #[source]
        cause: Box<dyn Error + Send + Sync>,
    },
    /// An error in the data or the request: another attempt fails as well, for any range.
    #[error("source {source_name} failed")]
    Permanent {
        source_name: &'static str,
        #[source]
        cause: Box<dyn Error + Send + Sync>,
    },
    /// The source does not have the symbol, at any time. Another attempt fails as well, until the source is extended.
    #[error("source {source_name} does not have symbol {symbol}")]
    UnknownSymbol {
        source_name: &'static str,
        symbol: Symbol,
        #[source]
        cause: Box<dyn Error + Send + Sync>,
    },
}

impl SourceError {
    /// Returns a temporary error of the source with this name.
    pub fn transient(source_name: &'static str, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Transient { source_name, until: None, is_shared: false, cause: cause.into() }
    }

    /// Returns a temporary error after which the source accepts no call before `until` (wall clock).
    pub fn transient_until(
        source_name: &'static str,
        until: Timestamp,
        cause: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Self {
        Self::Transient { source_name, until: Some(until), is_shared: false, cause: cause.into() }
    }

    /// Returns the error for another call that the same request failed for.
    #[must_use]
    pub fn shared(mut self) -> Self {
        if let Self::Transient { is_shared, .. } = &mut self {
            *is_shared = true;
        }
        self
    }

    /// Returns the error of a call without a request, because of a limit that ends at `until` (wall clock).
    pub fn busy(
        source_name: &'static str,
        until: Timestamp,
        cause: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Self {
        Self::Busy { source_name, until, cause: cause.into() }
    }

    /// Returns the error of data that is being written, and may be read from `until` (wall clock) on.
    pub fn being_written(
        source_name: &'static str,
        until: Timestamp,
        cause: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Self {
        Self::BeingWritten { source_name, until, cause: cause.into() }
    }

    /// Returns the error of invalid data in the requested range.
    pub fn invalid_range(source_name: &'static str, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::InvalidRange { source_name, cause: cause.into() }
    }

    /// Returns a permanent error of the source with this name.
    pub fn permanent(source_name: &'static str, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Permanent { source_name, cause: cause.into() }
    }

    /// Returns the error of a symbol that the source with this name does not have.
    pub fn unknown_symbol(
        source_name: &'static str,
        symbol: Symbol,
        cause: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Self {
        Self::UnknownSymbol { source_name, symbol, cause: cause.into() }
    }
}

/// The records of a range, and the time up to which the source has the history of the series.
#[derive(Debug, Clone, PartialEq)]
pub struct Part<R> {
    /// The records within the range and before the horizon, ascending. Bars are without duplicates.
    pub records: R,
    /// The first instant at which a record may still appear or change. Before it, the source has every record: a time without one has
    /// none.
    pub horizon: Timestamp,
    pub defects: Defects,
}

/// Rows of the source that are no valid records, and what they leave unknown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Defects {
    /// The first rejected rows of each file, in order, and the first rejected files.
    pub rows: Vec<Rejected>,
    /// The number of all rejected rows.
    pub rejected: u64,
    /// The number of all rejected files, which are a part of the series.
    pub files: u64,
    /// The times that the records of the rejected rows may have. Records of these times are not used, and they are not covered.
    pub unknown: IntervalSet,
    /// The time of each row that has the time of another bar.
    pub duplicates: Vec<Timestamp>,
}

/// A row that is no valid record, or a file without one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    pub file: String,
    /// The number of the first line of the row; the first line of the file is line 1. `None` for a file.
    pub line: Option<u64>,
    /// The column, if it is known, and the cause.
    pub cause: String,
}

impl Defects {
    /// Returns the number of rejected rows and files.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.rejected.saturating_add(self.files)
    }
}

impl std::fmt::Display for Rejected {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { file, line, cause } = self;
        match line {
            Some(line) => write!(f, "{file}:{line}: {cause}"),
            None => write!(f, "{file}: {cause}"),
        }
    }
}

/// Bars of a range.
pub type SourceBars = Part<Vec<Bar>>;

impl<R> Part<R> {
    /// Returns the records of a source that has the history up to the horizon.
    #[must_use]
    pub fn up_to(horizon: Timestamp, records: R) -> Self {
        Self { records, horizon, defects: Defects::default() }
    }

    /// Returns the records of a source that has the whole history of `range`.
    #[must_use]
    pub fn complete(records: R, range: Interval) -> Self {
        Self::up_to(range.end(), records)
    }

    /// Returns the part of `range` before the horizon. `None` if the source has nothing of the range yet.
    #[must_use]
    pub fn served(&self, range: Interval) -> Option<Interval> {
        Interval::new(range.start(), range.end().min(self.horizon)).ok()
    }

    fn map<S>(self, records: impl FnOnce(R) -> S) -> Part<S> {
        Part { records: records(self.records), horizon: self.horizon, defects: self.defects }
    }
}

/// A supplier of history.
pub trait Source: Send + Sync {
    /// Returns the name that records and progress events carry as their source.
    fn name(&self) -> &'static str;

    /// Returns `true` if the source has this data type, of bars in this timeframe; other data has none. The terminal event of a request
    /// lists the series without a source among its errors.
    fn serves(&self, data_type: DataType, timeframe: Option<Timeframe>) -> bool;

    /// Returns the bars that open within `range`, and the horizon of the series. Only the range before the horizon counts as fetched.
    ///
    /// # Errors
    /// [`SourceError`]: transient if another attempt may succeed, unknown symbol if the source has no history of the symbol.
    fn bars(&self, symbol: Symbol, timeframe: Timeframe, range: Interval) -> Result<SourceBars, SourceError>;

    /// Returns the news that were published within `range`. Called if the source serves them.
    ///
    /// # Errors
    /// As [`Self::bars`].
    fn news(&self, symbol: Symbol, _range: Interval) -> Result<Part<Vec<News>>, SourceError> {
        Err(SourceError::permanent(self.name(), format!("no news of {symbol}")))
    }

    /// Returns the corporate actions whose ex-dates start within `range`. Called if the source serves them.
    ///
    /// # Errors
    /// As [`Self::bars`].
    fn actions(&self, symbol: Symbol, _range: Interval) -> Result<Part<Vec<Action>>, SourceError> {
        Err(SourceError::permanent(self.name(), format!("no corporate actions of {symbol}")))
    }
}

/// Returns the records of a series within `range`.
///
/// # Errors
/// As [`Source::bars`]; permanent for a series that no source has.
pub fn fetch(source: &dyn Source, series: Series, range: Interval) -> Result<Part<Records>, SourceError> {
    let Series { symbol, data_type, timeframe } = series;
    match (data_type, timeframe) {
        (DataType::MarketData, Some(timeframe)) => {
            Ok(source.bars(symbol, timeframe, range)?.map(Records::Bars))
        }
        (DataType::News, None) => Ok(source.news(symbol, range)?.map(Records::News)),
        (DataType::CorporateActions, None) => Ok(source.actions(symbol, range)?.map(Records::Actions)),
        _ => Err(SourceError::permanent(source.name(), format!("no {data_type}"))),
    }
}

/// Keeps the bars that open within the range.
pub(super) fn bars_within(mut bars: Vec<Bar>, range: Interval) -> Vec<Bar> {
    bars.retain(|bar| range.contains(bar.open_time));
    bars
}

#[cfg(test)]
mod tests {
    use domain::{Interval, Timestamp};

    use super::SourceBars;

    fn at(micros: i64) -> Timestamp {
        Timestamp::from_micros(micros)
    }

    #[test]
    fn range_is_served_up_to_the_horizon() {
        let range = Interval::new(at(10), at(20)).unwrap();
        let served = |horizon| SourceBars::up_to(at(horizon), Vec::new()).served(range);
        assert_eq!((served(20), served(99)), (Some(range), Some(range)));
        assert_eq!(served(15), Interval::new(at(10), at(15)).ok());
        assert_eq!((served(10), served(3)), (None, None));
        assert_eq!(SourceBars::complete(Vec::new(), range).served(range), Some(range));
    }
}

//! The trait of a source of bars, and its errors.

use std::error::Error;

use domain::{Bar, DataType, Interval, Symbol, Timeframe};

/// Error of a source. [`error_chain`] renders it with its causes.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// A temporary error, such as a timeout or an exhausted quota: another attempt may succeed.
    #[error("source {source_name} failed")]
    Transient {
        source_name: &'static str,
        #[source]
        cause: Box<dyn Error + Send + Sync>,
    },
    /// An error in the data or the request: another attempt fails as well.
    #[error("source {source_name} failed")]
    Permanent {
        source_name: &'static str,
        #[source]
        cause: Box<dyn Error + Send + Sync>,
    },
}

impl SourceError {
    /// Returns a temporary error of the source with this name.
    pub fn transient(source_name: &'static str, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Transient { source_name, cause: cause.into() }
    }

    /// Returns a permanent error of the source with this name.
    pub fn permanent(source_name: &'static str, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Permanent { source_name, cause: cause.into() }
    }

    /// Returns `true` if another attempt may succeed.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Transient { .. })
    }
}

/// Returns the text of an error and of each of its sources, outermost first: `<what failed>: <cause>`.
#[must_use]
pub fn error_chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// A supplier of historical bars.
pub trait Source: Send + Sync {
    /// Returns the name that bars and progress events carry as their source.
    fn name(&self) -> &'static str;

    /// Returns `true` if the source has this data type with bars of this timeframe. The terminal event of a request lists the series
    /// without a source among its errors.
    fn serves(&self, data_type: DataType, timeframe: Timeframe) -> bool;

    /// Returns the bars that open within `range`, ascending, without duplicates. A symbol that the source does not have has no bars; that
    /// is no error.
    ///
    /// # Errors
    /// [`SourceError`], transient if another attempt may succeed.
    fn bars(&self, symbol: Symbol, timeframe: Timeframe, range: Interval) -> Result<Vec<Bar>, SourceError>;
}

/// Keeps the bars that open within the range.
pub(super) fn bars_within(mut bars: Vec<Bar>, range: Interval) -> Vec<Bar> {
    bars.retain(|bar| range.contains(bar.open_time));
    bars
}

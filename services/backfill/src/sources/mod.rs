//! Where history comes from: one trait, an implementation a file.
//!
//! A source is asked by worker threads, may block, and never touches Kafka.

mod csv_folder;
mod synthetic;

pub use csv_folder::{CsvError, CsvFolder, read_bars};
pub use synthetic::{FIRST_DATE, SyntheticMarket, synthetic_symbols};

use domain::{Bar, DataType, Interval, Symbol, Timeframe};

/// Why a source gave no bars.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// Trying again may help: a time-out, a full disk, a 429.
    #[error("{source_name}: {cause}")]
    Transient {
        /// The source's name.
        source_name: &'static str,
        /// What happened.
        cause: String,
    },
    /// Trying again can't help: the data itself is wrong, or the request is.
    #[error("{source_name}: {cause}")]
    Permanent {
        /// The source's name.
        source_name: &'static str,
        /// What happened.
        cause: String,
    },
}

impl SourceError {
    /// Whether another attempt may succeed.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Transient { .. })
    }
}

/// Something that can answer for a stretch of history.
pub trait Source: Send + Sync {
    /// The name that bars and progress events carry.
    fn name(&self) -> &'static str;

    /// Whether it has this kind of data at all. What it doesn't serve is named in the terminal event's errors.
    fn serves(&self, data_type: DataType, timeframe: Timeframe) -> bool;

    /// The bars that open within `range`, oldest first, each once.
    ///
    /// # Errors
    /// [`SourceError`], which says whether another attempt may succeed. A symbol that the source doesn't know is not an
    /// error: it has no bars.
    fn bars(&self, symbol: Symbol, timeframe: Timeframe, range: Interval) -> Result<Vec<Bar>, SourceError>;
}

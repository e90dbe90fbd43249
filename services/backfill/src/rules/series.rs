//! Series: the unit of coverage.

use contracts::CoverageKey;
use domain::{DataType, Symbol, Timeframe};

/// A data type of a symbol, for bars in one timeframe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Series {
    pub symbol: Symbol,
    pub data_type: DataType,
    /// `None` for data without timeframes.
    pub timeframe: Option<Timeframe>,
}

impl From<CoverageKey> for Series {
    fn from(CoverageKey { symbol, data_type, timeframe }: CoverageKey) -> Self {
        Self { symbol, data_type, timeframe }
    }
}

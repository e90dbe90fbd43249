//! Series: the unit of coverage.

use domain::{DataType, Symbol, Timeframe};

/// A data type of a symbol, for bars in one timeframe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Series {
    pub symbol: Symbol,
    pub data_type: DataType,
    /// `None` for data without timeframes.
    pub timeframe: Option<Timeframe>,
}

//! What is covered or not: one kind of data of one symbol, and of bars one timeframe.

use domain::{DataType, Symbol, Timeframe};

/// One series of records in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Series {
    /// Whose.
    pub symbol: Symbol,
    /// Of which kind.
    pub data_type: DataType,
    /// Of bars, how long each lasts; none for data that has no timeframe.
    pub timeframe: Option<Timeframe>,
}

//! Suppliers of history (bars, news, corporate actions): one trait, one file per implementation.
//!
//! Worker threads call a source. It may block, and it never uses Kafka.

mod adjusted;
mod alpaca;
mod csv_file;
mod files;
mod http;
mod memory;
mod records;
mod source;
mod synthetic;

pub use adjusted::Adjusted;
pub use alpaca::Alpaca;
pub use csv_file::{CsvError, InvalidRow, MissingEnd, NextAttempt, RowError, read_bars};
pub use files::{BucketError, Files};
pub use memory::memory_parts;
pub(crate) use records::within;
pub use records::{Action, ActionKind, News, Records};
pub use source::{Defects, Part, Rejected, Source, SourceBars, SourceError, fetch};
pub use synthetic::{FIRST_DATE, SyntheticMarket, synthetic_symbols};

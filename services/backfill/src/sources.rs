//! Suppliers of historical bars: one trait, one file per implementation.
//!
//! Worker threads call a source. It may block, and it never uses Kafka.

mod csv_folder;
mod source;
mod synthetic;

pub use csv_folder::{CsvError, CsvFolder, read_bars};
pub use source::{Source, SourceError, error_chain};
pub use synthetic::{FIRST_DATE, SyntheticMarket, synthetic_symbols};

//! Suppliers of history (bars, news, corporate actions): one trait, one file per implementation.
//!
//! Worker threads call a source. It may block, and it never uses Kafka.

mod alpaca;
mod bar_file;
mod csv_folder;
mod memory;
mod records;
mod source;
mod synthetic;

pub use alpaca::Alpaca;
pub use bar_file::{CsvError, InvalidRow, MissingEnd, RowError, read_bars};
pub use csv_folder::CsvFolder;
pub use memory::memory_parts;
pub(crate) use records::within;
pub use records::{Action, ActionKind, News, Records};
pub use source::{Defects, Part, RejectedRow, Source, SourceBars, SourceError, fetch};
pub use synthetic::{FIRST_DATE, SyntheticMarket, synthetic_symbols};

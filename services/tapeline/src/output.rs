//! Output of the commands: standard output, progress, NDJSON files, records as JSON.

mod decoded_record;
mod ndjson_file;
mod process_memory;
mod progress;
mod writable_file;

use crate::exit::Failure;

pub use chassis::printable::{escaped, printable_json};

pub use self::decoded_record::DecodedRecord;
pub use self::ndjson_file::NdjsonFile;
pub use self::process_memory::peak_rss_mib;
pub use self::progress::{PROGRESS_INTERVAL, ProgressLines, bar_style};
pub use self::writable_file::check_writable;

/// Prints to standard output. Once its reader has closed the pipe (`tapeline lag … | head`), nothing is printed any more.
///
/// # Errors
/// [`Failure::NotOk`] for any other error, such as a full disk, because the result would be lost.
pub fn print(text: &str) -> Result<(), Failure> {
    chassis::output::print(text).map_err(Failure::not_ok)
}

//! Output of the commands: standard output, NDJSON files, records as JSON.

mod decoded_record;
mod ndjson_file;
mod process_memory;

use std::io::Write;

pub use self::decoded_record::DecodedRecord;
pub use self::ndjson_file::NdjsonFile;
pub use self::process_memory::peak_rss_mib;

/// Prints to standard output. A closed pipe (`tapeline lag … | head`) is not an error.
pub fn print(text: &str) {
    drop(std::io::stdout().lock().write_all(text.as_bytes()));
}

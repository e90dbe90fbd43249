//! Output of the commands: standard output, NDJSON files, records as JSON.

mod decoded_record;
mod ndjson_file;
mod process_memory;

use std::io::{self, ErrorKind, Write};

use chassis::Exit;

pub use self::decoded_record::DecodedRecord;
pub use self::ndjson_file::NdjsonFile;
pub use self::process_memory::peak_rss_mib;

/// Prints to standard output. A closed pipe (`tapeline lag … | head`) is not an error. Any other error, such as a full disk, ends the process
/// with code 1, because the result would be lost.
pub fn print(text: &str) {
    let mut out = io::stdout().lock();
    if let Err(error) = out.write_all(text.as_bytes()).and_then(|()| out.flush())
        && error.kind() != ErrorKind::BrokenPipe
    {
        // Without standard error there is no place left to report it.
        drop(writeln!(io::stderr(), "failed to write to standard output: {error}"));
        std::process::exit(Exit::Failed.code().into());
    }
}

//! Output of the commands: standard output, progress, NDJSON files, records as JSON.

mod decoded_record;
mod ndjson_file;
mod process_memory;
mod progress;
mod wrapped;
mod writable_file;

use serde::Serialize;

use crate::exit::Failure;

pub use chassis::printable::{escaped, printable_json};

pub use self::decoded_record::DecodedRecord;
pub use self::ndjson_file::NdjsonFile;
pub use self::process_memory::peak_rss_mib;
pub use self::progress::{PROGRESS_INTERVAL, ProgressLines, bar_style};
pub use self::wrapped::{columns, wrapped};
pub use self::writable_file::{check_name, check_writable};

/// Prints to standard output. Once its reader has closed the pipe (`tapeline lag … | head`), nothing is printed any more.
///
/// # Errors
/// [`Failure::NotOk`] for any other error, such as a full disk, because the result would be lost.
pub fn print(text: &str) -> Result<(), Failure> {
    chassis::output::print(text).map_err(Failure::not_ok)
}

/// Prints a value to standard output as indented JSON.
///
/// # Errors
/// As for [`print`].
pub fn print_json(value: &impl Serialize) -> Result<(), Failure> {
    print(&indented_json(value)?)
}

/// Returns indented JSON that [`print`] does not change: its own escapes of control characters would be no JSON.
fn indented_json(value: &impl Serialize) -> Result<String, Failure> {
    let json = serde_json::to_string_pretty(value).map_err(Failure::not_ok)?;
    Ok(format!("{}\n", printable_json(&json)))
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use chassis::printable::printable;

    use super::*;

    #[test]
    fn printed_json_with_control_characters_is_valid() {
        let value = serde_json::json!({"examples": ["alert \u{9b}2J\u{202e} lost", "two\nlines"]});
        let text = indented_json(&value).unwrap();
        let printed = printable(&text);
        assert!(matches!(printed, Cow::Borrowed(_)), "{printed}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&printed).unwrap(), value);
        assert_eq!(printed.lines().count(), 6, "{printed}");
    }
}

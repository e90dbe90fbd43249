//! What a command prints.

use std::io::Write;

/// Prints to standard output. A reader that has gone (`tapeline lag … | head`) is an end, not a fault.
pub(crate) fn say(text: &str) {
    drop(std::io::stdout().lock().write_all(text.as_bytes()));
}

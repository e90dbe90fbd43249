//! Report on standard output.

use std::fmt::Display;

use chassis::output;
use kafka_io::ErrorChain;

/// Prints a line. A reader that closes the pipe ends the printing and nothing else: the run counts its records. Any other failure is
/// printed to standard error.
pub fn line(text: impl Display) {
    if let Err(error) = output::print(&format!("{text}\n")) {
        output::note(&format!("storm: {}", ErrorChain(&error)));
    }
}

//! Writes the reference pages, or lists the stale ones.
//!
//! ```text
//! reference             lists stale files; exit code 1 if there is one
//! reference --write     writes them
//! ```
#![expect(clippy::disallowed_methods, reason = "the program prints its result")]

use std::io::{self, Write};
use std::process::ExitCode;

use reference::{Error, pages};

fn main() -> io::Result<ExitCode> {
    let is_write = std::env::args().any(|argument| argument == "--write");
    let mut out = io::stdout().lock();
    match run(is_write) {
        Ok(stale) if is_write || stale.is_empty() => {
            writeln!(out, "{} files written", stale.len())?;
            Ok(ExitCode::SUCCESS)
        }
        Ok(stale) => {
            for path in stale {
                writeln!(out, "stale: {path}")?;
            }
            Ok(ExitCode::FAILURE)
        }
        Err(error) => {
            let mut text = error.to_string();
            let mut cause = std::error::Error::source(&error);
            while let Some(next) = cause {
                text = format!("{text}: {next}");
                cause = next.source();
            }
            writeln!(io::stderr(), "failed to render the reference: {text}")?;
            Ok(ExitCode::FAILURE)
        }
    }
}

/// Returns the files that are stale, or were before they were written.
fn run(is_write: bool) -> Result<Vec<String>, Error> {
    let stale: Vec<pages::Page> = pages::render()?.into_iter().filter(pages::Page::is_stale).collect();
    if is_write {
        stale.iter().try_for_each(pages::Page::write)?;
    }
    Ok(stale.into_iter().map(|page| page.path).collect())
}

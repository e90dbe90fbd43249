//! The symbols of a command, from its arguments and a file.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

use domain::Symbol;

use crate::exit::Failure;

/// The maximum size of a file of symbols: more than a million of them.
const FILE_BYTES_MAX: u64 = 16 << 20;

/// Invalid symbols that an error lists.
const LISTED_MAX: usize = 10;

/// Valid symbols, each once, and the errors of the others.
#[derive(Debug, Default)]
struct SymbolList {
    symbols: Vec<Symbol>,
    known: BTreeSet<Symbol>,
    errors: Vec<String>,
    error_count: usize,
}

/// Returns the symbols of the arguments and of the file, each once, in their order.
///
/// # Errors
/// [`Failure::Usage`] if a symbol is invalid, the file cannot be read, or there is no symbol.
pub(super) fn read(arguments: &[String], file: Option<&Path>) -> Result<Vec<Symbol>, Failure> {
    let mut list = SymbolList::default();
    for (index, text) in arguments.iter().enumerate() {
        list.add(text, || format!("argument {}", index + 1));
    }
    if let Some(path) = file {
        let failure = |error| Failure::file("read", path, error);
        match path == Path::new("-") {
            true => list.add_lines(io::stdin().lock(), "standard input").map_err(failure)?,
            false => {
                let opened = BufReader::new(File::open(path).map_err(failure)?);
                list.add_lines(opened, &path.display().to_string()).map_err(failure)?;
            }
        }
    }
    list.finish()
}

impl SymbolList {
    fn add(&mut self, text: &str, position: impl FnOnce() -> String) {
        match Symbol::parse(text) {
            Ok(symbol) if self.known.insert(symbol) => self.symbols.push(symbol),
            Ok(_) => {}
            Err(error) => {
                self.error_count += 1;
                if self.errors.len() < LISTED_MAX {
                    self.errors.push(format!("{}: {error}", position()));
                }
            }
        }
    }

    fn add_lines(&mut self, lines: impl BufRead, name: &str) -> io::Result<()> {
        let mut limited = lines.take(FILE_BYTES_MAX);
        let (mut line, mut number) = (String::new(), 0_u64);
        while limited.read_line(&mut line)? > 0 {
            number += 1;
            let text = line.trim_start_matches('\u{feff}').trim();
            if !text.is_empty() && !text.starts_with('#') {
                self.add(text, || format!("{name}:{number}"));
            }
            line.clear();
        }
        if limited.limit() == 0 {
            let text = format!("it has more than {} MiB", FILE_BYTES_MAX >> 20);
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, text));
        }
        Ok(())
    }

    fn finish(self) -> Result<Vec<Symbol>, Failure> {
        if self.error_count > 0 {
            let others = self.error_count - self.errors.len();
            let others = if others > 0 { format!("\nand {others} more") } else { String::new() };
            return Err(Failure::usage(format!("invalid symbols:\n{}{others}", self.errors.join("\n"))));
        }
        if self.symbols.is_empty() {
            return Err(Failure::usage("no symbol is given"));
        }
        Ok(self.symbols)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_lines(text: &str) -> Result<Vec<String>, String> {
        let mut list = SymbolList::default();
        list.add_lines(text.as_bytes(), "symbols.txt").unwrap();
        let symbols = list.finish().map_err(|failure| failure.chain())?;
        Ok(symbols.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn each_symbol_is_listed_once_in_order() {
        let text = "\u{feff}MSFT\r\n\n# a comment\n  AAPL \nMSFT\nBRK.B";
        assert_eq!(of_lines(text).unwrap(), ["MSFT", "AAPL", "BRK.B"]);
        assert_eq!(of_lines("# none\n").unwrap_err(), "no symbol is given");
    }

    #[test]
    fn invalid_symbols_are_named_with_their_places() {
        let error = of_lines("AAPL\naapl\nTOOLONG\n").unwrap_err();
        assert!(error.contains("symbols.txt:2: ") && error.contains("symbols.txt:3: "), "{error}");
        let many = of_lines(&"x\n".repeat(25)).unwrap_err();
        assert!(
            many.ends_with(
                "symbols.txt:10: symbol \"x\" does not match [A-Z]{1,5}([.-][A-Z]{1,2})?\nand 15 more"
            ),
            "{many}"
        );
    }

    #[test]
    fn file_that_is_too_large_is_rejected() {
        let lines = BufReader::new(io::repeat(b'\n'));
        let error = SymbolList::default().add_lines(lines, "endless").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
    }
}

//! Standard output and standard error of the process. Every text that a process prints, other than its log, goes through this module.
//!
//! A reader that closes the pipe (`tapeline dev | head`) ends the printing and nothing else. Any other error, such as a full disk, is
//! returned, because the result would be lost.

use std::io::{self, ErrorKind, IsTerminal, Stdout, Write};
use std::sync::{Mutex, PoisonError};

use crate::printable::printable;

/// A write to standard output failed, for another reason than a closed pipe.
#[derive(Debug, thiserror::Error)]
#[error("failed to write to standard output")]
pub struct OutputError(#[source] io::Error);

/// A stream that is printed to until its reader closes it.
#[derive(Debug)]
struct Printer<W> {
    /// `None` until the first text. Standard output cannot be opened in a constant.
    writer: Option<W>,
    is_closed: bool,
}

static STDOUT: Mutex<Printer<Stdout>> = Mutex::new(Printer { writer: None, is_closed: false });

/// Prints a text to standard output and flushes it. Control characters other than line breaks are escaped: a text may quote what others
/// wrote, such as a file name or a response. Does nothing once the reader has closed the pipe.
///
/// # Errors
/// The write fails for another reason than a closed pipe.
#[expect(clippy::disallowed_methods, reason = "the only place that writes to standard output")]
pub fn print(text: &str) -> Result<(), OutputError> {
    lock().print(text, io::stdout)
}

/// Returns `true` if the reader of standard output has closed the pipe, so that nothing more is printed.
#[must_use]
pub fn is_closed() -> bool {
    lock().is_closed
}

/// Returns `true` if standard output is a terminal.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "nothing is written")]
pub fn is_terminal() -> bool {
    io::stdout().is_terminal()
}

/// Returns the number of columns of the terminal at standard output. `None` if there is none.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "nothing is written")]
pub fn columns() -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(io::stdout()).ok()?;
    Some(usize::from(size.ws_col)).filter(|columns| *columns > 0)
}

/// Writes a line to standard error, with control characters escaped. A failure is ignored: there is no other place to report it.
pub fn note(line: &str) {
    drop(io::stderr().lock().write_all(format!("{}\n", printable(line)).as_bytes()));
}

fn lock() -> std::sync::MutexGuard<'static, Printer<Stdout>> {
    STDOUT.lock().unwrap_or_else(PoisonError::into_inner)
}

// === impl Printer ===

impl<W: Write> Printer<W> {
    fn print(&mut self, text: &str, open: impl FnOnce() -> W) -> Result<(), OutputError> {
        if self.is_closed {
            return Ok(());
        }
        let writer = self.writer.get_or_insert_with(open);
        match writer.write_all(printable(text).as_bytes()).and_then(|()| writer.flush()) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == ErrorKind::BrokenPipe => {
                self.is_closed = true;
                Ok(())
            }
            Err(error) => Err(OutputError(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error;

    use super::*;

    /// Accepts some writes, then fails with an error of this kind.
    struct Failing {
        left: usize,
        kind: ErrorKind,
        attempts: usize,
    }

    impl Write for Failing {
        fn write(&mut self, text: &[u8]) -> io::Result<usize> {
            self.attempts += 1;
            self.left = self.left.checked_sub(1).ok_or(self.kind)?;
            Ok(text.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn printer() -> Printer<Failing> {
        Printer { writer: None, is_closed: false }
    }

    #[test]
    fn closed_pipe_ends_printing_without_an_error() {
        let mut printer = printer();
        let open = || Failing { left: 1, kind: ErrorKind::BrokenPipe, attempts: 0 };
        printer.print("first\n", open).unwrap();
        assert!(!printer.is_closed);
        for _ in 0..3 {
            printer.print("next\n", open).unwrap();
        }
        assert!(printer.is_closed);
        assert_eq!(printer.writer.unwrap().attempts, 2, "nothing is written after the pipe is closed");
    }

    #[test]
    fn control_characters_are_escaped() {
        let mut printer = Printer { writer: None, is_closed: false };
        printer.print("a\x1b[2J\u{202e}b\n", Vec::new).unwrap();
        assert_eq!(printer.writer.unwrap(), b"a\\u{1b}[2J\\u{202e}b\n");
    }

    #[test]
    fn full_disk_is_an_error_at_each_print() {
        let mut printer = printer();
        let open = || Failing { left: 0, kind: ErrorKind::StorageFull, attempts: 0 };
        for _ in 0..2 {
            let error = printer.print("text\n", open).unwrap_err();
            assert_eq!(error.to_string(), "failed to write to standard output");
            assert_eq!(
                error.source().unwrap().to_string(),
                io::Error::from(ErrorKind::StorageFull).to_string()
            );
        }
        assert!(!printer.is_closed);
    }
}

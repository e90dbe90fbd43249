//! Lines of findings (NDJSON) of a file or of standard input. A broken line costs that line alone, and memory is bounded by the length
//! of one line.

use std::io::{self, BufRead, BufReader, ErrorKind, Read};

use kit::file_format;
use serde_json::value::RawValue;

/// The longest line, in bytes: the default of `edge.body_max_bytes`.
pub const LINE_MAX_BYTES: usize = 8 << 20;

/// The byte order mark that some editors write at the start of a file. After files are concatenated, other lines have one too.
const BYTE_ORDER_MARK: &str = "\u{feff}";

/// A line that is not blank.
#[derive(Debug, PartialEq, Eq)]
pub struct FindingLine {
    /// Its number in the file, from 1.
    pub number: u64,
    /// A JSON object, or why it is none.
    pub text: Result<String, LineError>,
}

/// A line that is no finding.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// With the position of the first such byte in the line, from 1.
    #[error("byte {0} of the line is not UTF-8")]
    NotUtf8(usize),
    /// Longer than [`LINE_MAX_BYTES`].
    #[error("too long: {bytes} bytes, at most {LINE_MAX_BYTES} are allowed")]
    TooLong {
        /// The length of the line.
        bytes: u64,
    },
    /// Not JSON.
    #[error("malformed JSON: {cause}, column {column}")]
    Malformed {
        /// The rule of JSON that it breaks.
        cause: String,
        /// The position in the line, from 1.
        column: usize,
    },
    /// JSON, but no object.
    #[error("{0} instead of an object with the fields of an event")]
    NoObject(&'static str),
}

/// The input as a whole cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum InputError {
    /// The error of the file system.
    #[error(transparent)]
    Unreadable(#[from] io::Error),
    /// The format that its first bytes show.
    #[error("file is {0}, expected lines of JSON in UTF-8")]
    OtherFormat(&'static str),
}

/// Reads the lines of an input.
pub struct FindingReader<R> {
    input: BufReader<R>,
    line: Vec<u8>,
    number: u64,
    bytes: u64,
}

impl<R: Read> FindingReader<R> {
    /// Returns a reader at the start of the input.
    pub fn new(input: R) -> Self {
        Self { input: BufReader::with_capacity(1 << 16, input), line: Vec::new(), number: 0, bytes: 0 }
    }

    /// Returns the number of bytes read, for progress.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Returns `true` if the next line requires a read of the input, which blocks if a pipe has no more lines yet.
    #[must_use]
    pub fn may_block(&self) -> bool {
        self.input.buffer().is_empty()
    }

    /// Returns the next line that is not blank, `None` at the end.
    ///
    /// # Errors
    /// [`InputError`], after which the rest of the input cannot be read.
    pub fn next_line(&mut self) -> Result<Option<FindingLine>, InputError> {
        while let Some(length) = self.read_line()? {
            self.number += 1;
            if self.number == 1
                && let Some(format) = file_format::of(&self.line)
            {
                return Err(InputError::OtherFormat(format));
            }
            let text = self.text(length);
            if text.as_ref().is_ok_and(|text| text.trim().is_empty()) {
                continue;
            }
            let text = text.and_then(|text| check(text).map(str::to_owned));
            return Ok(Some(FindingLine { number: self.number, text }));
        }
        Ok(None)
    }

    fn text(&self, length: u64) -> Result<&str, LineError> {
        if self.line.len() as u64 != length {
            return Err(LineError::TooLong { bytes: length });
        }
        let text =
            std::str::from_utf8(&self.line).map_err(|error| LineError::NotUtf8(error.valid_up_to() + 1))?;
        Ok(text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text).trim_end_matches('\r'))
    }

    /// Reads a line without its end into `self.line`, which keeps at most [`LINE_MAX_BYTES`]. Returns its length, `None` at the end.
    fn read_line(&mut self) -> io::Result<Option<u64>> {
        self.line.clear();
        let (mut length, mut is_empty) = (0, true);
        loop {
            let available = match self.input.fill_buf() {
                Ok(available) => available,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            if available.is_empty() {
                return Ok((!is_empty).then_some(length));
            }
            is_empty = false;
            let end = available.iter().position(|byte| *byte == b'\n');
            let part = &available[..end.unwrap_or(available.len())];
            let kept = part.len().min(LINE_MAX_BYTES - self.line.len());
            self.line.extend_from_slice(&part[..kept]);
            length += part.len() as u64;
            let used = part.len() + usize::from(end.is_some());
            self.bytes += used as u64;
            self.input.consume(used);
            if end.is_some() {
                return Ok(Some(length));
            }
        }
    }
}

/// Returns the line if it is a JSON object. Its fields are checked by the edge.
fn check(text: &str) -> Result<&str, LineError> {
    let json: &RawValue = serde_json::from_str(text).map_err(|error| {
        let position = format!(" at line {} column {}", error.line(), error.column());
        let cause = error.to_string();
        let cause = cause.strip_suffix(&position).unwrap_or(&cause).to_owned();
        LineError::Malformed { cause, column: error.column() }
    })?;
    match json.get().as_bytes().first() {
        Some(b'{') => Ok(text),
        Some(b'[') => Err(LineError::NoObject("an array")),
        Some(b'"') => Err(LineError::NoObject("a string")),
        _ => Err(LineError::NoObject("a number or literal")),
    }
}

#[cfg(test)]
mod tests;

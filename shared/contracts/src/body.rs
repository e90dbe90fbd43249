//! Reader over an Avro body that detects truncation.
//!
//! When `apache-avro` reads values, it turns a truncated string, boolean or union into null and reports no error. In every case it
//! requests a byte after the end of the body. [`BodyReader`] records that request, so every truncation is detected.

use std::io::{self, Read};

use apache_avro::error::Details;

use crate::error::DecodeError;
use crate::rules::short;

/// The unread rest of a body.
pub(crate) struct BodyReader<'a> {
    rest: &'a [u8],
    len: usize,
    missing: usize,
}

impl<'a> BodyReader<'a> {
    pub(crate) fn new(body: &'a [u8]) -> Self {
        Self { rest: body, len: body.len(), missing: 0 }
    }

    /// Returns the value that was read if the body ended exactly where the value did.
    pub(crate) fn finish<T>(self, read: apache_avro::AvroResult<T>) -> Result<T, DecodeError> {
        if self.missing > 0 {
            return Err(DecodeError::Truncated {
                bytes: self.len,
                needed: self.len.saturating_add(self.missing),
            });
        }
        match read {
            Err(error) => Err(classify(&error)),
            Ok(_) if !self.rest.is_empty() => Err(DecodeError::TrailingBytes { bytes: self.rest.len() }),
            Ok(value) => Ok(value),
        }
    }
}

impl Read for BodyReader<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = into.len().min(self.rest.len());
        let (now, rest) = self.rest.split_at(read);
        into[..read].copy_from_slice(now);
        self.rest = rest;
        self.missing = self.missing.max(into.len() - read);
        Ok(read)
    }

    fn read_exact(&mut self, into: &mut [u8]) -> io::Result<()> {
        let read = self.read(into)?;
        if read == into.len() { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }
}

fn classify(error: &apache_avro::Error) -> DecodeError {
    let cause = short(&error.to_string()).to_owned();
    match error.details() {
        Details::MemoryAllocation { .. } | Details::ConvertI64ToUsize(..) => {
            DecodeError::ImpossibleLength { cause }
        }
        Details::ConvertToUtf8(_) | Details::ConvertToUtf8Error(_) => DecodeError::InvalidUtf8 { cause },
        _ => DecodeError::Malformed { cause },
    }
}

//! A reader over a body that remembers whether more was asked of it than it had.
//!
//! The Avro crate turns a string, boolean or union that is cut off into null without an error, where it reads values. Whatever it
//! makes of the end, it has asked for a byte that isn't there: that is the one sign on which every truncation can be refused.

use std::io::{self, Read};

use apache_avro::error::Details;

use super::DecodeError;
use crate::rules::short;

/// The unread rest of a body.
pub(super) struct Body<'a> {
    rest: &'a [u8],
    bytes: usize,
    missing: usize,
}

impl<'a> Body<'a> {
    pub(super) fn of(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, bytes: bytes.len(), missing: 0 }
    }

    /// What was read, if the body was read exactly to its end.
    pub(super) fn finish<T>(self, read: apache_avro::AvroResult<T>) -> Result<T, DecodeError> {
        if self.missing > 0 {
            return Err(DecodeError::Truncated {
                bytes: self.bytes,
                needed: self.bytes.saturating_add(self.missing),
            });
        }
        match read {
            Err(error) => Err(classify(&error)),
            Ok(_) if !self.rest.is_empty() => Err(DecodeError::TrailingBytes { bytes: self.rest.len() }),
            Ok(value) => Ok(value),
        }
    }
}

impl Read for Body<'_> {
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

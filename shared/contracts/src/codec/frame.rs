//! Confluent's wire format: the byte 0, the schema id in four bytes (big-endian), then the Avro body.

use crate::bounds::PAYLOAD_BYTES_MAX;
use crate::error::DecodeError;

/// Length of the header.
const HEADER_BYTES: usize = 5;

/// The first byte of a payload.
const MAGIC: u8 = 0;

/// Returns the header of a payload.
pub(super) fn header(schema_id: u32) -> [u8; HEADER_BYTES] {
    let [a, b, c, d] = schema_id.to_be_bytes();
    [MAGIC, a, b, c, d]
}

/// Splits a payload into schema id and Avro body.
///
/// # Errors
/// If the payload is shorter than the header, larger than [`PAYLOAD_BYTES_MAX`], or does not start with 0.
pub fn split(payload: &[u8]) -> Result<(u32, &[u8]), DecodeError> {
    if payload.len() > PAYLOAD_BYTES_MAX {
        return Err(DecodeError::TooLarge { bytes: payload.len() });
    }
    match payload {
        [MAGIC, a, b, c, d, body @ ..] => Ok((u32::from_be_bytes([*a, *b, *c, *d]), body)),
        [] => Err(DecodeError::Empty),
        [MAGIC, ..] => Err(DecodeError::Truncated { bytes: payload.len(), needed: HEADER_BYTES }),
        [magic, ..] => Err(DecodeError::BadMagic { byte: *magic }),
    }
}

/// Returns the schema id of a payload without checking size or body. `None` if the header is not in Confluent's wire format.
#[must_use]
pub fn schema_id(payload: &[u8]) -> Option<u32> {
    match payload {
        [MAGIC, a, b, c, d, ..] => Some(u32::from_be_bytes([*a, *b, *c, *d])),
        _ => None,
    }
}

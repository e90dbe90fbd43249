//! Events as bytes: Confluent's wire format (0, the schema's id in four bytes, the Avro body), encoded and decoded in one place.
//!
//! An event written with our own schema is read straight into its struct. One written with another schema (an older or newer
//! version of us) goes through an Avro value that is resolved to our schema; which of the two it is, is found once for each id.
//! Both ways refuse a body that ends early or goes on after its end. Encoding always writes our newest schema.

mod decode;
mod error;
mod foreign;
mod layout;
mod starved;

pub use decode::{Codec, WriterSchemas};
pub use error::{DecodeError, EncodeError, MISPLACED, WriterError};
pub use layout::Layout;

use crate::event::Event;

/// The most bytes of a payload, header included: below `max.message.bytes`, with room for key, headers and the batch about it.
pub const MAX_PAYLOAD_BYTES: usize = 1_000_000;

/// Bytes before the Avro body.
const HEADER_BYTES: usize = 5;

/// The first byte.
const MAGIC: u8 = 0;

/// Writes `event` into `out`, which is cleared first, under the registry's id of our schema.
///
/// The event's rules aren't checked here: whoever makes an event answers for it, whoever receives one checks it.
///
/// # Errors
/// When the payload would be larger than [`MAX_PAYLOAD_BYTES`]; `out` is empty then.
pub fn encode<E: Event>(event: &E, schema_id: u32, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    out.clear();
    out.push(MAGIC);
    out.extend_from_slice(&schema_id.to_be_bytes());
    let written = E::layout().write(event, out);
    let name = event.topic().event();
    let fault = match written {
        Err(error) => EncodeError::Avro { event: name, cause: error.to_string() },
        Ok(()) if out.len() > MAX_PAYLOAD_BYTES => EncodeError::TooLarge { event: name, bytes: out.len() },
        Ok(()) => return Ok(()),
    };
    out.clear();
    Err(fault)
}

/// The schema's id and the Avro body of a payload.
///
/// # Errors
/// When it is too short for a header, too large, or starts with another byte than 0.
pub fn split(payload: &[u8]) -> Result<(u32, &[u8]), DecodeError> {
    if payload.len() > MAX_PAYLOAD_BYTES {
        return Err(DecodeError::TooLarge { bytes: payload.len() });
    }
    match payload {
        [MAGIC, a, b, c, d, body @ ..] => Ok((u32::from_be_bytes([*a, *b, *c, *d]), body)),
        [] => Err(DecodeError::Empty),
        [MAGIC, ..] => Err(DecodeError::Truncated { bytes: payload.len(), needed: HEADER_BYTES }),
        [magic, ..] => Err(DecodeError::BadMagic { byte: *magic }),
    }
}

/// The schema's id in a payload's header, however long and broken its body is; none when the header isn't Confluent's.
#[must_use]
pub fn schema_id(payload: &[u8]) -> Option<u32> {
    match payload {
        [MAGIC, a, b, c, d, ..] => Some(u32::from_be_bytes([*a, *b, *c, *d])),
        _ => None,
    }
}

/// Our own schema of an event, parsed.
#[must_use]
pub fn schema<E: Event>() -> &'static apache_avro::Schema {
    E::layout().schema()
}

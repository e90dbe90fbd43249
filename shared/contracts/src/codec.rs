//! Events as bytes in Confluent's wire format: the byte 0, the schema id in four bytes, the Avro body.
//!
//! [`encode`] always writes the newest embedded schema. [`Codec::decode`] reads a body that was written with the embedded schema
//! directly into the struct. It reads any other body (from an older or newer version of Tapeline) into an Avro value and resolves
//! that to the embedded schema. The codec decides between the two once per schema id. Both ways reject a body that is truncated or
//! has trailing bytes.

mod decode;
mod frame;
mod resolution;

pub use decode::{Codec, WriterSchemas};
pub use frame::{schema_id, split};

pub use crate::bounds::PAYLOAD_BYTES_MAX;
pub use crate::error::{DecodeError, EncodeError, MISPLACED, WriterError};

use crate::event::Event;

/// Writes `event` into `out`, which is cleared first. `schema_id` is the registry's id of the embedded schema.
///
/// The rules of the event are not checked. A producer is responsible for valid events; a consumer checks them in
/// [`Codec::decode`].
///
/// # Errors
/// If the payload exceeds [`PAYLOAD_BYTES_MAX`]. `out` is then empty.
pub fn encode<E: Event>(event: &E, schema_id: u32, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    out.clear();
    out.extend_from_slice(&frame::header(schema_id));
    let written = E::schema_codec().write(event, out);
    let name = event.topic().event();
    let error = match written {
        Err(error) => EncodeError::Avro { event: name, cause: error.to_string() },
        Ok(()) if out.len() > PAYLOAD_BYTES_MAX => EncodeError::TooLarge { event: name, bytes: out.len() },
        Ok(()) => return Ok(()),
    };
    out.clear();
    Err(error)
}

/// Returns the parsed embedded schema of an event.
#[must_use]
pub fn schema<E: Event>() -> &'static apache_avro::Schema {
    E::schema_codec().schema()
}

//! Decodes records of one type of event each.

use contracts::{Codec, Event, WriterSchemas};
use kafka_io::OwnedRecord;

use crate::exit::Failure;

/// Decodes events, and counts the records without a valid one.
pub struct Decoder<'a> {
    codec: Codec,
    writers: &'a (dyn WriterSchemas + Sync),
    /// The number of records without a valid event.
    pub skipped: u64,
}

impl<'a> Decoder<'a> {
    #[must_use]
    pub fn new(writers: &'a (dyn WriterSchemas + Sync)) -> Self {
        Self { codec: Codec::new(), writers, skipped: 0 }
    }

    /// Returns the event of a record. `None` if it has no valid one.
    ///
    /// # Errors
    /// [`Failure::Unreachable`] if the registry is unavailable.
    pub fn event<E: Event>(&mut self, record: &OwnedRecord) -> Result<Option<E>, Failure> {
        match self.codec.decode::<E>(record.payload.as_deref(), self.writers) {
            Ok(event) => Ok(Some(event)),
            Err(error) if error.is_retryable() => Err(Failure::unreachable(error)),
            Err(_) => {
                self.skipped += 1;
                Ok(None)
            }
        }
    }
}

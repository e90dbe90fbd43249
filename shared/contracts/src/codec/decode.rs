//! From bytes to events, whoever wrote them.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use apache_avro::Schema;

use super::error::{DecodeError, WriterError};
use super::foreign::Foreign;
use super::split;
use crate::event::Event;
use crate::topics::Topic;

/// Where schemas of writers come from: the registry, behind a cache that answers at once for what it has seen.
pub trait WriterSchemas {
    /// The schema of this id.
    ///
    /// # Errors
    /// When there is none, it can't be read, or the registry can't be asked.
    fn writer(&self, id: u32) -> Result<Arc<Schema>, WriterError>;
}

/// Ids that are remembered; more than any registry of ours holds.
const MAX_IDS: usize = 4_096;

/// Decodes events; remembers for each id how what it wrote is to be read.
#[derive(Default)]
pub struct Codec {
    readings: RwLock<HashMap<(Topic, u32), Reading>>,
}

/// How the bodies under one id are read.
#[derive(Clone)]
enum Reading {
    /// Straight into the struct.
    Own,
    /// Through a value, resolved to our schema.
    Foreign(Arc<Foreign>),
}

impl Codec {
    /// A codec that has seen no id yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The event that `payload` holds, with its rules checked. What it says about time is checked by [`Event::check_clock`],
    /// where it lies by [`Event::check_placement`].
    ///
    /// # Errors
    /// When it holds none, or one that breaks a rule; [`DecodeError::is_retryable`] tells whether the record is to blame.
    pub fn decode<'a, E: Event>(
        &self,
        payload: impl Into<Option<&'a [u8]>>,
        writers: &dyn WriterSchemas,
    ) -> Result<E, DecodeError> {
        let event: E = self.read(payload, writers)?;
        event.validate()?;
        Ok(event)
    }

    /// The event that `payload` holds, whether or not it keeps its rules: for those who only look.
    ///
    /// # Errors
    /// When it holds none.
    pub fn read<'a, E: Event>(
        &self,
        payload: impl Into<Option<&'a [u8]>>,
        writers: &dyn WriterSchemas,
    ) -> Result<E, DecodeError> {
        let payload = payload.into().ok_or(DecodeError::Tombstone)?;
        let (id, body) = split(payload)?;
        match self.reading::<E>(id, writers)? {
            Reading::Own => E::layout().read(body),
            Reading::Foreign(foreign) => foreign.read(body, E::layout()),
        }
    }

    fn reading<E: Event>(&self, id: u32, writers: &dyn WriterSchemas) -> Result<Reading, DecodeError> {
        let key = (E::TOPIC, id);
        // A panic elsewhere leaves the map whole: entries are only ever added or all forgotten.
        let known = self.readings.read().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        if let Some(reading) = known {
            return Ok(reading);
        }
        let reading = match Foreign::of(id, writers.writer(id)?, E::layout().schema())? {
            None => Reading::Own,
            Some(foreign) => Reading::Foreign(Arc::new(foreign)),
        };
        let mut readings = self.readings.write().unwrap_or_else(PoisonError::into_inner);
        if readings.len() >= MAX_IDS {
            readings.clear();
        }
        readings.insert(key, reading.clone());
        Ok(reading)
    }
}

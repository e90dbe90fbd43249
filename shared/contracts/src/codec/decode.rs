//! Decoder of events, independent of the schema version of the writer.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use apache_avro::Schema;

use super::frame::split;
use super::resolution::SchemaResolution;
use crate::error::{DecodeError, WriterError};
use crate::event::Event;
use crate::topics::Topic;

/// Source of writer schemas: the schema registry with a cache that returns known ids without a request.
pub trait WriterSchemas {
    /// Returns the schema with this id.
    ///
    /// # Errors
    /// If no such schema exists, it is not a readable Avro schema, or the registry is unavailable.
    fn writer(&self, id: u32) -> Result<Arc<Schema>, WriterError>;
}

/// Limit of cached schema ids; a registry of this project holds fewer.
const SCHEMA_IDS_MAX: usize = 4_096;

/// Decodes events. Caches per schema id how bodies with that id are read.
#[derive(Default)]
pub struct Codec {
    plans: RwLock<HashMap<(Topic, u32), ReadPlan>>,
}

/// The way to read the bodies of one schema id.
#[derive(Clone)]
enum ReadPlan {
    /// Directly into the struct.
    Direct,
    /// As an Avro value that is resolved to the embedded schema.
    Resolved(Arc<SchemaResolution>),
}

impl Codec {
    /// Returns a codec with an empty cache.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Decodes an event and checks its rules. [`Event::check_clock`] and [`Event::check_placement`] check it against the clock and
    /// the partition.
    ///
    /// # Errors
    /// If the payload is not an event of this type, or the event violates a rule. [`DecodeError::is_retryable`] distinguishes an
    /// invalid record from an unavailable registry.
    pub fn decode<'a, E: Event>(
        &self,
        payload: impl Into<Option<&'a [u8]>>,
        writers: &dyn WriterSchemas,
    ) -> Result<E, DecodeError> {
        let event: E = self.read(payload, writers)?;
        event.validate()?;
        Ok(event)
    }

    /// Decodes an event without checking its rules, for tools that display records.
    ///
    /// # Errors
    /// If the payload is not an event of this type.
    pub fn read<'a, E: Event>(
        &self,
        payload: impl Into<Option<&'a [u8]>>,
        writers: &dyn WriterSchemas,
    ) -> Result<E, DecodeError> {
        let payload = payload.into().ok_or(DecodeError::Tombstone)?;
        let (id, body) = split(payload)?;
        match self.plan::<E>(id, writers)? {
            ReadPlan::Direct => E::schema_codec().read(body),
            ReadPlan::Resolved(resolution) => resolution.read(body, E::schema_codec()),
        }
    }

    fn plan<E: Event>(&self, id: u32, writers: &dyn WriterSchemas) -> Result<ReadPlan, DecodeError> {
        let key = (E::TOPIC, id);
        // A panic of another thread leaves the map consistent: entries are only added, or all are removed.
        let cached = self.plans.read().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        if let Some(plan) = cached {
            return Ok(plan);
        }
        let plan = match SchemaResolution::new(id, writers.writer(id)?, E::schema_codec().schema())? {
            None => ReadPlan::Direct,
            Some(resolution) => ReadPlan::Resolved(Arc::new(resolution)),
        };
        let mut plans = self.plans.write().unwrap_or_else(PoisonError::into_inner);
        if plans.len() >= SCHEMA_IDS_MAX {
            plans.clear();
        }
        plans.insert(key, plan.clone());
        Ok(plan)
    }
}

//! Conversion between records and events: a record becomes a valid event or a dead letter, an event becomes a record in its
//! partition.

use std::collections::HashMap;
use std::sync::Arc;

use contracts::codec::MISPLACED;
use contracts::{Codec, EncodeError, Event, Topic, WriterSchemas, encode, partition_for};
use domain::Timestamp;
use pipeline::{Effect, RecordId, Verdict};

use crate::dead_letter::{self, Cause};
use crate::header_limits;
use crate::owned_record::OwnedRecord;
use crate::record::{Headers, InRecord, OutRecord};

/// The error class of a record whose time is ahead of the clock.
const AHEAD_OF_CLOCK: &str = "ahead_of_clock";

/// The error class of a record whose outputs can't be written.
pub const UNWRITABLE: &str = "unwritable";

/// The registry's ids of the schemas that a service writes, by topic.
pub type SchemaIds = HashMap<Topic, u32>;

/// A record was not decoded into an event.
#[derive(Debug)]
pub enum DecodeFailure {
    /// The record can never be decoded: its dead letter.
    DeadLetter(Box<OutRecord>),
    /// The registry is unavailable. The partition is paused and the record is processed again later.
    Unavailable(String),
}

impl From<DecodeFailure> for Verdict<OutRecord> {
    fn from(failure: DecodeFailure) -> Self {
        match failure {
            DecodeFailure::DeadLetter(dead_letter) => Self::Reject(*dead_letter),
            DecodeFailure::Unavailable(cause) => Self::Defer(cause),
        }
    }
}

/// The registry is unavailable, so a record cannot be decoded yet. The text contains the cause.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unavailable(pub String);

/// The conversion between records and events of one service.
#[derive(Clone)]
pub struct Wire {
    codec: Arc<Codec>,
    writers: Arc<dyn WriterSchemas + Send + Sync>,
    ids: Arc<SchemaIds>,
    service: &'static str,
    dead_letters: Topic,
    partitions: i32,
}

impl Wire {
    /// Creates the conversion for `service`, which writes with these schema ids into topics of `partitions` partitions. `writers`
    /// returns the schemas of the events that it reads.
    #[must_use]
    pub fn new(
        service: &'static str,
        dead_letters: Topic,
        partitions: i32,
        ids: SchemaIds,
        writers: Arc<dyn WriterSchemas + Send + Sync>,
    ) -> Self {
        Self { codec: Arc::new(Codec::new()), writers, ids: Arc::new(ids), service, dead_letters, partitions }
    }

    /// Returns the partition count of every topic.
    #[must_use]
    pub fn partitions(&self) -> i32 {
        self.partitions
    }

    /// Returns the partition of a symbol, the same in every topic.
    #[must_use]
    pub fn partition_of(&self, symbol: &str) -> i32 {
        partition_for(symbol.as_bytes(), self.partitions)
    }

    /// Returns the event in a work record: decoded, valid, not ahead of `now`, and in its symbol's partition.
    ///
    /// # Errors
    /// [`DecodeFailure`] with the dead letter, or because the registry is unavailable.
    pub fn read<E: Event>(&self, record: &InRecord<'_>, now: Timestamp) -> Result<E, DecodeFailure> {
        header_limits::check(record.headers)
            .map_err(|error| self.reject(record, header_limits::BAD_HEADERS, &error.to_string()))?;
        let event: E = self.codec.decode(record.payload, self.writers.as_ref()).map_err(|error| {
            if error.is_retryable() {
                DecodeFailure::Unavailable(format!("{record:?}: {error}"))
            } else {
                self.reject(record, error.class(), &error.to_string())
            }
        })?;
        event.check_clock(now).map_err(|error| self.reject(record, AHEAD_OF_CLOCK, &error.to_string()))?;
        event
            .check_placement(record.partition, self.partitions)
            .map_err(|error| self.reject(record, MISPLACED, &error.to_string()))?;
        Ok(event)
    }

    /// Returns the event in a table record if it is valid and in its symbol's partition; otherwise `None`, to be counted and skipped. A
    /// tombstone has no event: the stage applies it by its key before.
    ///
    /// # Errors
    /// If the registry is unavailable: the record is not to be skipped.
    pub fn read_table<E: Event>(&self, record: &InRecord<'_>) -> Result<Option<E>, Unavailable> {
        if header_limits::check(record.headers).is_err() {
            return Ok(None);
        }
        match self.codec.decode::<E>(record.payload, self.writers.as_ref()) {
            Ok(event) => {
                let is_in_partition = event.check_placement(record.partition, self.partitions).is_ok();
                Ok(is_in_partition.then_some(event))
            }
            Err(error) if error.is_retryable() => Err(Unavailable(error.to_string())),
            Err(_) => Ok(None),
        }
    }

    /// Returns the event in a record that was read as [`Wire::read_table`] does.
    ///
    /// # Errors
    /// If the registry is unavailable: the record is not to be skipped.
    pub fn read_owned<E: Event>(&self, record: &OwnedRecord) -> Result<Option<E>, Unavailable> {
        self.read_table(&record.view())
    }

    /// Returns the record of an event, in its symbol's partition.
    ///
    /// # Errors
    /// If the event is larger than a topic accepts, or the service has no schema id for its topic.
    pub fn write<E: Event>(&self, event: &E, traceparent: Option<&str>) -> Result<OutRecord, EncodeError> {
        let topic = event.topic();
        let id = *self.ids.get(&topic).ok_or(EncodeError::NoSchemaId { event: topic.event(), topic })?;
        let mut payload = Vec::new();
        encode(event, id, &mut payload)?;
        let partition = self.partition_of(event.symbol());
        let key = event.key().as_bytes().to_vec();
        Ok(OutRecord::new(topic, partition, key, payload).with_traceparent(traceparent))
    }

    /// Returns the dead letter of a record.
    #[must_use]
    pub fn dead_letter(&self, record: &InRecord<'_>, class: &'static str, error: &str) -> OutRecord {
        let cause = Cause { class, error, attempts: 1, service: self.service };
        dead_letter::of(record, self.dead_letters, self.partitions, cause)
    }

    /// Dead-letters a held record whose outputs can't be written, which no valid record causes. The record's bytes are no longer
    /// available, so its dead letter names only topic, partition and offset.
    #[must_use]
    pub fn reject_unwritable(&self, topic: Topic, id: RecordId, error: &EncodeError) -> Effect<OutRecord> {
        let (partition, offset) = (id.input.partition, id.offset);
        tracing::error!(%error, %topic, partition, offset, "failed to write outputs: record dead-lettered");
        let origin = InRecord {
            topic,
            partition,
            offset,
            timestamp_ms: 0,
            key: None,
            payload: None,
            epoch: Some(id.epoch),
            traceparent: None,
            headers: Headers::none(),
        };
        Effect::Reject { id, dead_letter: self.dead_letter(&origin, UNWRITABLE, &error.to_string()) }
    }

    fn reject(&self, record: &InRecord<'_>, class: &'static str, error: &str) -> DecodeFailure {
        DecodeFailure::DeadLetter(Box::new(self.dead_letter(record, class, error)))
    }
}

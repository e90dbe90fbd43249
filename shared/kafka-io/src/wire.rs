//! What every stage does with records: bytes to a valid event or its dead letter, and an event to a record in its partition.

use std::collections::HashMap;
use std::sync::Arc;

use contracts::codec::MISPLACED;
use contracts::{Codec, EncodeError, Event, Topic, WriterSchemas, encode, partition_for};
use domain::Timestamp;
use pipeline::{Effect, RecordId, Verdict};

use crate::dead_letter::{self, Cause};
use crate::header_rule;
use crate::record::{Headers, InRecord, OutRecord};

/// The class of a record whose time lies ahead of the clock.
const AHEAD_OF_CLOCK: &str = "ahead_of_clock";

/// The class of a record whose outputs can't be written.
pub const UNWRITABLE: &str = "unwritable";

/// The registry's ids of the schemas that a service writes, by topic.
pub type SchemaIds = HashMap<Topic, u32>;

/// A record that gives no event.
#[derive(Debug)]
pub enum DecodeFailure {
    /// It never will: its dead letter.
    DeadLetter(Box<OutRecord>),
    /// The registry couldn't be asked: nobody knows yet. The partition waits, the record comes again.
    Unavailable(String),
}

impl From<DecodeFailure> for Verdict<OutRecord> {
    fn from(refused: DecodeFailure) -> Self {
        match refused {
            DecodeFailure::DeadLetter(letter) => Self::Reject(*letter),
            DecodeFailure::Unavailable(cause) => Self::Defer(cause),
        }
    }
}

/// The registry couldn't be asked how a record is to be read: nobody knows yet whether it holds an event.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unavailable(pub String);

/// One service's way between records and events.
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
    /// For `service`, which writes under these schema ids into topics of `partitions` partitions.
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

    /// How many partitions every topic has.
    #[must_use]
    pub fn partitions(&self) -> i32 {
        self.partitions
    }

    /// The partition of what concerns this symbol, in every topic.
    #[must_use]
    pub fn partition_of(&self, symbol: &str) -> i32 {
        partition_for(symbol.as_bytes(), self.partitions)
    }

    /// The event in a work record: decoded, valid, not ahead of `now`, and in its symbol's partition.
    ///
    /// # Errors
    /// [`DecodeFailure`] with the dead letter, or because the registry can't be asked.
    pub fn read<E: Event>(&self, record: &InRecord<'_>, now: Timestamp) -> Result<E, DecodeFailure> {
        header_rule::check(record.headers)
            .map_err(|fault| self.refuse(record, header_rule::BAD_HEADERS, &fault.to_string()))?;
        let event: E = self.codec.decode(record.payload, self.writers.as_ref()).map_err(|fault| {
            if fault.is_retryable() {
                DecodeFailure::Unavailable(format!("{record:?}: {fault}"))
            } else {
                self.refuse(record, fault.class(), &fault.to_string())
            }
        })?;
        event.check_clock(now).map_err(|fault| self.refuse(record, AHEAD_OF_CLOCK, &fault.to_string()))?;
        event
            .check_placement(record.partition, self.partitions)
            .map_err(|fault| self.refuse(record, MISPLACED, &fault.to_string()))?;
        Ok(event)
    }

    /// The event in a table record, if it is a valid one in its place; anything else is `None`, to be counted and skipped.
    ///
    /// # Errors
    /// When the registry can't be asked: the record is not to be skipped.
    pub fn read_table<E: Event>(&self, record: &InRecord<'_>) -> Result<Option<E>, Unavailable> {
        if header_rule::check(record.headers).is_err() {
            return Ok(None);
        }
        match self.codec.decode::<E>(record.payload, self.writers.as_ref()) {
            Ok(event) => {
                let is_in_place = event.check_placement(record.partition, self.partitions).is_ok();
                Ok(is_in_place.then_some(event))
            }
            Err(fault) if fault.is_retryable() => Err(Unavailable(fault.to_string())),
            Err(_) => Ok(None),
        }
    }

    /// The record of an event, in its symbol's partition.
    ///
    /// # Errors
    /// When it is larger than a topic takes.
    pub fn write<E: Event>(&self, event: &E, traceparent: Option<&str>) -> Result<OutRecord, EncodeError> {
        let topic = event.topic();
        let mut payload = Vec::new();
        // A topic without an id is one that this service never writes: id 0 exists in no registry.
        encode(event, self.ids.get(&topic).copied().unwrap_or(0), &mut payload)?;
        let partition = self.partition_of(event.symbol());
        let key = event.key().as_bytes().to_vec();
        Ok(OutRecord::new(topic, partition, key, payload).with_traceparent(traceparent))
    }

    /// The dead letter of a record.
    #[must_use]
    pub fn dead_letter(&self, record: &InRecord<'_>, class: &'static str, error: &str) -> OutRecord {
        let cause = Cause { class, error, attempts: 1, service: self.service };
        dead_letter::of(record, self.dead_letters, self.partitions, cause)
    }

    /// Ends a held record whose outputs can't be written, which no valid record's are: its bytes are gone from here, so its dead
    /// letter names the place in its topic where they lie.
    #[must_use]
    pub fn reject_unwritable(&self, topic: Topic, id: RecordId, fault: &EncodeError) -> Effect<OutRecord> {
        let (partition, offset) = (id.input.partition, id.offset);
        tracing::error!(%fault, %topic, partition, offset, "outputs can't be written: their record is a dead letter");
        let place = InRecord {
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
        Effect::Reject { id, dead_letter: self.dead_letter(&place, UNWRITABLE, &fault.to_string()) }
    }

    fn refuse(&self, record: &InRecord<'_>, class: &'static str, error: &str) -> DecodeFailure {
        DecodeFailure::DeadLetter(Box::new(self.dead_letter(record, class, error)))
    }
}

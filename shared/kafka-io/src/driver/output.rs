//! Producer of a stage: produces batches in transactions with their offsets, or at least once.
//!
//! | file | |
//! |---|---|
//! | `plain.rs` | at least once |
//! | `transactional.rs` | in transactions |
//! | `call_thread.rs`, `calls.rs` | the thread that makes the calls of a transactional producer |
//! | `acknowledgements.rs` | acknowledged and failed records |

mod acknowledgements;
mod call_thread;
mod calls;
mod outcome;
mod plain;
mod transactional;

use std::sync::{Arc, Mutex};
use std::time::Instant;

use pipeline::BatchId;
use rdkafka::consumer::BaseConsumer;
use rdkafka::topic_partition_list::TopicPartitionList;

use self::acknowledgements::{Acknowledgements, Attempt};
pub(super) use self::call_thread::{Beat, Clock};
use self::call_thread::{Bounds, CallThread};
use self::calls::{Connect, LibrdkafkaCalls};
pub(super) use self::outcome::BatchOutcome;
use self::plain::PlainOutput;
use self::transactional::TransactionalOutput;
use super::error::DriverError;
use super::hooks::Hooks;
use super::hung_clients::{ClientState, HungClients};
use super::timeouts;
use crate::broker_monitor::BrokerMonitor;
use crate::call_error::CallError;
use crate::client::{self, LogContext};
use crate::config::{Delivery, KafkaConfig};
use crate::raw::Wake;
use crate::record::OutRecord;

pub(super) enum Output {
    Plain(PlainOutput),
    Transactional(TransactionalOutput),
}

/// Creates the transactional producers of a driver.
pub(super) struct Producers {
    connect: Box<Connect>,
    clock: Clock,
    /// The number of producers so far.
    created: u32,
}

/// The parameters of a producer.
pub(super) struct OutputOptions<'a> {
    pub(super) kafka: &'a KafkaConfig,
    pub(super) group: &'a str,
    pub(super) wake: Wake,
    pub(super) monitor: BrokerMonitor,
    pub(super) hung_clients: HungClients,
    pub(super) producers: &'a mut Producers,
    pub(super) beat: Beat<'a>,
}

// === impl Producers ===

impl Producers {
    pub(super) fn new(connect: Box<Connect>, clock: Clock) -> Self {
        Self { connect, clock, created: 0 }
    }
}

impl Default for Producers {
    fn default() -> Self {
        Self::new(Box::new(LibrdkafkaCalls::connect), Arc::new(Instant::now))
    }
}

// === impl Output ===

impl Output {
    /// Creates a producer. A transactional one has aborted the open transaction of its predecessor when this returns.
    pub(super) fn new(options: OutputOptions<'_>) -> Result<Result<Self, CallError>, DriverError> {
        let OutputOptions { kafka, group, wake, monitor, hung_clients, producers, beat } = options;
        let acknowledged = Arc::new(Mutex::new(Attempt::default()));
        let state = ClientState::new(hung_clients);
        let context =
            Acknowledgements { attempt: Arc::clone(&acknowledged), client: state.clone(), wake, monitor };
        if kafka.delivery == Delivery::AtLeastOnce {
            let producer = client::producer(kafka, None, context)?;
            return Ok(Ok(Self::Plain(PlainOutput::new(producer, acknowledged))));
        }
        let producer = (producers.connect)(kafka, &transactional_id(kafka, group), context)?;
        producers.created += 1;
        let bounds = Bounds {
            timeout: kafka.call_timeout(),
            deadline: kafka.call_deadline(),
            clock: Arc::clone(&producers.clock),
        };
        let thread = CallThread::start(producers.created, producer, state, bounds)?;
        let output = TransactionalOutput::new(thread, acknowledged, timeouts::transaction(kafka), beat);
        Ok(output.map(Self::Transactional))
    }

    /// At least once: queues the batch in librdkafka. [`Output::take_outcome`] returns its outcome.
    pub(super) fn produce(&mut self, batch: BatchId, records: &[&OutRecord]) -> Result<(), DriverError> {
        match self {
            Self::Plain(output) => output.produce(batch, records),
            Self::Transactional(_) => Err(wrong_mode()),
        }
    }

    /// At least once: returns the batch in flight and its outcome. `None` until that is known.
    pub(super) fn take_outcome(&mut self) -> Result<Option<(BatchId, BatchOutcome)>, DriverError> {
        match self {
            Self::Plain(output) => output.take_outcome(),
            Self::Transactional(_) => Ok(None),
        }
    }

    /// Produces the batch and commits the positions in one transaction, or aborts it. Blocks until the outcome is known, and calls the
    /// heartbeat meanwhile.
    pub(super) fn transact(
        &mut self,
        records: &[&OutRecord],
        positions: &TopicPartitionList,
        consumer: &BaseConsumer<LogContext>,
        hooks: &mut Hooks,
    ) -> Result<BatchOutcome, DriverError> {
        let Self::Transactional(output) = self else { return Err(wrong_mode()) };
        match output.transact(records, positions, consumer, hooks)? {
            Ok(()) => Ok(BatchOutcome::Committed),
            Err(error) => output.abort(error, &mut *hooks.heartbeat),
        }
    }

    /// Replaces the producer by a new one, under the next epoch of the same transactional id. Its sequence numbers start at zero.
    ///
    /// librdkafka reuses the sequence number of a record that it purges at an abort for the next record of that partition. If the purged
    /// record was written and only its acknowledgement was lost, the broker treats the next record as a duplicate: it acknowledges the
    /// record without writing it, and the transaction commits without it (ADR 066).
    pub(super) fn recreate(
        &mut self,
        options: OutputOptions<'_>,
    ) -> Result<Result<(), CallError>, DriverError> {
        let OutputOptions { beat, .. } = options;
        let options = OutputOptions { beat: &mut *beat, ..options };
        let new = match Self::new(options)? {
            Ok(new) => new,
            Err(error) => return Ok(Err(error)),
        };
        let Self::Transactional(old) = self else { return Err(wrong_mode()) };
        let Self::Transactional(new) = new else { return Err(wrong_mode()) };
        Ok(old.replace(new, beat))
    }

    /// Destroys the producer. The error is that it was abandoned.
    pub(super) fn close(self, beat: Beat<'_>) -> Result<(), CallError> {
        match self {
            Self::Plain(output) => drop(output),
            Self::Transactional(output) => output.close(beat)?,
        }
        Ok(())
    }
}

/// Returns the transactional id of an instance. It survives restarts, so that a restarted instance aborts the open transaction of its
/// predecessor at once.
pub(super) fn transactional_id(kafka: &KafkaConfig, group: &str) -> String {
    format!("{group}-{}", kafka.instance())
}

fn wrong_mode() -> DriverError {
    DriverError::Fatal { cause: "a batch of the other delivery mode".into() }
}

#[cfg(test)]
pub(super) mod tests;

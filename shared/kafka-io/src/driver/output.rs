//! The producer of a stage: batches leave in a transaction with their offsets, or by themselves.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use pipeline::BatchId;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message;
use rdkafka::producer::{BaseRecord, DeliveryResult, Producer, ProducerContext, ThreadedProducer};
use rdkafka::topic_partition_list::TopicPartitionList;

use super::error::DriverError;
use super::observer::{GiveUp, TransactionStep};
use crate::call_error::{CallError, Remedy};
use crate::client::{self, LogContext, log_error, log_line};
use crate::config::{Delivery, KafkaConfig};
use crate::error_codes::is_not_authorized;
use crate::raw::{self, Wake};
use crate::record::OutRecord;

/// How long one transactional call may wait for the cluster before it is looked at again.
const CALL: Duration = Duration::from_secs(5);

/// First pause after an abort, doubled with each one that follows at once, up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// What became of a batch.
#[derive(Debug)]
pub(super) enum Outcome {
    Committed,
    Aborted(CallError),
    /// Aborted, and the brokers may hold outputs that they never acknowledged: the producer is to be [renewed](Output::renew).
    AbortedInDoubt(CallError),
    Delivered,
    Failed(String),
    /// The client is of no further use.
    Broken(CallError),
}

pub(super) struct Output {
    producer: ThreadedProducer<Acknowledgements>,
    acknowledged: Arc<Mutex<Attempt>>,
    in_flight: Option<BatchId>,
    transaction_timeout: Duration,
    aborts_in_a_row: u32,
}

/// The production of one batch, once. A batch that is produced again is another attempt: what is said of an older one is of no
/// interest.
#[derive(Debug, Default)]
struct Attempt {
    number: usize,
    outstanding: usize,
    failure: Option<(RDKafkaErrorCode, String)>,
    /// Records that were queued and not acknowledged when the client gave them up.
    in_doubt: usize,
}

struct Acknowledgements {
    attempt: Arc<Mutex<Attempt>>,
    wake: Wake,
}

impl ClientContext for Acknowledgements {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        log_line(level, facility, text);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        log_error(&error, reason);
    }
}

impl ProducerContext for Acknowledgements {
    /// The number of the attempt.
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, number: usize) {
        let mut attempt = lock(&self.attempt);
        if attempt.number != number {
            return;
        }
        attempt.outstanding = attempt.outstanding.saturating_sub(1);
        if let Err((error, message)) = result {
            attempt.in_doubt += 1;
            let code = error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Fail);
            let text = format!("{}[{}]: {error}", message.topic(), message.partition());
            attempt.failure.get_or_insert((code, text));
        }
        if attempt.outstanding == 0 {
            drop(attempt);
            self.wake.wake();
        }
    }
}

// === impl Output ===

impl Output {
    /// A producer; a transactional one has ended its predecessor's open transaction when this returns.
    pub(super) fn make(
        config: &KafkaConfig,
        group: &str,
        wake: Wake,
    ) -> Result<Result<Self, CallError>, DriverError> {
        let acknowledged = Arc::new(Mutex::new(Attempt::default()));
        let context = Acknowledgements { attempt: Arc::clone(&acknowledged), wake };
        let transactional_id = match config.delivery {
            Delivery::Transactional => Some(super::transactional_id(config, group)),
            Delivery::AtLeastOnce => None,
        };
        let producer = client::producer(config, transactional_id.as_deref(), context)?;
        let transaction_timeout = Duration::from_millis(config.transaction_timeout_ms.into());
        let output =
            Self { producer, acknowledged, in_flight: None, transaction_timeout, aborts_in_a_row: 0 };
        if transactional_id.is_some()
            && let Err(fault) = output.retrying(output.deadline(), || output.producer.init_transactions(CALL))
        {
            return Ok(Err(fault));
        }
        Ok(Ok(output))
    }

    /// At least once: hands the batch to librdkafka; [`Output::settled`] tells what became of it.
    pub(super) fn produce<'a>(
        &mut self,
        batch: BatchId,
        records: impl ExactSizeIterator<Item = &'a OutRecord>,
    ) -> Result<(), DriverError> {
        self.send(records)?;
        self.in_flight = Some(batch);
        Ok(())
    }

    /// At least once: the batch in flight and its outcome, once that is known.
    pub(super) fn settled(&mut self) -> Result<Option<(BatchId, Outcome)>, DriverError> {
        let Some(batch) = self.in_flight else { return Ok(None) };
        let failure = {
            let attempt = lock(&self.acknowledged);
            if attempt.outstanding > 0 {
                return Ok(None);
            }
            attempt.failure.clone()
        };
        self.in_flight = None;
        let outcome = match failure {
            None => Outcome::Delivered,
            Some((code, text)) => {
                refuse_hopeless(code, &text)?;
                match self.producer.client().fatal_error().or(denied(code, &text)) {
                    Some((code, text)) => Outcome::Broken(CallError::fatal(code, text)),
                    None => Outcome::Failed(text),
                }
            }
        };
        Ok(Some((batch, outcome)))
    }

    /// Produces the batch and commits the positions in one transaction. Blocks until that is decided, at most for about the
    /// transaction timeout. After an error that asks for it, [`Output::abort`] is to follow.
    pub(super) fn transact<'a>(
        &mut self,
        records: impl ExactSizeIterator<Item = &'a OutRecord>,
        positions: &TopicPartitionList,
        consumer: &BaseConsumer<LogContext>,
        give_up: &mut GiveUp,
    ) -> Result<Result<(), CallError>, DriverError> {
        let deadline = self.deadline();
        let mut ask = |step| if give_up(step) { Err(CallError::given_up()) } else { Ok(()) };
        let begun = self.retrying(deadline, || self.producer.begin_transaction());
        if let Err(fault) = begun.and_then(|()| ask(TransactionStep::Begun)) {
            return Ok(Err(fault));
        }
        self.send(records)?;
        let done = match self.refused()? {
            // Offsets without all of the outputs would lose these.
            Some(fault) => Err(fault),
            None => ask(TransactionStep::Sent)
                .and_then(|()| self.offsets(deadline, positions, consumer))
                .and_then(|()| ask(TransactionStep::OffsetsSent))
                .and_then(|()| self.commit(deadline)),
        };
        if done.is_ok() {
            self.aborts_in_a_row = 0;
        }
        Ok(done)
    }

    /// Gives up the open transaction. Blocks at most for about the transaction timeout.
    pub(super) fn abort(&mut self, fault: CallError) -> Result<Outcome, DriverError> {
        if fault.remedy() == Remedy::Rebuild {
            return Ok(Outcome::Broken(fault));
        }
        let failure = lock(&self.acknowledged).failure.clone();
        if let Some((code, text)) = failure {
            refuse_hopeless(code, &text)?;
        }
        match self.retrying(self.deadline(), || self.producer.abort_transaction(CALL)) {
            Ok(()) => {
                self.pause_after_abort();
                let in_doubt = {
                    let attempt = lock(&self.acknowledged);
                    attempt.in_doubt + attempt.outstanding > 0
                };
                Ok(if in_doubt { Outcome::AbortedInDoubt(fault) } else { Outcome::Aborted(fault) })
            }
            Err(fault) => Ok(Outcome::Broken(fault)),
        }
    }

    /// A new producer in this one's place, under the next epoch of the same transactional id, whose sequences begin anew.
    ///
    /// librdkafka gives the sequence number of a record that it purges at an abort to the next record of that partition. Where the
    /// purged one was written after all and only its acknowledgement was lost, the broker takes the next for its repetition: it is
    /// acknowledged, not written, and the transaction commits without it (ADR 066).
    pub(super) fn renew(
        &mut self,
        config: &KafkaConfig,
        group: &str,
        wake: Wake,
    ) -> Result<Result<(), CallError>, DriverError> {
        let renewed = Self::make(config, group, wake)?;
        Ok(renewed.map(|renewed| {
            *self = Self { aborts_in_a_row: self.aborts_in_a_row, ..renewed };
        }))
    }

    /// What the client has refused or lost of the batch so far: the transaction is to be given up.
    fn refused(&self) -> Result<Option<CallError>, DriverError> {
        let Some((code, text)) = lock(&self.acknowledged).failure.clone() else { return Ok(None) };
        refuse_hopeless(code, &text)?;
        let fatal = self.producer.client().fatal_error().or(denied(code, &text)).is_some();
        Ok(Some(CallError { code, text, fatal, retriable: false, abortable: true }))
    }

    /// The coordinator checks the generation that it is given: read right before, so that a member that was put out of its
    /// group, and doesn't know yet, is refused.
    fn offsets(
        &self,
        deadline: Instant,
        positions: &TopicPartitionList,
        consumer: &BaseConsumer<LogContext>,
    ) -> Result<(), CallError> {
        self.retrying(deadline, || {
            // Without a generation the coordinator would take the offsets of an empty group from anyone.
            match (raw::generation(consumer) > 0).then(|| consumer.group_metadata()).flatten() {
                Some(member) => self.producer.send_offsets_to_transaction(positions, &member, CALL),
                None => Err(KafkaError::MessageProduction(RDKafkaErrorCode::UnknownMemberId)),
            }
        })
    }

    fn commit(&self, deadline: Instant) -> Result<(), CallError> {
        loop {
            match raw::commit_transaction(&self.producer) {
                Err(fault) if fault.remedy() == Remedy::Retry && Instant::now() < deadline => {}
                other => return other,
            }
        }
    }

    fn deadline(&self) -> Instant {
        Instant::now() + self.transaction_timeout
    }

    /// Makes a call until it succeeds, fails for good, or the transaction's time is over.
    fn retrying(
        &self,
        deadline: Instant,
        call: impl Fn() -> Result<(), KafkaError>,
    ) -> Result<(), CallError> {
        loop {
            match call().map_err(CallError::from) {
                Err(fault) if fault.remedy() == Remedy::Retry && Instant::now() < deadline => {
                    thread::park_timeout(FIRST_PAUSE);
                }
                other => return other,
            }
        }
    }

    fn send<'a>(&self, records: impl ExactSizeIterator<Item = &'a OutRecord>) -> Result<(), DriverError> {
        let number = {
            let mut attempt = lock(&self.acknowledged);
            *attempt = Attempt {
                number: attempt.number.wrapping_add(1),
                outstanding: records.len(),
                ..Attempt::default()
            };
            attempt.number
        };
        for record in records {
            self.send_one(record, number)?;
        }
        Ok(())
    }

    fn send_one(&self, record: &OutRecord, number: usize) -> Result<(), DriverError> {
        let mut native = BaseRecord::with_opaque_to(record.topic.name(), number).partition(record.partition);
        native.key = record.native_key();
        native.payload = record.native_payload();
        native.headers = record.native_headers();
        loop {
            let Err((error, refused)) = self.producer.send(native) else { return Ok(()) };
            let code = error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Fail);
            match code {
                // The queue empties as acknowledgements come or time out.
                RDKafkaErrorCode::QueueFull => {
                    self.producer.poll(Duration::from_millis(10));
                    native = refused;
                }
                RDKafkaErrorCode::MessageSizeTooLarge | RDKafkaErrorCode::UnknownPartition => {
                    let place = format!("{}[{}]", record.topic, record.partition);
                    return Err(DriverError::Unproducible { cause: format!("{place}: {error}") });
                }
                // The topic is gone or forbidden, or the client or its transaction is in a state of its own: the batch fails.
                _ => {
                    let mut attempt = lock(&self.acknowledged);
                    attempt.outstanding = attempt.outstanding.saturating_sub(1);
                    let text = format!("{}[{}]: {error}", record.topic, record.partition);
                    attempt.failure.get_or_insert((code, text));
                    return Ok(());
                }
            }
        }
    }

    /// An abort whose cause lasts (a coordinator on the move) must not turn into a storm of transactions.
    fn pause_after_abort(&mut self) {
        let pause = FIRST_PAUSE.saturating_mul(1 << self.aborts_in_a_row.min(6)).min(LONGEST_PAUSE);
        self.aborts_in_a_row = self.aborts_in_a_row.saturating_add(1);
        let deadline = Instant::now() + pause;
        while let Some(left) = deadline.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
        {
            thread::park_timeout(left);
        }
    }
}

fn lock(attempt: &Mutex<Attempt>) -> std::sync::MutexGuard<'_, Attempt> {
    attempt.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A record that the brokers will refuse each time must stop the stage with its cause, not go round for ever.
fn refuse_hopeless(code: RDKafkaErrorCode, text: &str) -> Result<(), DriverError> {
    match code {
        RDKafkaErrorCode::MessageSizeTooLarge | RDKafkaErrorCode::InvalidRecord => {
            Err(DriverError::Unproducible { cause: text.to_owned() })
        }
        _ => Ok(()),
    }
}

/// A batch that we may not produce: no new attempt helps, nor a new client.
fn denied(code: RDKafkaErrorCode, text: &str) -> Option<(RDKafkaErrorCode, String)> {
    is_not_authorized(code).then(|| (code, text.to_owned()))
}

#[cfg(test)]
mod tests;

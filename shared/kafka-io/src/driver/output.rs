//! Producer of a stage: produces batches in transactions with their offsets, or at least once.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use kit::Backoff;
use pipeline::BatchId;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message;
use rdkafka::producer::{BaseRecord, DeliveryResult, Producer, ProducerContext, ThreadedProducer};
use rdkafka::topic_partition_list::TopicPartitionList;

use super::error::DriverError;
use super::hooks::{AbortHook, TransactionStep};
use super::timeouts;
use crate::broker_monitor::BrokerMonitor;
use crate::call_error::{CallError, Remedy};
use crate::client::{self, LogContext, log_error, log_line};
use crate::config::{Delivery, KafkaConfig};
use crate::error_codes::is_not_authorized;
use crate::raw::{self, Wake};
use crate::record::OutRecord;

/// Bound of one transactional call; a call that timed out is repeated until the transaction's deadline.
const CALL_TIMEOUT: Duration = Duration::from_secs(5);

/// Wait after consecutive aborts.
const ABORT_BACKOFF: Backoff = Backoff::new(Duration::from_millis(10), Duration::from_millis(500));

/// Wait before a transactional call is repeated.
const RETRY_WAIT: Duration = Duration::from_millis(10);

/// BatchOutcome of a batch.
#[derive(Debug)]
pub(super) enum BatchOutcome {
    Committed,
    Aborted(CallError),
    /// Aborted with outputs in doubt: the producer is to be [recreated](Output::recreate).
    AbortedInDoubt(CallError),
    Delivered,
    Failed(String),
    /// The client cannot be used any more.
    Broken(CallError),
}

pub(super) struct Output {
    producer: ThreadedProducer<Acknowledgements>,
    acknowledged: Arc<Mutex<Attempt>>,
    in_flight: Option<BatchId>,
    transaction_timeout: Duration,
    abort_backoff: Backoff,
}

/// One attempt to produce a batch. A batch that is produced again is another attempt, and reports of earlier attempts are ignored.
#[derive(Debug, Default)]
struct Attempt {
    number: usize,
    outstanding: usize,
    failure: Option<(RDKafkaErrorCode, String)>,
    /// Records whose delivery failed: the brokers may have written them.
    in_doubt: usize,
}

struct Acknowledgements {
    attempt: Arc<Mutex<Attempt>>,
    wake: Wake,
    monitor: BrokerMonitor,
}

impl ClientContext for Acknowledgements {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        log_line(Some(&self.monitor), level, facility, text);
    }

    fn stats_raw(&self, statistics: &[u8]) {
        self.monitor.statistics(statistics);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        log_error(&error, reason);
    }
}

impl ProducerContext for Acknowledgements {
    /// [`Attempt::number`].
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
    /// Creates a producer. A transactional one has aborted the open transaction of its predecessor when this returns.
    pub(super) fn new(
        config: &KafkaConfig,
        group: &str,
        wake: Wake,
        monitor: BrokerMonitor,
    ) -> Result<Result<Self, CallError>, DriverError> {
        let acknowledged = Arc::new(Mutex::new(Attempt::default()));
        let context = Acknowledgements { attempt: Arc::clone(&acknowledged), wake, monitor };
        let transactional_id = match config.delivery {
            Delivery::Transactional => Some(transactional_id(config, group)),
            Delivery::AtLeastOnce => None,
        };
        let producer = client::producer(config, transactional_id.as_deref(), context)?;
        let output = Self {
            producer,
            acknowledged,
            in_flight: None,
            transaction_timeout: timeouts::transaction(config),
            abort_backoff: ABORT_BACKOFF,
        };
        if transactional_id.is_some()
            && let Err(error) =
                output.retrying(output.deadline(), || output.producer.init_transactions(CALL_TIMEOUT))
        {
            return Ok(Err(error));
        }
        Ok(Ok(output))
    }

    /// At least once: queues the batch in librdkafka. [`Output::take_outcome`] returns its outcome.
    pub(super) fn produce<'a>(
        &mut self,
        batch: BatchId,
        records: impl ExactSizeIterator<Item = &'a OutRecord>,
    ) -> Result<(), DriverError> {
        self.send(records)?;
        self.in_flight = Some(batch);
        Ok(())
    }

    /// At least once: returns the batch in flight and its outcome. `None` until that is known.
    pub(super) fn take_outcome(&mut self) -> Result<Option<(BatchId, BatchOutcome)>, DriverError> {
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
            None => BatchOutcome::Delivered,
            Some((code, text)) => {
                check_producible(code, &text)?;
                match self.producer.client().fatal_error().or(denied(code, &text)) {
                    Some((code, text)) => BatchOutcome::Broken(CallError::fatal(code, text)),
                    None => BatchOutcome::Failed(text),
                }
            }
        };
        Ok(Some((batch, outcome)))
    }

    /// Produces the batch and commits the positions in one transaction. Blocks until the outcome is known, at most for about the
    /// transaction timeout. After a [`CallError`], [`Output::abort`] must follow.
    pub(super) fn transact<'a>(
        &mut self,
        records: impl ExactSizeIterator<Item = &'a OutRecord>,
        positions: &TopicPartitionList,
        consumer: &BaseConsumer<LogContext>,
        abort: &mut AbortHook,
    ) -> Result<Result<(), CallError>, DriverError> {
        let deadline = self.deadline();
        let mut check_hook = |step| if abort(step) { Err(CallError::abort_requested()) } else { Ok(()) };
        let begun = self.retrying(deadline, || self.producer.begin_transaction());
        if let Err(error) = begun.and_then(|()| check_hook(TransactionStep::Begun)) {
            return Ok(Err(error));
        }
        self.send(records)?;
        let done = match self.delivery_failure()? {
            // To commit the offsets without all outputs would lose outputs.
            Some(error) => Err(error),
            None => check_hook(TransactionStep::Sent)
                .and_then(|()| self.send_offsets(deadline, positions, consumer))
                .and_then(|()| check_hook(TransactionStep::OffsetsSent))
                .and_then(|()| self.commit(deadline)),
        };
        if done.is_ok() {
            self.abort_backoff.reset();
        }
        Ok(done)
    }

    /// Aborts the open transaction. Blocks at most for about the transaction timeout.
    pub(super) fn abort(&mut self, error: CallError) -> Result<BatchOutcome, DriverError> {
        if error.remedy() == Remedy::Recreate {
            return Ok(BatchOutcome::Broken(error));
        }
        let failure = lock(&self.acknowledged).failure.clone();
        if let Some((code, text)) = failure {
            check_producible(code, &text)?;
        }
        match self.retrying(self.deadline(), || self.producer.abort_transaction(CALL_TIMEOUT)) {
            Ok(()) => {
                self.pause_after_abort();
                let in_doubt = {
                    let attempt = lock(&self.acknowledged);
                    attempt.in_doubt + attempt.outstanding > 0
                };
                Ok(if in_doubt { BatchOutcome::AbortedInDoubt(error) } else { BatchOutcome::Aborted(error) })
            }
            Err(error) => Ok(BatchOutcome::Broken(error)),
        }
    }

    /// Replaces the producer by a new one, under the next epoch of the same transactional id. Its sequence numbers start at zero.
    ///
    /// librdkafka reuses the sequence number of a record that it purges at an abort for the next record of that partition. If the purged
    /// record was written and only its acknowledgement was lost, the broker treats the next record as a duplicate: it acknowledges the
    /// record without writing it, and the transaction commits without it (ADR 066).
    pub(super) fn recreate(
        &mut self,
        config: &KafkaConfig,
        group: &str,
        wake: Wake,
        monitor: BrokerMonitor,
    ) -> Result<Result<(), CallError>, DriverError> {
        let new = Self::new(config, group, wake, monitor)?;
        Ok(new.map(|new| {
            *self = Self { abort_backoff: self.abort_backoff, ..new };
        }))
    }

    /// Returns the first failed delivery of the batch so far, after which the transaction must be aborted. `None` if there is none.
    fn delivery_failure(&self) -> Result<Option<CallError>, DriverError> {
        let Some((code, text)) = lock(&self.acknowledged).failure.clone() else { return Ok(None) };
        check_producible(code, &text)?;
        let fatal = self.producer.client().fatal_error().or(denied(code, &text)).is_some();
        Ok(Some(CallError { code, text, fatal, retriable: false, abortable: true }))
    }

    /// Adds the offsets to the transaction. The generation is read right before, so that the coordinator fences a member that was
    /// removed from its group and has not noticed it.
    fn send_offsets(
        &self,
        deadline: Instant,
        positions: &TopicPartitionList,
        consumer: &BaseConsumer<LogContext>,
    ) -> Result<(), CallError> {
        self.retrying(deadline, || {
            // Without a generation the coordinator would accept the offsets of an empty group from any client.
            match (raw::generation(consumer) > 0).then(|| consumer.group_metadata()).flatten() {
                Some(member) => self.producer.send_offsets_to_transaction(positions, &member, CALL_TIMEOUT),
                None => Err(KafkaError::MessageProduction(RDKafkaErrorCode::UnknownMemberId)),
            }
        })
    }

    fn commit(&self, deadline: Instant) -> Result<(), CallError> {
        loop {
            match raw::commit_transaction(&self.producer) {
                Err(error) if error.remedy() == Remedy::Retry && Instant::now() < deadline => {}
                other => return other,
            }
        }
    }

    fn deadline(&self) -> Instant {
        Instant::now() + self.transaction_timeout
    }

    /// Repeats a call until it succeeds, fails permanently, or the deadline has passed.
    fn retrying(
        &self,
        deadline: Instant,
        call: impl Fn() -> Result<(), KafkaError>,
    ) -> Result<(), CallError> {
        loop {
            match call().map_err(CallError::from) {
                Err(error) if error.remedy() == Remedy::Retry && Instant::now() < deadline => {
                    thread::park_timeout(RETRY_WAIT);
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
            let Err((error, rejected)) = self.producer.send(native) else { return Ok(()) };
            let code = error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Fail);
            match code {
                // The queue drains as deliveries are acknowledged or time out.
                RDKafkaErrorCode::QueueFull => {
                    self.producer.poll(Duration::from_millis(10));
                    native = rejected;
                }
                RDKafkaErrorCode::MessageSizeTooLarge | RDKafkaErrorCode::UnknownPartition => {
                    let cause = format!("{}[{}]: {error}", record.topic, record.partition);
                    return Err(DriverError::Unproducible { cause: cause.into() });
                }
                // The topic was deleted or access is denied, or the client or its transaction has failed: the batch fails.
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

    /// Waits after an abort: a persistent cause, such as a moving coordinator, must not lead to many transactions in a short time.
    fn pause_after_abort(&mut self) {
        let deadline = Instant::now() + self.abort_backoff.fail();
        while let Some(left) = deadline.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
        {
            thread::park_timeout(left);
        }
    }
}

/// Returns the transactional id of an instance. It survives restarts, so that a restarted instance aborts the open transaction of its
/// predecessor at once.
pub(super) fn transactional_id(kafka: &KafkaConfig, group: &str) -> String {
    format!("{group}-{}", kafka.instance())
}

fn lock(attempt: &Mutex<Attempt>) -> std::sync::MutexGuard<'_, Attempt> {
    attempt.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Returns an error for a record that the brokers reject permanently: it must stop the stage instead of being produced indefinitely.
fn check_producible(code: RDKafkaErrorCode, text: &str) -> Result<(), DriverError> {
    match code {
        RDKafkaErrorCode::MessageSizeTooLarge | RDKafkaErrorCode::InvalidRecord => {
            Err(DriverError::Unproducible { cause: text.into() })
        }
        _ => Ok(()),
    }
}

/// Returns the error if it denies access: neither a new attempt nor a new client helps.
fn denied(code: RDKafkaErrorCode, text: &str) -> Option<(RDKafkaErrorCode, String)> {
    is_not_authorized(code).then(|| (code, text.to_owned()))
}

#[cfg(test)]
mod tests;

//! Acknowledgements of the records of a batch.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message;
use rdkafka::producer::{BaseRecord, DeliveryResult, Producer, ProducerContext, ThreadedProducer};

use crate::broker_monitor::BrokerMonitor;
use crate::call_error::CallError;
use crate::client::{log_error, log_line};
use crate::driver::error::DriverError;
use crate::driver::hung_clients::ClientState;
use crate::error_codes::is_not_authorized;
use crate::raw::Wake;

/// Wait for room in the queue of librdkafka, which drains as deliveries are acknowledged or time out.
const QUEUE_FULL_WAIT: Duration = Duration::from_millis(10);

/// A record in the form of librdkafka. Its delivery opaque is [`Attempt::number`].
pub(super) type NativeRecord<'a> = BaseRecord<'a, [u8], [u8], usize>;

/// One attempt to produce a batch. A batch that is produced again is another attempt, and reports of earlier attempts are ignored.
#[derive(Debug, Default)]
pub(in crate::driver) struct Attempt {
    pub(super) number: usize,
    pub(super) outstanding: usize,
    pub(super) failure: Option<(RDKafkaErrorCode, String)>,
    /// A record that the client rejects permanently.
    rejected: Option<String>,
    /// Records whose delivery failed: the brokers may have written them.
    pub(super) in_doubt: usize,
}

/// The context of a stage's producer.
pub(in crate::driver) struct Acknowledgements {
    pub(super) attempt: Arc<Mutex<Attempt>>,
    /// Reports of an abandoned client are ignored.
    pub(super) client: ClientState,
    pub(super) wake: Wake,
    pub(super) monitor: BrokerMonitor,
}

// === impl Attempt ===

impl Attempt {
    /// Begins the next attempt, of this many records. Returns its number.
    pub(super) fn begin(&mut self, records: usize) -> usize {
        *self = Self { number: self.number.wrapping_add(1), outstanding: records, ..Self::default() };
        self.number
    }

    /// Returns an error for a record that the client or the brokers reject permanently: it must stop the stage instead of being
    /// produced indefinitely.
    pub(super) fn check_producible(&self) -> Result<(), DriverError> {
        let rejected = self.rejected.as_ref().or(match &self.failure {
            Some((RDKafkaErrorCode::MessageSizeTooLarge | RDKafkaErrorCode::InvalidRecord, text)) => {
                Some(text)
            }
            _ => None,
        });
        match rejected {
            Some(text) => Err(DriverError::Unproducible { cause: text.as_str().into() }),
            None => Ok(()),
        }
    }

    /// Returns `true` if a record may have been written without an acknowledgement.
    pub(super) fn is_in_doubt(&self) -> bool {
        self.in_doubt + self.outstanding > 0
    }

    fn failed(&mut self, code: RDKafkaErrorCode, text: String) {
        self.failure.get_or_insert((code, text));
    }
}

// === impl Acknowledgements ===

impl ClientContext for Acknowledgements {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        log_line((!self.client.is_abandoned()).then_some(&self.monitor), level, facility, text);
    }

    fn stats_raw(&self, statistics: &[u8]) {
        if !self.client.is_abandoned() {
            self.monitor.statistics(statistics);
        }
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
            attempt.failed(code, format!("{}[{}]: {error}", message.topic(), message.partition()));
        }
        if attempt.outstanding == 0 {
            drop(attempt);
            self.wake.wake();
        }
    }
}

pub(super) fn lock(attempt: &Mutex<Attempt>) -> MutexGuard<'_, Attempt> {
    attempt.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Creates a record of an attempt.
pub(super) fn native<'a>(
    topic: &'a str,
    partition: i32,
    key: Option<&'a [u8]>,
    payload: Option<&'a [u8]>,
    number: usize,
) -> NativeRecord<'a> {
    let mut native = BaseRecord::with_opaque_to(topic, number).partition(partition);
    (native.key, native.payload) = (key, payload);
    native
}

/// Queues a record in librdkafka. Waits while the queue is full, until `deadline`. A record that is rejected is a failure of the attempt.
///
/// # Errors
/// The record, if the queue is still full.
pub(super) fn queue<'a>(
    producer: &ThreadedProducer<Acknowledgements>,
    mut native: NativeRecord<'a>,
    deadline: Option<Instant>,
) -> Result<(), NativeRecord<'a>> {
    loop {
        let Err((error, rejected)) = producer.send(native) else { return Ok(()) };
        let code = error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Fail);
        if code == RDKafkaErrorCode::QueueFull {
            if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                return Err(rejected);
            }
            producer.poll(QUEUE_FULL_WAIT);
            native = rejected;
            continue;
        }
        let text = format!("{}[{}]: {error}", rejected.topic, rejected.partition.unwrap_or(-1));
        let mut attempt = lock(&producer.context().attempt);
        match code {
            RDKafkaErrorCode::MessageSizeTooLarge | RDKafkaErrorCode::UnknownPartition => {
                attempt.rejected.get_or_insert(text);
            }
            // The topic was deleted or access is denied, or the client or its transaction has failed: the batch fails.
            _ => {
                attempt.outstanding = attempt.outstanding.saturating_sub(1);
                attempt.failed(code, text);
            }
        }
        return Ok(());
    }
}

/// Returns the first failed delivery of the attempt so far, after which its transaction must be aborted. `None` if there is none.
pub(super) fn failure(producer: &ThreadedProducer<Acknowledgements>) -> Option<CallError> {
    let (code, text) = lock(&producer.context().attempt).failure.clone()?;
    let fatal = producer.client().fatal_error().or(denied(code, &text)).is_some();
    Some(CallError { fatal, abortable: true, ..CallError::fatal(code, text) })
}

/// Returns the error if it denies access: neither a new attempt nor a new client helps.
pub(super) fn denied(code: RDKafkaErrorCode, text: &str) -> Option<(RDKafkaErrorCode, String)> {
    is_not_authorized(code).then(|| (code, text.to_owned()))
}

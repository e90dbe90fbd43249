//! A producer for callers who want to know what became of each record: the HTTP edge, the replay, an operator's command.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message;
use rdkafka::producer::{BaseRecord, DeliveryResult, Producer, ProducerContext, ThreadedProducer};
use tokio::sync::oneshot;

use crate::access_denied::is_denied;
use crate::client::{self, ClientError, log_error, log_line};
use crate::config::KafkaConfig;
use crate::record::OutRecord;

/// Where a record was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordMetadata {
    /// Its partition.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
}

/// Why a record isn't known to be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProduceError {
    /// Too many bytes are in flight; nothing was sent. Later it may be.
    #[error("{in_flight_bytes} bytes in flight, at most {max_bytes} are allowed")]
    Full {
        /// Bytes in flight.
        in_flight_bytes: usize,
        /// The bound.
        max_bytes: usize,
    },
    /// The brokers, or the client on their behalf, did not take it, and it is not written. Later they may.
    #[error("not written: {cause}")]
    Failed {
        /// What librdkafka says.
        cause: String,
    },
    /// The cluster doesn't let us: it is not written, and won't be before somebody gives us the right.
    #[error("not written, for lack of a right: {cause}")]
    Denied {
        /// What librdkafka says.
        cause: String,
    },
    /// It will never be taken.
    #[error("refused: {cause}")]
    Rejected {
        /// What librdkafka says.
        cause: String,
    },
    /// No answer in time: it may be written or not.
    #[error("not acknowledged within {waited_ms} ms: it may be written or not")]
    Unknown {
        /// How long was waited.
        waited_ms: u64,
    },
}

/// Bounds of a [`BatchProducer`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProducerLimits {
    /// Bytes in flight at most. 32 MiB: a second of a busy edge.
    pub in_flight_max_bytes: usize,
    /// How long to wait for acknowledgements. 10 s: less than a client's patience with its request.
    pub timeout: Duration,
}

impl Default for ProducerLimits {
    fn default() -> Self {
        Self { in_flight_max_bytes: 32 << 20, timeout: Duration::from_secs(10) }
    }
}

/// An idempotent producer; all that are in flight share its bound of bytes. A client that failed for good is made anew.
pub struct BatchProducer {
    config: KafkaConfig,
    limits: ProducerLimits,
    in_flight: Arc<AtomicUsize>,
    client: Mutex<Arc<ThreadedProducer<Slots>>>,
}

type Answer = Result<RecordMetadata, ProduceError>;

/// The results of one call, filled by acknowledgements.
struct Open {
    answers: Mutex<Answers>,
}

struct Answers {
    by_slot: Vec<Option<Answer>>,
    outstanding: usize,
    done: Option<oneshot::Sender<()>>,
}

/// One record of one call.
struct Slot {
    open: Arc<Open>,
    index: usize,
    bytes: usize,
}

struct Slots {
    in_flight: Arc<AtomicUsize>,
}

impl ClientContext for Slots {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        log_line(level, facility, text);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        log_error(&error, reason);
    }
}

impl ProducerContext for Slots {
    type DeliveryOpaque = Box<Slot>;

    fn delivery(&self, result: &DeliveryResult<'_>, slot: Box<Slot>) {
        self.in_flight.fetch_sub(slot.bytes, Ordering::AcqRel);
        let answer = match result {
            Ok(message) => Ok(RecordMetadata { partition: message.partition(), offset: message.offset() }),
            Err((error, _)) => Err(classified(error)),
        };
        slot.open.answer(slot.index, answer);
    }
}

// === impl BatchProducer ===

impl BatchProducer {
    /// A producer. Nothing is connected yet.
    ///
    /// # Errors
    /// When librdkafka refuses an option.
    pub fn new(config: &KafkaConfig, limits: ProducerLimits) -> Result<Self, ClientError> {
        let in_flight = Arc::<AtomicUsize>::default();
        let client = make(config, &in_flight)?;
        Ok(Self { config: config.clone(), limits, in_flight, client: Mutex::new(Arc::new(client)) })
    }

    /// Bytes in flight, beside the bound of [`ProducerLimits`].
    #[must_use]
    pub fn in_flight_bytes(&self) -> usize {
        self.in_flight.load(Ordering::Acquire)
    }

    /// Produces the records in order and waits for their acknowledgements; one result a record, in order. Either all of them are
    /// sent or, when they don't fit among what is in flight, none.
    pub async fn produce(&self, records: Vec<OutRecord>) -> Vec<Answer> {
        if records.is_empty() {
            return Vec::new();
        }
        let bytes: usize = records.iter().map(OutRecord::size_bytes).sum();
        if let Err(full) = self.reserve(bytes) {
            return vec![Err(full); records.len()];
        }
        let (done, acknowledged) = oneshot::channel();
        let open = Arc::new(Open {
            answers: Mutex::new(Answers {
                by_slot: vec![None; records.len()],
                outstanding: records.len(),
                done: Some(done),
            }),
        });
        {
            let client = self.client();
            for (index, record) in records.iter().enumerate() {
                self.send(
                    &client,
                    record,
                    Slot { open: Arc::clone(&open), index, bytes: record.size_bytes() },
                );
            }
        }
        // An error of either kind leaves slots empty, which is what they say then.
        let _ended = tokio::time::timeout(self.limits.timeout, acknowledged).await;
        let waited_ms = u64::try_from(self.limits.timeout.as_millis()).unwrap_or(u64::MAX);
        open.take(waited_ms)
    }

    fn reserve(&self, bytes: usize) -> Result<(), ProduceError> {
        let max_bytes = self.limits.in_flight_max_bytes;
        let reserved = self.in_flight.fetch_update(Ordering::AcqRel, Ordering::Acquire, |now| {
            now.checked_add(bytes).filter(|then| *then <= max_bytes)
        });
        match reserved {
            Ok(_) => Ok(()),
            Err(in_flight_bytes) => Err(ProduceError::Full { in_flight_bytes, max_bytes }),
        }
    }

    fn send(&self, client: &ThreadedProducer<Slots>, record: &OutRecord, slot: Slot) {
        let mut native =
            BaseRecord::with_opaque_to(record.topic.name(), Box::new(slot)).partition(record.partition);
        native.key = record.native_key();
        native.payload = record.native_payload();
        native.headers = record.native_headers();
        if let Err((error, refused)) = client.send(native) {
            let slot = refused.delivery_opaque;
            self.in_flight.fetch_sub(slot.bytes, Ordering::AcqRel);
            slot.open.answer(slot.index, Err(classified(&error)));
        }
    }

    /// The client in use; a new one when the last has failed for good.
    fn client(&self) -> Arc<ThreadedProducer<Slots>> {
        let mut current = self.client.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((code, cause)) = current.client().fatal_error() {
            match make(&self.config, &self.in_flight) {
                Ok(client) => {
                    tracing::warn!(%code, cause, "producer given up, made anew");
                    let old = std::mem::replace(&mut *current, Arc::new(client));
                    // Its end joins a thread and flushes: not on a caller's thread.
                    let ender = std::thread::Builder::new().name("producer-end".to_owned());
                    if let Err(error) = ender.spawn(move || drop(old)) {
                        tracing::warn!(%error, "no thread to end a producer on");
                    }
                }
                Err(error) => tracing::warn!(%error, "producer not made anew"),
            }
        }
        Arc::clone(&current)
    }
}

fn make(config: &KafkaConfig, in_flight: &Arc<AtomicUsize>) -> Result<ThreadedProducer<Slots>, ClientError> {
    client::producer(config, None, Slots { in_flight: Arc::clone(in_flight) })
}

/// What an error of librdkafka means for a caller.
fn classified(error: &KafkaError) -> ProduceError {
    let cause = error.to_string();
    match error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Fail) {
        // These say something about the record; a missing partition or right says something about the cluster.
        RDKafkaErrorCode::MessageSizeTooLarge | RDKafkaErrorCode::InvalidRecord => {
            ProduceError::Rejected { cause }
        }
        // It was perhaps sent, and the answer is what is missing.
        RDKafkaErrorCode::MessageTimedOut
        | RDKafkaErrorCode::PurgeInflight
        | RDKafkaErrorCode::RequestTimedOut => ProduceError::Unknown { waited_ms: 0 },
        code if is_denied(code) => ProduceError::Denied { cause },
        _ => ProduceError::Failed { cause },
    }
}

// === impl Open ===

impl Open {
    fn answer(&self, index: usize, answer: Answer) {
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(slot) = answers.by_slot.get_mut(index) {
            *slot = Some(answer);
        }
        answers.outstanding = answers.outstanding.saturating_sub(1);
        if answers.outstanding == 0
            && let Some(done) = answers.done.take()
        {
            // Nobody listens any more: the caller has gone, or gave up waiting.
            let _heard = done.send(());
        }
    }

    fn take(&self, waited_ms: u64) -> Vec<Answer> {
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        let by_slot = std::mem::take(&mut answers.by_slot);
        by_slot
            .into_iter()
            .map(|answer| match answer {
                Some(Err(ProduceError::Unknown { .. })) | None => Err(ProduceError::Unknown { waited_ms }),
                Some(answer) => answer,
            })
            .collect()
    }
}

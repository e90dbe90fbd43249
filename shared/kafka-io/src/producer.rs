//! Producer for callers that need the result of each record: the HTTP edge, the replay, an operator's command.

mod breaker;
mod result;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use contracts::Topic;
use kit::SaturatingFrom;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message;
use rdkafka::producer::{BaseRecord, DeliveryResult, Producer, ProducerContext, ThreadedProducer};
use tokio::sync::oneshot;

use self::breaker::Admitted;
pub use self::breaker::ProducerBreaker;
use self::result::ProduceResult;
pub use self::result::{ProduceError, RecordMetadata};
use crate::broker_monitor::BrokerMonitor;
use crate::client::{self, ClientError, log_error, log_line};
use crate::config::KafkaConfig;
use crate::error_codes::is_not_authorized;
use crate::record::OutRecord;

/// Any topic: its metadata is requested to find out whether a broker responds.
const PROBE_TOPIC: Topic = Topic::AlertRaised;

/// Bounds of a [`BatchProducer`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProducerLimits {
    /// Bytes in flight. Default 32 MiB: a second of a busy edge.
    pub in_flight_max_bytes: usize,
    /// The timeout for acknowledgements. Default 10 s: shorter than the timeout of typical HTTP clients.
    pub timeout: Duration,
}

impl Default for ProducerLimits {
    fn default() -> Self {
        Self { in_flight_max_bytes: 32 << 20, timeout: Duration::from_secs(10) }
    }
}

/// An idempotent producer. All calls share one bound of bytes in flight. A client that failed fatally is recreated.
pub struct BatchProducer {
    config: KafkaConfig,
    limits: ProducerLimits,
    in_flight: Arc<AtomicUsize>,
    monitor: Option<BrokerMonitor>,
    breaker: Option<ProducerBreaker>,
    client: Arc<Client>,
}

/// The current client.
type Client = Mutex<Arc<ThreadedProducer<DeliveryContext>>>;

/// The results of one call, filled by acknowledgements.
struct PendingCall(Mutex<PendingResults>);

struct PendingResults {
    by_index: Vec<Option<ProduceResult>>,
    outstanding: usize,
    done: Option<oneshot::Sender<()>>,
}

/// A call whose records were passed to the client library.
struct StartedCall {
    call: Arc<PendingCall>,
    acknowledged: oneshot::Receiver<()>,
    admitted: Option<Admitted>,
}

/// One record of one call, in flight.
struct PendingRecord {
    call: Arc<PendingCall>,
    index: usize,
    bytes: usize,
}

/// Receives librdkafka's delivery reports.
struct DeliveryContext {
    in_flight: Arc<AtomicUsize>,
    monitor: Option<BrokerMonitor>,
}

impl ClientContext for DeliveryContext {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        log_line(self.monitor.as_ref(), level, facility, text);
    }

    fn stats_raw(&self, statistics: &[u8]) {
        self.monitor.iter().for_each(|monitor| monitor.statistics(statistics));
    }

    fn error(&self, error: KafkaError, reason: &str) {
        log_error(&error, reason);
    }
}

impl ProducerContext for DeliveryContext {
    type DeliveryOpaque = Box<PendingRecord>;

    fn delivery(&self, result: &DeliveryResult<'_>, record: Box<PendingRecord>) {
        self.in_flight.fetch_sub(record.bytes, Ordering::AcqRel);
        let result = match result {
            Ok(message) => Ok(RecordMetadata { partition: message.partition(), offset: message.offset() }),
            Err((error, _)) => Err(classify(error)),
        };
        record.call.complete(record.index, result);
    }
}

// === impl BatchProducer ===

impl BatchProducer {
    /// Creates a producer, not connected yet.
    ///
    /// # Errors
    /// If librdkafka rejects an option.
    pub fn new(config: &KafkaConfig, limits: ProducerLimits) -> Result<Self, ClientError> {
        Self::create(config, limits, None)
    }

    /// Creates a producer as [`new`](Self::new) that reports the brokers that it can reach, with a circuit breaker.
    ///
    /// # Errors
    /// If librdkafka rejects an option.
    pub fn guarded(
        config: &KafkaConfig,
        limits: ProducerLimits,
        monitor: BrokerMonitor,
        breaker: ProducerBreaker,
    ) -> Result<Self, ClientError> {
        let producer = Self::create(config, limits, Some(monitor))?;
        let client = Arc::downgrade(&producer.client);
        let probing = breaker.probe(move |timeout| {
            let client = Arc::clone(&*client.upgrade()?.lock().unwrap_or_else(PoisonError::into_inner));
            Some(client.client().fetch_metadata(Some(PROBE_TOPIC.name()), timeout).is_ok())
        });
        if let Err(error) = &probing {
            tracing::warn!(%error, "failed to start the thread of the circuit breaker: the producer has none");
        }
        Ok(Self { breaker: probing.is_ok().then_some(breaker), ..producer })
    }

    /// Returns `true` if the circuit breaker would reject a call now.
    #[must_use]
    pub fn is_rejecting(&self) -> bool {
        self.breaker.as_ref().is_some_and(ProducerBreaker::is_rejecting)
    }

    fn create(
        config: &KafkaConfig,
        limits: ProducerLimits,
        monitor: Option<BrokerMonitor>,
    ) -> Result<Self, ClientError> {
        let in_flight = Arc::<AtomicUsize>::default();
        let client = Arc::new(Mutex::new(Arc::new(create(config, &in_flight, monitor.clone())?)));
        Ok(Self { config: config.clone(), limits, in_flight, monitor, breaker: None, client })
    }

    /// Returns the bytes in flight; their bound is in [`ProducerLimits`].
    #[must_use]
    pub fn in_flight_bytes(&self) -> usize {
        self.in_flight.load(Ordering::Acquire)
    }

    /// Produces the records in order and waits for their acknowledgements. Returns one result per record, in order. If the records
    /// exceed the bound of bytes in flight, or the circuit breaker is open, none is sent.
    pub async fn produce(&self, records: Vec<OutRecord>) -> Vec<ProduceResult> {
        self.start(records).await
    }

    /// Passes the records to the client library as [`produce`](Self::produce) does, which takes a while for thousands of them. The future
    /// waits for their acknowledgements.
    pub fn start(&self, records: Vec<OutRecord>) -> impl Future<Output = Vec<ProduceResult>> + Send + use<> {
        let (count, timeout) = (records.len(), self.limits.timeout);
        let started = if records.is_empty() { None } else { Some(self.send_all(&records)) };
        async move {
            match started {
                None => Vec::new(),
                Some(Ok(call)) => call.results(timeout).await,
                Some(Err(error)) => vec![Err(error); count],
            }
        }
    }

    fn send_all(&self, records: &[OutRecord]) -> Result<StartedCall, ProduceError> {
        let admitted = match &self.breaker {
            Some(breaker) => Some(breaker.admit().ok_or(ProduceError::BreakerOpen)?),
            None => None,
        };
        // No evidence for the breaker: see [`Admitted`].
        self.reserve(records.iter().map(OutRecord::size_bytes).sum())?;
        let (done, acknowledged) = oneshot::channel();
        let call = Arc::new(PendingCall(Mutex::new(PendingResults {
            by_index: vec![None; records.len()],
            outstanding: records.len(),
            done: Some(done),
        })));
        let client = self.client();
        for (index, record) in records.iter().enumerate() {
            let pending = PendingRecord { call: Arc::clone(&call), index, bytes: record.size_bytes() };
            self.send(&client, record, pending);
        }
        Ok(StartedCall { call, acknowledged, admitted })
    }

    fn reserve(&self, bytes: usize) -> Result<(), ProduceError> {
        let bytes_max = self.limits.in_flight_max_bytes;
        let reserved = self.in_flight.fetch_update(Ordering::AcqRel, Ordering::Acquire, |now| {
            now.checked_add(bytes).filter(|then| *then <= bytes_max)
        });
        match reserved {
            Ok(_) => Ok(()),
            Err(in_flight_bytes) => Err(ProduceError::Full { in_flight_bytes, bytes_max }),
        }
    }

    fn send(&self, client: &ThreadedProducer<DeliveryContext>, record: &OutRecord, pending: PendingRecord) {
        let mut native =
            BaseRecord::with_opaque_to(record.topic.name(), Box::new(pending)).partition(record.partition);
        native.key = record.native_key();
        native.payload = record.native_payload();
        native.headers = record.native_headers();
        if let Err((error, unsent)) = client.send(native) {
            let pending = unsent.delivery_opaque;
            self.in_flight.fetch_sub(pending.bytes, Ordering::AcqRel);
            pending.call.complete(pending.index, Err(classify(&error)));
        }
    }

    /// Returns the client; recreates it if it has failed fatally.
    fn client(&self) -> Arc<ThreadedProducer<DeliveryContext>> {
        let mut current = self.client.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((code, cause)) = current.client().fatal_error() {
            match create(&self.config, &self.in_flight, self.monitor.clone()) {
                Ok(client) => {
                    tracing::warn!(%code, cause, "unrecoverable producer error: recreating the producer");
                    let old = std::mem::replace(&mut *current, Arc::new(client));
                    self.breaker.iter().for_each(ProducerBreaker::reset);
                    // Dropping it joins a thread and flushes: not on the caller's thread.
                    let ender = std::thread::Builder::new().name("producer-end".to_owned());
                    if let Err(error) = ender.spawn(move || drop(old)) {
                        tracing::warn!(%error, "failed to start the thread that closes a producer");
                    }
                }
                Err(error) => {
                    let error = kit::ErrorChain(&error);
                    tracing::warn!(%error, "failed to recreate the producer");
                }
            }
        }
        Arc::clone(&current)
    }
}

fn create(
    config: &KafkaConfig,
    in_flight: &Arc<AtomicUsize>,
    monitor: Option<BrokerMonitor>,
) -> Result<ThreadedProducer<DeliveryContext>, ClientError> {
    client::producer(config, None, DeliveryContext { in_flight: Arc::clone(in_flight), monitor })
}

/// Converts librdkafka's error into the caller's.
fn classify(error: &KafkaError) -> ProduceError {
    let cause = error.to_string();
    match error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Fail) {
        // Errors of the record itself; a missing partition or permission is an error of the cluster.
        RDKafkaErrorCode::MessageSizeTooLarge | RDKafkaErrorCode::InvalidRecord => {
            ProduceError::Rejected { cause }
        }
        // The record may have been sent; only the acknowledgement is missing.
        RDKafkaErrorCode::MessageTimedOut
        | RDKafkaErrorCode::PurgeInflight
        | RDKafkaErrorCode::RequestTimedOut => ProduceError::Unknown { waited_ms: 0 },
        RDKafkaErrorCode::QueueFull => ProduceError::QueueFull { cause },
        code if is_not_authorized(code) => ProduceError::Denied { cause },
        _ => ProduceError::Failed { cause },
    }
}

// === impl StartedCall ===

impl StartedCall {
    /// Waits for the results.
    async fn results(self, timeout: Duration) -> Vec<ProduceResult> {
        // After a timeout the records without a result are in doubt.
        let _ended = tokio::time::timeout(timeout, self.acknowledged).await;
        let results = self.call.take(u64::saturating_from(timeout.as_millis()));
        if let Some(admitted) = self.admitted {
            admitted.ended(&results);
        }
        results
    }
}

// === impl PendingCall ===

impl PendingCall {
    fn complete(&self, index: usize, result: ProduceResult) {
        let mut results = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(slot) = results.by_index.get_mut(index) {
            *slot = Some(result);
        }
        results.outstanding = results.outstanding.saturating_sub(1);
        if results.outstanding == 0
            && let Some(done) = results.done.take()
        {
            // The receiver is gone if the call timed out or was dropped.
            let _received = done.send(());
        }
    }

    fn take(&self, waited_ms: u64) -> Vec<ProduceResult> {
        let mut results = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let by_index = std::mem::take(&mut results.by_index);
        by_index
            .into_iter()
            .map(|result| match result {
                Some(Err(ProduceError::Unknown { .. })) | None => Err(ProduceError::Unknown { waited_ms }),
                Some(result) => result,
            })
            .collect()
    }
}

//! The calls of a transactional producer.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use contracts::Topic;
use rdkafka::consumer::ConsumerGroupMetadata;
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::message::OwnedHeaders;
use rdkafka::producer::{BaseRecord, Producer, ThreadedProducer};
use rdkafka::topic_partition_list::TopicPartitionList;

use super::acknowledgements::{self, Acknowledgements, native, queue};
use crate::call_error::CallError;
use crate::client;
use crate::config::KafkaConfig;
use crate::driver::error::DriverError;
use crate::raw;
use crate::record::OutRecord;

/// The calls of one transactional producer. Each returns within `timeout`, or may hang: librdkafka has calls that ignore it.
pub(in crate::driver) trait TransactionalCalls: Send {
    /// Takes over the transactional id, and aborts the open transaction of the previous producer.
    fn init(&mut self, timeout: Duration) -> Result<(), CallError>;
    fn begin(&mut self) -> Result<(), CallError>;
    /// Queues the records of the batch that are not queued yet. The error is the first failed delivery so far.
    fn produce(&mut self, batch: &mut OutgoingBatch, timeout: Duration) -> Result<(), CallError>;
    fn send_offsets(
        &mut self,
        positions: &TopicPartitionList,
        member: &ConsumerGroupMetadata,
        timeout: Duration,
    ) -> Result<(), CallError>;
    fn commit(&mut self, timeout: Duration) -> Result<(), CallError>;
    fn abort(&mut self, timeout: Duration) -> Result<(), CallError>;
}

/// Creates a producer with a transactional id. Does not connect yet.
pub(in crate::driver) type Connect =
    dyn Fn(&KafkaConfig, &str, Acknowledgements) -> Result<Box<dyn TransactionalCalls>, DriverError> + Send;

/// One call, with everything that it needs: the thread that makes it borrows nothing of the driver.
#[derive(Clone)]
pub(in crate::driver) enum Call {
    Init,
    Begin,
    Produce(Arc<Mutex<OutgoingBatch>>),
    SendOffsets(TopicPartitionList, Arc<ConsumerGroupMetadata>),
    Commit,
    Abort,
}

/// A copy of the records of a batch.
pub(in crate::driver) struct OutgoingBatch {
    /// The number of the attempt.
    number: usize,
    records: Vec<Outgoing>,
    /// Keys and payloads, one after the other.
    bytes: Vec<u8>,
    /// The number of records that are queued.
    queued: usize,
}

struct Outgoing {
    topic: Topic,
    partition: i32,
    /// Lengths in [`OutgoingBatch::bytes`]. `None` if the part is absent.
    key: Option<usize>,
    payload: Option<usize>,
    start: usize,
    headers: Option<OwnedHeaders>,
}

/// The calls of librdkafka.
pub(in crate::driver) struct LibrdkafkaCalls(ThreadedProducer<Acknowledgements>);

// === impl Call ===

impl Call {
    /// Returns the name of the call in librdkafka.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Init => "init_transactions",
            Self::Begin => "begin_transaction",
            Self::Produce(_) => "produce",
            Self::SendOffsets(..) => "send_offsets_to_transaction",
            Self::Commit => "commit_transaction",
            Self::Abort => "abort_transaction",
        }
    }

    pub(super) fn make(
        &self,
        calls: &mut dyn TransactionalCalls,
        timeout: Duration,
    ) -> Result<(), CallError> {
        match self {
            Self::Init => calls.init(timeout),
            Self::Begin => calls.begin(),
            Self::Produce(batch) => {
                calls.produce(&mut batch.lock().unwrap_or_else(PoisonError::into_inner), timeout)
            }
            Self::SendOffsets(positions, member) => calls.send_offsets(positions, member, timeout),
            Self::Commit => calls.commit(timeout),
            Self::Abort => calls.abort(timeout),
        }
    }
}

// === impl OutgoingBatch ===

impl OutgoingBatch {
    pub(super) fn new(number: usize, records: &[&OutRecord]) -> Self {
        let parts = records.iter().map(|record| record.key.len() + record.payload.len());
        let mut bytes = Vec::with_capacity(parts.sum());
        let copy = |record: &&OutRecord| {
            let start = bytes.len();
            let mut append = |part: Option<&[u8]>| {
                part.map(|part| {
                    bytes.extend_from_slice(part);
                    part.len()
                })
            };
            let (key, payload) = (append(record.native_key()), append(record.native_payload()));
            let (topic, partition, headers) = (record.topic, record.partition, record.native_headers());
            Outgoing { topic, partition, key, payload, start, headers }
        };
        let records = records.iter().map(copy).collect();
        Self { number, records, bytes, queued: 0 }
    }

    #[cfg(test)]
    pub(super) fn texts(&self) -> impl Iterator<Item = String> {
        let payloads = self.records.iter().filter_map(|record| record.parts(&self.bytes).1);
        payloads.map(|payload| String::from_utf8_lossy(payload).into_owned())
    }
}

// === impl Outgoing ===

impl Outgoing {
    /// Returns the key and the payload.
    fn parts<'a>(&self, bytes: &'a [u8]) -> (Option<&'a [u8]>, Option<&'a [u8]>) {
        let part = |start: usize, len: Option<usize>| len.and_then(|len| bytes.get(start..start + len));
        (part(self.start, self.key), part(self.start + self.key.unwrap_or(0), self.payload))
    }
}

// === impl LibrdkafkaCalls ===

impl LibrdkafkaCalls {
    /// Creates the producer: a [`Connect`].
    pub(in crate::driver) fn connect(
        config: &KafkaConfig,
        transactional_id: &str,
        context: Acknowledgements,
    ) -> Result<Box<dyn TransactionalCalls>, DriverError> {
        Ok(Box::new(Self(client::producer(config, Some(transactional_id), context)?)))
    }
}

impl TransactionalCalls for LibrdkafkaCalls {
    fn init(&mut self, timeout: Duration) -> Result<(), CallError> {
        Ok(self.0.init_transactions(timeout)?)
    }

    fn begin(&mut self) -> Result<(), CallError> {
        Ok(self.0.begin_transaction()?)
    }

    fn produce(&mut self, batch: &mut OutgoingBatch, timeout: Duration) -> Result<(), CallError> {
        let deadline = Some(Instant::now() + timeout);
        for record in &mut batch.records[batch.queued..] {
            let (key, payload) = record.parts(&batch.bytes);
            let native = BaseRecord {
                headers: record.headers.take(),
                ..native(record.topic.name(), record.partition, key, payload, batch.number)
            };
            if let Err(waiting) = queue(&self.0, native, deadline) {
                record.headers = waiting.headers;
                return Err(CallError {
                    fatal: false,
                    retriable: true,
                    ..CallError::fatal(
                        RDKafkaErrorCode::QueueFull,
                        "queue of the producer is full".to_owned(),
                    )
                });
            }
            batch.queued += 1;
        }
        acknowledgements::failure(&self.0).map_or(Ok(()), Err)
    }

    fn send_offsets(
        &mut self,
        positions: &TopicPartitionList,
        member: &ConsumerGroupMetadata,
        timeout: Duration,
    ) -> Result<(), CallError> {
        Ok(self.0.send_offsets_to_transaction(positions, member, timeout)?)
    }

    fn commit(&mut self, timeout: Duration) -> Result<(), CallError> {
        raw::commit_transaction(&self.0, timeout)
    }

    fn abort(&mut self, timeout: Duration) -> Result<(), CallError> {
        Ok(self.0.abort_transaction(timeout)?)
    }
}

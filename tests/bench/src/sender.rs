//! A producer of encoded events that waits while its queue is full.

use std::time::Duration;

use contracts::{Event, encode, partition_for};
use kafka_io::KafkaConfig;
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer};

use crate::driver::client;
use crate::error::Error;

/// A producer of one event's topic.
pub(crate) struct Sender {
    producer: ThreadedProducer<DefaultProducerContext>,
    schema_id: u32,
    partitions: i32,
    payload: Vec<u8>,
}

impl Sender {
    pub(crate) fn new(brokers: &str, schema_id: u32) -> Result<Self, Error> {
        let producer = client(brokers)
            .set("enable.idempotence", "true")
            .set("linger.ms", "20")
            .set("compression.type", "lz4")
            .set("queue.buffering.max.messages", "200000")
            .create()?;
        let partitions = KafkaConfig::default().partitions;
        Ok(Self { producer, schema_id, partitions, payload: Vec::with_capacity(256) })
    }

    /// Queues an event in the partition of its symbol.
    pub(crate) fn send<E: Event>(&mut self, event: &E) -> Result<(), Error> {
        self.payload.clear();
        encode(event, self.schema_id, &mut self.payload)?;
        let key = event.key();
        let mut record = BaseRecord::to(E::TOPIC.name())
            .partition(partition_for(event.symbol().as_bytes(), self.partitions))
            .key(key.as_ref())
            .payload(&self.payload);
        while let Err((error, rejected)) = self.producer.send(record) {
            if error.rdkafka_error_code() != Some(rdkafka::types::RDKafkaErrorCode::QueueFull) {
                return Err(error.into());
            }
            self.producer.poll(Duration::from_millis(10));
            record = rejected;
        }
        Ok(())
    }

    pub(crate) fn flush(&self) -> Result<(), Error> {
        Ok(self.producer.flush(Duration::from_secs(120))?)
    }
}

//! The baseline: what any program on librdkafka pays for consuming a record and producing it again.
//!
//! `BaseConsumer` to `ThreadedProducer` with the house's own batching and durability settings, offsets committed once a second for
//! what was handed to the producer: it may lose what the product may not.

use std::time::{Duration, Instant};

use contracts::Topic;
use rdkafka::Message;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer};

use crate::Failed;
use crate::stage::{LINGER_MS, client};
use crate::usage::Usage;

/// How often offsets are committed.
const COMMIT_EVERY: Duration = Duration::from_secs(1);

/// Passes `records` records on.
pub(crate) fn run(brokers: &str, records: u64) -> Result<(), Failed> {
    let usage = Usage::begin();
    let consumer: BaseConsumer = client(brokers)
        .set("group.id", format!("bench.passthrough-{}", std::process::id()))
        .set("auto.offset.reset", "earliest")
        .set("enable.auto.commit", "false")
        .set("isolation.level", "read_committed")
        .create()?;
    let producer: ThreadedProducer<DefaultProducerContext> = client(brokers)
        .set("enable.idempotence", "true")
        .set("linger.ms", LINGER_MS.to_string())
        .set("compression.type", "lz4")
        .create()?;
    consumer.subscribe(&[Topic::AlertRaised.name()])?;
    let mut committed = Instant::now();
    let mut passed = 0;
    while passed < records {
        let Some(record) = consumer.poll(Duration::from_millis(100)) else { continue };
        let record = record?;
        let mut output = BaseRecord::to(Topic::BatchRequested.name())
            .partition(record.partition())
            .key(record.key().unwrap_or_default())
            .payload(record.payload().unwrap_or_default());
        while let Err((error, refused)) = producer.send(output) {
            if error.rdkafka_error_code() != Some(RDKafkaErrorCode::QueueFull) {
                return Err(error.into());
            }
            producer.poll(Duration::from_millis(10));
            output = refused;
        }
        passed += 1;
        if committed.elapsed() >= COMMIT_EVERY {
            committed = Instant::now();
            commit(&consumer, CommitMode::Async)?;
        }
    }
    producer.flush(Duration::from_secs(60))?;
    commit(&consumer, CommitMode::Sync)?;
    usage.tell("passthrough", passed);
    // Its drop would read on for ever what nobody wants.
    std::process::exit(0);
}

/// The last commit of the loop may have covered all that there is.
fn commit(consumer: &BaseConsumer, mode: CommitMode) -> Result<(), KafkaError> {
    match consumer.commit_consumer_state(mode) {
        Err(KafkaError::ConsumerCommit(RDKafkaErrorCode::NoOffset)) => Ok(()),
        other => other,
    }
}

//! The baseline: the cost of consuming and producing a record with librdkafka alone.
//!
//! `BaseConsumer` to `ThreadedProducer` with the project's settings for batching and durability. Once per second it commits the offsets
//! of the records that were passed to the producer, so a crash may lose records, unlike in the project.

use std::time::{Duration, Instant};

use contracts::Topic;
use rdkafka::Message;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer};
use rdkafka::topic_partition_list::Offset;

use crate::driver::{LINGER_MS, client};
use crate::error::Error;
use crate::resource_usage::Usage;

/// Interval of commits.
const COMMIT_EVERY: Duration = Duration::from_secs(1);

/// Forwards `records` records, which are all records of the topic.
pub(crate) fn run(brokers: &str, records: u64) -> Result<(), Error> {
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
    let mut last_commit = Instant::now();
    let mut passed = 0;
    while passed < records {
        let Some(record) = consumer.poll(Duration::from_millis(100)) else { continue };
        let record = record?;
        let mut output = BaseRecord::to(Topic::BatchRequested.name())
            .partition(record.partition())
            .key(record.key().unwrap_or_default())
            .payload(record.payload().unwrap_or_default());
        while let Err((error, rejected)) = producer.send(output) {
            if error.rdkafka_error_code() != Some(RDKafkaErrorCode::QueueFull) {
                return Err(error.into());
            }
            producer.poll(Duration::from_millis(10));
            output = rejected;
        }
        passed += 1;
        if last_commit.elapsed() >= COMMIT_EVERY {
            last_commit = Instant::now();
            commit(&consumer, CommitMode::Async)?;
        }
    }
    producer.flush(Duration::from_secs(60))?;
    commit(&consumer, CommitMode::Sync)?;
    let committed = committed(&consumer)?;
    if committed != records {
        return Err(format!(
            "failed to commit all of {records} records: the group has committed {committed}"
        )
        .into());
    }
    usage.report("passthrough", passed, passed);
    // Dropping the consumer would fetch records indefinitely.
    std::process::exit(0);
}

/// Returns the number of committed records: partitions begin at offset 0 and have no gaps.
fn committed(consumer: &BaseConsumer) -> Result<u64, Error> {
    let mut sum = 0;
    for partition in consumer.committed(Duration::from_secs(10))?.elements() {
        if let Offset::Offset(offset) = partition.offset() {
            sum += u64::try_from(offset)?;
        }
    }
    Ok(sum)
}

/// The last commit of the loop may have included every offset.
fn commit(consumer: &BaseConsumer, mode: CommitMode) -> Result<(), KafkaError> {
    match consumer.commit_consumer_state(mode) {
        Err(KafkaError::ConsumerCommit(RDKafkaErrorCode::NoOffset)) => Ok(()),
        other => other,
    }
}

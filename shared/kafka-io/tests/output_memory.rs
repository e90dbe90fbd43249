//! Memory of outputs while no broker accepts them: compared with what the memory sum counts for them.
#![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

mod common;

use common::backlog::{Broker, VALUE_BYTES, peak, run, serve, used_bytes};
use contracts::Topic;
use kafka_io::{FETCHED_RECORD_BYTES, InRecord, KafkaStage, OutRecord};
use pipeline::{Delivery, Effects, Now, Options, RecordId, Stage, Verdict};

const INPUT: Topic = Topic::BatchRequested;
const OUTPUT: Topic = Topic::VectorComputed;

/// Records of a partition.
const RECORDS: usize = 2_000;

/// The size of a vector of all features.
const OUTPUT_BYTES: usize = 3_000;

/// Emits a large output for each record.
struct Enlarging;

impl Stage for Enlarging {
    type Record<'a> = InRecord<'a>;
    type Output = OutRecord;
    type Completion = ();

    fn process(
        &mut self,
        _: RecordId,
        record: InRecord<'_>,
        _: Now,
        _: &mut Effects<OutRecord>,
    ) -> Verdict<OutRecord> {
        Verdict::Emit(vec![OutRecord::new(OUTPUT, record.partition, "AAPL", vec![7; OUTPUT_BYTES])])
    }

    fn completed(&mut self, (): (), _: Now, _: &mut Effects<OutRecord>) {}
}

impl KafkaStage for Enlarging {}

#[test]
#[ignore = "the broker of the other test, in a process of its own"]
fn broker() {
    serve(INPUT, (RECORDS, VALUE_BYTES), &[], &[OUTPUT]);
}

#[test]
fn outputs_that_wait_use_the_memory_that_is_summed() {
    let (_broker, config) = Broker::start();
    let before = used_bytes();
    let (_shutdown, _thread) = run(&config, Enlarging, (INPUT, vec![OUTPUT, Topic::FeatureDeadLetter]));
    let outputs = u64::try_from(Options::new(Delivery::AtLeastOnce).outputs_memory_max()).unwrap();
    // Of the consumer.
    let prefetch =
        u64::from(config.prefetch_kib) * 1_024 + config.prefetch_records_max() * FETCHED_RECORD_BYTES;
    let summed = outputs + prefetch;
    let used = peak(before, outputs / 2);
    println!("{} of {} MiB", used >> 20, summed >> 20);
    assert!(used <= summed, "{used} of {summed} bytes");
}

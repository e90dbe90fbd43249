//! Memory of a consumer whose stage is busy, while there is a backlog of full batches in each partition: compared with what the memory sum
//! counts for it.
#![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

mod common;

use std::sync::mpsc::{Receiver, sync_channel};

use common::PARTITIONS;
use common::backlog::{Broker, VALUE_BYTES, peak, run, serve, used_bytes};
use contracts::Topic;
use kafka_io::{FETCHED_RECORD_BYTES, InRecord, KafkaStage, OutRecord};
use pipeline::{Effects, Now, Reason, RecordId, Stage, Verdict};

const TOPIC: Topic = Topic::AlertRaised;

/// Records of a partition: ten full batches.
const RECORDS: usize = 6_000;

/// Does nothing until it may, and so keeps the driver from polling.
struct Busy {
    begin: Receiver<()>,
}

impl Stage for Busy {
    type Record<'a> = InRecord<'a>;
    type Output = OutRecord;
    type Completion = ();

    fn process(
        &mut self,
        _: RecordId,
        _: InRecord<'_>,
        _: Now,
        _: &mut Effects<OutRecord>,
    ) -> Verdict<OutRecord> {
        // An error: the sender is gone, and nothing waits any more.
        let _released = self.begin.recv();
        Verdict::Drop(Reason("test"))
    }

    fn completed(&mut self, (): (), _: Now, _: &mut Effects<OutRecord>) {}
}

impl KafkaStage for Busy {}

#[test]
#[ignore = "the broker of the other test, in a process of its own"]
fn broker() {
    serve(TOPIC, (RECORDS, VALUE_BYTES), &[], &[]);
}

#[test]
fn backlog_of_full_batches_uses_the_memory_that_is_summed() {
    let (_broker, config) = Broker::start();
    let (release, begin) = sync_channel(0);
    let before = used_bytes();
    let (shutdown, thread) = run(&config, Busy { begin }, (TOPIC, vec![Topic::FeatureDeadLetter]));
    let prefetch =
        u64::from(config.prefetch_kib) * 1_024 + config.prefetch_records_max() * FETCHED_RECORD_BYTES;
    let responses = u64::try_from(PARTITIONS).unwrap() * config.work_response_memory();
    let summed = prefetch + responses;
    let used = peak(before, prefetch / 2);
    println!("{} of {} MiB: {prefetch} {responses}", used >> 20, summed >> 20);
    assert!((summed / 4..=summed).contains(&used), "{used} of {summed} bytes");
    drop(release);
    shutdown.request();
    thread.join().unwrap().unwrap();
}

//! Memory of a consumer whose stage is busy, while there is a backlog of full batches in each partition: compared with what the memory sum
//! counts for it. The mocked broker is a process of its own, since the memory is that of the process.
#![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

mod common;

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};

use common::{Mock, PARTITIONS, eventually, runtime};
use contracts::Topic;
use kafka_io::{
    BatchProducer, Driver, DriverOptions, FETCHED_RECORD_BYTES, Hooks, InRecord, KafkaConfig, KafkaStage,
    OutRecord, ProducerLimits, completions,
};
use pipeline::{Effects, Now, Reason, RecordId, Stage, Verdict};

const TOPIC: Topic = Topic::AlertRaised;

/// The size of an alert. Its numbers and its id are a third of it and cannot be compressed.
const VALUE_BYTES: usize = 240;

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

/// The memory of this process that the kernel cannot reclaim.
fn used_bytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().trim().parse::<u64>().unwrap() * 1_024
}

/// Ends the broker with the test. Its output is read by no one, but must not be closed before.
struct Broker {
    process: Child,
    _output: BufReader<ChildStdout>,
}

impl Broker {
    fn start() -> (Self, KafkaConfig) {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "broker", "--ignored", "--nocapture"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(process.stdout.take().unwrap());
        let lines = output.by_ref().lines().map_while(Result::ok);
        let address = lines.filter_map(|line| Some(line.strip_prefix("brokers ")?.to_owned())).next();
        (Self { process, _output: output }, KafkaConfig::embedded(&address.unwrap()))
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        self.process.wait().unwrap();
    }
}

#[test]
#[ignore = "the broker of the other test, in a process of its own"]
fn broker() {
    let mock = Mock::start();
    let producer = BatchProducer::new(&mock.config, ProducerLimits::default()).unwrap();
    let mut seed = 88_172_645_463_325_252_u64;
    for partition in 0..PARTITIONS {
        let records = (0..RECORDS).map(|_| {
            let mut value = "0123456789abcdef".repeat(VALUE_BYTES / 16).into_bytes();
            for byte in &mut value[..VALUE_BYTES / 3] {
                seed ^= seed << 13;
                seed ^= seed >> 7;
                seed ^= seed << 17;
                *byte = u8::try_from(seed >> 56).unwrap();
            }
            OutRecord::new(TOPIC, partition, "AAPL", value)
        });
        let records = records.collect();
        let written = runtime().block_on(producer.produce(records));
        assert!(written.iter().all(Result::is_ok));
    }
    println!("\nbrokers {}", mock.config.brokers);
    // Until the other process ends.
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
}

#[test]
fn backlog_of_full_batches_uses_the_memory_that_is_summed() {
    let (_broker, config) = Broker::start();
    let (release, begin) = sync_channel(0);
    let (_, completed) = completions(1);
    let options = DriverOptions {
        service: "test",
        stage: "test",
        group: "tapeline.test".to_owned(),
        inputs: vec![TOPIC],
        outputs: vec![Topic::FeatureDeadLetter],
        kafka: config.clone(),
        hooks: Hooks::default(),
    };
    let driver = Driver::new(Busy { begin }, completed, options).unwrap();
    let shutdown = driver.shutdown();
    let before = used_bytes();
    let thread = std::thread::spawn(move || driver.run());
    let prefetch =
        u64::from(config.prefetch_kib) * 1_024 + config.prefetch_records_max() * FETCHED_RECORD_BYTES;
    let responses = u64::try_from(PARTITIONS).unwrap() * config.work_response_memory();
    let summed = prefetch + responses;
    let used = || used_bytes().saturating_sub(before);
    let (mut last, mut unchanged) = (0, 0);
    eventually("the consumer fetches no more", || {
        let now = used();
        unchanged = if now > prefetch / 2 && now <= last { unchanged + 1 } else { 0 };
        last = last.max(now);
        unchanged > 150
    });
    println!("{} of {} MiB: {prefetch} {responses}", last >> 20, summed >> 20);
    assert!((summed / 4..=summed).contains(&last), "{last} of {summed} bytes");
    drop(release);
    shutdown.request();
    thread.join().unwrap().unwrap();
}

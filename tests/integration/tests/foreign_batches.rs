//! Batches of another application under a backlog: larger than a response of work has room for. The consumer stays within the memory that
//! the sum at start counts.
#![allow(clippy::unwrap_used, reason = "a failed step fails the test")]

use std::process::Command;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

use contracts::Topic;
use integration::{Broker, real_parts_missing, wait_until};
use kafka_io::{
    BatchProducer, Driver, DriverOptions, FETCHED_RECORD_BYTES, Hooks, InRecord, KafkaConfig, KafkaStage,
    OutRecord, ProducerLimits, admin, completions,
};
use pipeline::{Effects, Now, Reason, RecordId, Stage, Verdict};

const TOPIC: Topic = Topic::AlertRaised;
const BROKERS: &str = "FOREIGN_BATCHES_BROKERS";

/// The size of an alert. A third of it cannot be compressed.
const VALUE_BYTES: usize = 240;

/// Records of a batch, which has almost 1 MiB when it is compressed: the default maximum of a topic.
const BATCH_RECORDS: usize = 11_000;

/// Batches of a partition.
const BATCHES: usize = 3;

/// The client's own buffers change by this much.
const NOISE_BYTES: u64 = 1 << 20;

const TIMEOUT: Duration = Duration::from_secs(120);

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
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().trim().parse::<u64>().unwrap() * 1_024
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// Another process, so that its memory does not count.
#[test]
#[ignore = "the other application, started by the test"]
#[expect(clippy::disallowed_methods, reason = "the test sets the variable for this process")]
fn writer() {
    let options = [
        ("batch.size", "3600000".to_owned()),
        ("message.max.bytes", "4000000".to_owned()),
        ("batch.num.messages", BATCH_RECORDS.to_string()),
    ];
    let config = KafkaConfig {
        brokers: std::env::var(BROKERS).unwrap(),
        options: options.map(|(name, value)| (name.to_owned(), value)).into(),
        ..KafkaConfig::default()
    };
    let producer = BatchProducer::new(&config, ProducerLimits::default()).unwrap();
    let mut seed = 88_172_645_463_325_252_u64;
    for partition in 0..config.partitions {
        let records = (0..BATCHES * BATCH_RECORDS).map(|_| {
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
}

#[test]
fn backlog_of_foreign_batches_uses_the_memory_that_is_summed() {
    if real_parts_missing() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start(folder.path()).unwrap();
    let config = KafkaConfig { brokers: broker.address(), ..KafkaConfig::default() };
    runtime().block_on(admin::topics_apply(&config, &[TOPIC, Topic::FeatureDeadLetter], 1)).unwrap();
    let mut writer = Command::new(std::env::current_exe().unwrap());
    writer.args(["--exact", "writer", "--ignored"]).env(BROKERS, &config.brokers);
    assert!(writer.status().unwrap().success());

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
    let summed = prefetch + u64::try_from(config.partitions).unwrap() * config.work_response_memory();
    let (mut peak, mut unchanged) = (0, 0);
    let is_stable = wait_until(TIMEOUT, || {
        let used = used_bytes().saturating_sub(before);
        unchanged = if used > prefetch / 2 && used < peak + NOISE_BYTES { unchanged + 1 } else { 0 };
        peak = peak.max(used);
        unchanged > 50
    });
    println!("{} of {} MiB", peak >> 20, summed >> 20);
    assert!(is_stable && (summed / 4..=summed).contains(&peak), "{peak} of {summed} bytes");
    drop(release);
    shutdown.request();
    thread.join().unwrap().unwrap();
}

//! Backlogs in a mocked broker, for tests that measure the memory of their process: the broker is a process of its own.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread::JoinHandle;

use contracts::Topic;
use kafka_io::{
    BatchProducer, Driver, DriverError, DriverOptions, Hooks, KafkaConfig, KafkaStage, OutRecord,
    ProducerLimits, Shutdown, completions,
};
use pipeline::{Stage, Stop};

use super::{Mock, PARTITIONS, eventually, runtime};

/// The size of an alert. Its numbers and its id are a third of it and cannot be compressed.
pub(crate) const VALUE_BYTES: usize = 240;

/// Ends the broker with the test. Its output is read by no one, but must not be closed before.
pub(crate) struct Broker {
    process: Child,
    _output: BufReader<ChildStdout>,
}

impl Broker {
    /// Starts the ignored test `broker` of the same binary, which calls [`serve`].
    pub(crate) fn start() -> (Self, KafkaConfig) {
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

/// Writes a backlog of this many records of this size to each partition of a topic with these options of the producer, and serves it until
/// the other process ends. The topics of `leaderless` accept no record.
#[expect(clippy::print_stdout, reason = "the other process reads the address")]
pub(crate) fn serve(
    topic: Topic,
    (records, bytes): (usize, usize),
    options: &[(&str, &str)],
    leaderless: &[Topic],
) {
    let mock = Mock::start();
    let mut config = mock.config.clone();
    config.options.extend(options.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    let producer = BatchProducer::new(&config, ProducerLimits::default()).unwrap();
    let mut seed = 88_172_645_463_325_252_u64;
    for partition in 0..PARTITIONS {
        let backlog = (0..records).map(|_| OutRecord::new(topic, partition, "AAPL", value(bytes, &mut seed)));
        let backlog = backlog.collect();
        let written = runtime().block_on(producer.produce(backlog));
        assert!(written.iter().all(Result::is_ok));
    }
    for topic in leaderless {
        for partition in 0..PARTITIONS {
            mock.cluster().partition_leader(topic.name(), partition, None).unwrap();
        }
    }
    println!("\nbrokers {}", mock.config.brokers);
    // Until the other process ends.
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
}

fn value(bytes: usize, seed: &mut u64) -> Vec<u8> {
    let mut value = "0123456789abcdef".repeat(bytes / 16).into_bytes();
    for byte in &mut value[..bytes / 3] {
        *seed ^= *seed << 13;
        *seed ^= *seed >> 7;
        *seed ^= *seed << 17;
        *byte = u8::try_from(*seed >> 56).unwrap();
    }
    value
}

/// The memory of this process that the kernel cannot reclaim.
pub(crate) fn used_bytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().trim().parse::<u64>().unwrap() * 1_024
}

/// Returns the peak of the memory above `before`, once it is above `floor` and does not grow any more.
pub(crate) fn peak(before: u64, floor: u64) -> u64 {
    let (mut peak, mut unchanged) = (0, 0);
    eventually("the memory does not grow any more", || {
        let now = used_bytes().saturating_sub(before);
        unchanged = if now > floor && now <= peak { unchanged + 1 } else { 0 };
        peak = peak.max(now);
        unchanged > 150
    });
    peak
}

/// Runs a stage on a thread of its own.
pub(crate) fn run<S>(
    config: &KafkaConfig,
    stage: S,
    (input, outputs): (Topic, Vec<Topic>),
) -> (Shutdown, JoinHandle<Result<Stop, DriverError>>)
where
    S: KafkaStage + Stage<Completion = ()> + Send + 'static,
{
    let (_, completed) = completions(1);
    let options = DriverOptions {
        service: "test",
        stage: "test",
        group: "tapeline.test".to_owned(),
        inputs: vec![input],
        outputs,
        kafka: config.clone(),
        hooks: Hooks::default(),
    };
    let driver = Driver::new(stage, completed, options).unwrap();
    (driver.shutdown(), std::thread::spawn(move || driver.run()))
}

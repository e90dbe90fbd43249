//! A complete stage: it copies each alert's payload in upper case, and dead-letters empty payloads. It runs against the embedded broker
//! and ends after three records: `cargo run -p kafka-io --example stage`.
#![expect(clippy::print_stdout, reason = "the program prints its result")]

use std::error::Error;
use std::time::Duration;

use contracts::Topic;
use kafka_io::{
    BatchProducer, Driver, DriverOptions, Hooks, InRecord, KafkaConfig, KafkaStage, OutRecord,
    ProducerLimits, Start, TopicReader, client, completions, dead_letter,
};
use pipeline::{Effects, Now, RecordId, Stage, Verdict};
use rdkafka::producer::Producer;

const INPUT: Topic = Topic::AlertRaised;
const OUTPUT: Topic = Topic::VectorComputed;
const DEAD_LETTERS: Topic = Topic::FeatureDeadLetter;
const PARTITIONS: i32 = 12;

struct UpperCase;

impl Stage for UpperCase {
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
        match record.payload {
            Some(payload) if !payload.is_empty() => {
                let (key, text) = (record.key.unwrap_or_default(), payload.to_ascii_uppercase());
                Verdict::Emit(vec![OutRecord::new(OUTPUT, record.partition, key, text)])
            }
            _ => {
                let (class, error) = ("empty", "no payload");
                let cause = dead_letter::Cause { class, error, attempts: 1, service: "example" };
                Verdict::Reject(dead_letter::of(&record, DEAD_LETTERS, PARTITIONS, cause))
            }
        }
    }

    // The stage has no workers. The default methods fit, because it has no state, queue and timers either.
    fn completed(&mut self, (): (), _: Now, _: &mut Effects<OutRecord>) {}
}

impl KafkaStage for UpperCase {}

fn main() -> Result<(), Box<dyn Error>> {
    println!("outputs: {:?}", run()?);
    Ok(())
}

/// Writes three records, runs the stage until their outputs are written, and returns these.
fn run() -> Result<Vec<String>, Box<dyn Error>> {
    let host = client::mock_host()?;
    let cluster = host.client().mock_cluster().ok_or("no embedded broker")?;
    for topic in [INPUT, OUTPUT, DEAD_LETTERS] {
        cluster.create_topic(topic.name(), PARTITIONS, 1)?;
    }
    let kafka = KafkaConfig::embedded(&cluster.bootstrap_servers());

    let producer = BatchProducer::new(&kafka, ProducerLimits::default())?;
    let records = ["raised", "", "resolved"].map(|text| OutRecord::new(INPUT, 3, "AAPL", text.into()));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(producer.produce(records.into())).into_iter().collect::<Result<Vec<_>, _>>()?;

    let (_completions, completed) = completions(1);
    let options = DriverOptions {
        service: "example",
        stage: "upper-case",
        group: "tapeline.example".to_owned(),
        inputs: vec![INPUT],
        outputs: vec![OUTPUT, DEAD_LETTERS],
        kafka: kafka.clone(),
        hooks: Hooks::default(),
    };
    let driver = Driver::new(UpperCase, completed, options)?;
    let shutdown = driver.shutdown();
    let thread = std::thread::spawn(move || driver.run());

    let mut reader = TopicReader::open(&kafka, &[OUTPUT, DEAD_LETTERS], Start::Earliest)?;
    let mut outputs = Vec::new();
    while outputs.len() < 3 && !thread.is_finished() {
        for record in reader.read(Duration::from_millis(100))? {
            let payload = String::from_utf8(record.payload.unwrap_or_default())?;
            outputs.push(format!("{}: {payload}", record.topic.name()));
        }
    }
    shutdown.request();
    thread.join().map_err(|_| "the driver panicked")??;
    outputs.sort();
    Ok(outputs)
}

#[test]
fn example_emits_and_dead_letters_its_records() {
    let expected = [(DEAD_LETTERS, ""), (OUTPUT, "RAISED"), (OUTPUT, "RESOLVED")];
    assert_eq!(run().unwrap(), expected.map(|(topic, text)| format!("{}: {text}", topic.name())));
}

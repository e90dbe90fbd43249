//! Reads the topics of a run into the oracle.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use apache_avro::Schema;
use contracts::{
    Alert, BackfillTrigger, ClosedBar, Codec, Event, FeatureRequest, Qualification, RangeCompletion,
    RangeRequest, RequestFailure, Topic, Vector, WriterError, WriterSchemas,
};
use integration::{Registry, request};
use kafka_io::{KafkaConfig, OwnedRecord, Start, TopicReader};

use crate::backfill_oracle::{BackfillOracle, Milestone};
use crate::numbers::Numbers;
use crate::oracle::{Count, Oracle, RecordPosition};
use crate::proposals::Proposals;

const WAIT: Duration = Duration::from_millis(200);
/// Maximum time without a record before the end of a topic.
const READ_TIMEOUT: Duration = Duration::from_secs(120);

/// Reads every topic and returns the counts.
///
/// # Errors
/// A topic that cannot be read to its end, or a record that cannot be decoded: a partial count would be worthless.
pub fn count(brokers: &str, registry_port: u16, numbers: Numbers) -> io::Result<Count> {
    let kafka = KafkaConfig { brokers: brokers.to_owned(), ..KafkaConfig::default() };
    let (codec, writers) = (Codec::new(), Writers { port: registry_port, parsed: Mutex::default() });
    let mut oracle = Oracle::new(numbers);
    each(&kafka, Topic::AlertRaised, |record| {
        let alert: Alert = decode(&codec, &writers, record)?;
        oracle.alert(alert.correlation_id.as_deref().unwrap_or(&alert.event_id));
        Ok(())
    })?;
    for topic in [Topic::BatchRequested, Topic::BatchUrgent] {
        each(&kafka, topic, |record| {
            let request: FeatureRequest = decode(&codec, &writers, record)?;
            let symbols = request.symbols.into_iter().map(|requested| requested.symbol).collect();
            let at = (position(record), request.requested_at);
            oracle.request(&request.request_id, at, symbols, &request.correlation_ids);
            Ok(())
        })?;
    }
    each(&kafka, Topic::VectorComputed, |record| {
        let vector: Vector = decode(&codec, &writers, record)?;
        oracle.end(&vector.request_id, &vector.symbol, Some(position(record)));
        Ok(())
    })?;
    each(&kafka, Topic::RequestFailed, |record| {
        let failure: RequestFailure = decode(&codec, &writers, record)?;
        failure.symbols.iter().for_each(|symbol| oracle.end(&failure.request_id, symbol, None));
        Ok(())
    })?;
    for topic in Topic::ALL.iter().copied().filter(|topic| topic.is_dead_letter()) {
        each(&kafka, topic, |record| {
            let header =
                |(name, value): &(String, Vec<u8>)| format!("{name}={}", String::from_utf8_lossy(value));
            let headers: Vec<String> = record.headers.iter().map(header).collect();
            oracle.unexpected(format!("{topic} has a dead letter: {}", headers.join(" ")));
            Ok(())
        })?;
    }
    Ok(oracle.count())
}

/// Reads the topics of backfills and adds their counts. Returns the numbers of requests, bars and fetched chunks.
///
/// # Errors
/// As [`count`].
pub fn count_backfills(
    brokers: &str,
    registry_port: u16,
    proposals: Proposals,
    count: &mut Count,
) -> io::Result<(usize, u64, u64)> {
    let kafka = KafkaConfig { brokers: brokers.to_owned(), ..KafkaConfig::default() };
    let (codec, writers) = (Codec::new(), Writers { port: registry_port, parsed: Mutex::default() });
    let mut oracle = BackfillOracle::new(proposals);
    each(&kafka, Topic::SymbolQualified, |record| {
        let qualification: Qualification = decode(&codec, &writers, record)?;
        oracle.event(Milestone::Qualified, qualification.symbol);
        Ok(())
    })?;
    each(&kafka, Topic::RangeRequested, |record| {
        let request: RangeRequest = decode(&codec, &writers, record)?;
        let id = (request.backfill_id, request.attempt);
        oracle.request(id, &request.symbol, request.start, request.end);
        if request.trigger == BackfillTrigger::Qualified {
            oracle.event(Milestone::Requested, request.symbol);
        }
        Ok(())
    })?;
    each(&kafka, Topic::RangeProgressed, |_| {
        oracle.chunk();
        Ok(())
    })?;
    each(&kafka, Topic::RangeCompleted, |record| {
        let completion: RangeCompletion = decode(&codec, &writers, record)?;
        // One that has not succeeded does not count, so its request is lost.
        if completion.success {
            oracle.completion((completion.backfill_id, completion.attempt));
        }
        Ok(())
    })?;
    each(&kafka, Topic::BarClosed, |record| {
        let bar: ClosedBar = decode(&codec, &writers, record)?;
        oracle.bar(bar.symbol, bar.open_time);
        Ok(())
    })?;
    oracle.count(count);
    Ok(oracle.totals())
}

/// Calls `act` with every committed record of a topic, each partition in order.
fn each(
    kafka: &KafkaConfig,
    topic: Topic,
    mut act: impl FnMut(&OwnedRecord) -> io::Result<()>,
) -> io::Result<()> {
    let mut reader = TopicReader::open(kafka, &[topic], Start::Earliest).map_err(io::Error::other)?;
    let mut last_read = Instant::now();
    while !reader.is_at_end() {
        let records = reader.read(WAIT).map_err(io::Error::other)?;
        if !records.is_empty() {
            last_read = Instant::now();
        }
        if last_read.elapsed() > READ_TIMEOUT {
            return Err(io::Error::other(format!(
                "{topic}: end not reached: no record within {READ_TIMEOUT:?}"
            )));
        }
        records.iter().try_for_each(&mut act)?;
    }
    Ok(())
}

fn position(record: &OwnedRecord) -> RecordPosition {
    let topic = u8::from(record.topic == Topic::BatchUrgent);
    RecordPosition { topic, partition: record.partition, offset: record.offset }
}

fn decode<E: Event>(codec: &Codec, writers: &Writers, record: &OwnedRecord) -> io::Result<E> {
    codec.decode(record.payload.as_deref(), writers).map_err(|error| {
        let OwnedRecord { topic, partition, offset, .. } = record;
        io::Error::other(format!("{topic}[{partition}]@{offset} cannot be decoded: {error}"))
    })
}

/// Writer schemas by id, fetched directly from the registry.
struct Writers {
    port: u16,
    parsed: Mutex<HashMap<u32, Arc<Schema>>>,
}

impl WriterSchemas for Writers {
    fn writer(&self, id: u32) -> Result<Arc<Schema>, WriterError> {
        let mut parsed = self.parsed.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(schema) = parsed.get(&id) {
            return Ok(Arc::clone(schema));
        }
        let unreadable = |cause: String| WriterError::Unreadable { id, cause };
        let path = format!("{}/schemas/ids/{id}", Registry::API);
        let reply = request(self.port, "GET", &path, "").map_err(|error| unreadable(error.to_string()))?;
        let body: serde_json::Value =
            serde_json::from_str(&reply.body).map_err(|error| unreadable(error.to_string()))?;
        let text = body["schema"].as_str().ok_or_else(|| unreadable(reply.body.clone()))?;
        let schema = Arc::new(Schema::parse_str(text).map_err(|error| unreadable(error.to_string()))?);
        parsed.insert(id, Arc::clone(&schema));
        Ok(schema)
    }
}

/// Registers the schema of an event and returns its id.
///
/// # Errors
/// The registry returns no id.
pub fn register<E: Event>(registry_port: u16) -> io::Result<u32> {
    let subject = E::TOPIC.subject().unwrap_or_default();
    let body = serde_json::json!({ "schema": E::SCHEMA }).to_string();
    let path = format!("{}/subjects/{subject}/versions", Registry::API);
    let reply = request(registry_port, "POST", &path, &body)?;
    let body: serde_json::Value = serde_json::from_str(&reply.body)?;
    let id = body["id"].as_u64().and_then(|id| u32::try_from(id).ok());
    id.ok_or_else(|| io::Error::other(format!("the registry returned no id for {subject}: {}", reply.body)))
}

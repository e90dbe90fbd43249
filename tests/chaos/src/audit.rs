//! Reads the topics of a run and feeds the oracle.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use apache_avro::Schema;
use contracts::{
    Alert, Codec, Event, FeatureRequest, RequestFailure, Topic, Vector, WriterError, WriterSchemas,
};
use integration::{Registry, request};
use kafka_io::{KafkaConfig, OwnedRecord, Start, TopicReader};

use crate::numbers::Numbers;
use crate::oracle::{Count, Oracle, Place};

const WAIT: Duration = Duration::from_millis(200);
/// Silence after which a topic is given up.
const SILENCE: Duration = Duration::from_secs(120);

/// Reads everything and counts.
///
/// # Errors
/// When a topic can't be read to its end, or a record can't be decoded: a count of a part would be no count.
pub fn count(brokers: &str, registry_port: u16, numbers: Numbers) -> io::Result<Count> {
    let kafka = KafkaConfig { brokers: brokers.to_owned(), ..KafkaConfig::default() };
    let (codec, writers) = (Codec::new(), Writers { port: registry_port, known: Mutex::default() });
    let mut oracle = Oracle::new(numbers);
    each(&kafka, Topic::AlertRaised, |record| {
        let alert: Alert = decode(&codec, &writers, record)?;
        oracle.alert(alert.correlation_id.as_deref().unwrap_or(&alert.event_id));
        Ok(())
    })?;
    for topic in [Topic::BatchRequested, Topic::BatchUrgent] {
        each(&kafka, topic, |record| {
            let request: FeatureRequest = decode(&codec, &writers, record)?;
            let symbols = request.symbols.into_iter().map(|asked| asked.symbol).collect();
            let at = (place(record), request.requested_at);
            oracle.request(&request.request_id, at, symbols, &request.correlation_ids);
            Ok(())
        })?;
    }
    each(&kafka, Topic::VectorComputed, |record| {
        let vector: Vector = decode(&codec, &writers, record)?;
        oracle.end(&vector.request_id, &vector.symbol, Some(place(record)));
        Ok(())
    })?;
    each(&kafka, Topic::RequestFailed, |record| {
        let failure: RequestFailure = decode(&codec, &writers, record)?;
        failure.symbols.iter().for_each(|symbol| oracle.end(&failure.request_id, symbol, None));
        Ok(())
    })?;
    for topic in [Topic::ScannerBridgeDeadLetter, Topic::FeatureDeadLetter] {
        each(&kafka, topic, |record| {
            let header =
                |(name, value): &(String, Vec<u8>)| format!("{name}={}", String::from_utf8_lossy(value));
            let headers: Vec<String> = record.headers.iter().map(header).collect();
            oracle.strange(format!("{topic} holds a letter: {}", headers.join(" ")));
            Ok(())
        })?;
    }
    Ok(oracle.count())
}

/// Every committed record of a topic, in each partition in order.
fn each(
    kafka: &KafkaConfig,
    topic: Topic,
    mut act: impl FnMut(&OwnedRecord) -> io::Result<()>,
) -> io::Result<()> {
    let mut reader = TopicReader::open(kafka, &[topic], Start::Earliest).map_err(io::Error::other)?;
    let mut heard = Instant::now();
    while !reader.is_at_end() {
        let records = reader.read(WAIT).map_err(io::Error::other)?;
        if !records.is_empty() {
            heard = Instant::now();
        }
        if heard.elapsed() > SILENCE {
            return Err(io::Error::other(format!(
                "{topic}: its end is not reached, nothing came for {SILENCE:?}"
            )));
        }
        records.iter().try_for_each(&mut act)?;
    }
    Ok(())
}

fn place(record: &OwnedRecord) -> Place {
    let topic = u8::from(record.topic == Topic::BatchUrgent);
    Place { topic, partition: record.partition, offset: record.offset }
}

fn decode<E: Event>(codec: &Codec, writers: &Writers, record: &OwnedRecord) -> io::Result<E> {
    codec.decode(record.payload.as_deref(), writers).map_err(|fault| {
        let OwnedRecord { topic, partition, offset, .. } = record;
        io::Error::other(format!("{topic}[{partition}]@{offset} is no event: {fault}"))
    })
}

/// Schemas by id, asked of the registry itself.
struct Writers {
    port: u16,
    known: Mutex<HashMap<u32, Arc<Schema>>>,
}

impl WriterSchemas for Writers {
    fn writer(&self, id: u32) -> Result<Arc<Schema>, WriterError> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(schema) = known.get(&id) {
            return Ok(Arc::clone(schema));
        }
        let unreadable = |cause: String| WriterError::Unreadable { id, cause };
        let path = format!("{}/schemas/ids/{id}", Registry::API);
        let reply = request(self.port, "GET", &path, "").map_err(|error| unreadable(error.to_string()))?;
        let answer: serde_json::Value =
            serde_json::from_str(&reply.body).map_err(|error| unreadable(error.to_string()))?;
        let text = answer["schema"].as_str().ok_or_else(|| unreadable(reply.body.clone()))?;
        let schema = Arc::new(Schema::parse_str(text).map_err(|error| unreadable(error.to_string()))?);
        known.insert(id, Arc::clone(&schema));
        Ok(schema)
    }
}

/// Registers the schema of an event and gives its id.
///
/// # Errors
/// When the registry doesn't answer with one.
pub fn register<E: Event>(registry_port: u16) -> io::Result<u32> {
    let subject = E::TOPIC.subject().unwrap_or_default();
    let body = serde_json::json!({ "schema": E::SCHEMA }).to_string();
    let path = format!("{}/subjects/{subject}/versions", Registry::API);
    let reply = request(registry_port, "POST", &path, &body)?;
    let answer: serde_json::Value = serde_json::from_str(&reply.body)?;
    let id = answer["id"].as_u64().and_then(|id| u32::try_from(id).ok());
    id.ok_or_else(|| io::Error::other(format!("the registry gives no id for {subject}: {}", reply.body)))
}

//! Reads the topics of a run again and turns their records into what the audit counts.

use std::collections::BTreeMap;
use std::time::Duration;

use contracts::{Alert, Codec, Event, FeatureRequest, RequestFailure, Topic, Vector, WriterSchemas};
use domain::{AlertType, Symbol};
use kafka_io::{Inquirer, KafkaConfig, OwnedRecord, TopicReader};
use scanner_bridge::rules::manual::{FEATURE_SETS_KEY, asked_sets};
use scanner_bridge::rules::mapping::Mapping;
use scanner_bridge::rules::priority::priority;

use crate::audit::{AlertSeen, EndSeen, RequestSeen, Seen};
use crate::exit::Failure;
use crate::report::TopicReport;

/// How long reading a topic to its end may take: a million records take seconds.
const PATIENCE: Duration = Duration::from_secs(120);

/// What a run left in the topics, as records.
#[derive(Debug, Default)]
pub struct Collected {
    /// By topic, partition and offset.
    pub records: BTreeMap<Topic, Vec<OwnedRecord>>,
}

impl Collected {
    /// Reads every topic up to where it ends now, from `starts` on (topic, partition → first offset that counts).
    ///
    /// # Errors
    /// When a topic can't be read to its end, or no longer holds what it held: a count of a part would be no count.
    pub fn read(kafka: &KafkaConfig, starts: &BTreeMap<(Topic, i32), i64>) -> Result<Self, Failure> {
        let unread =
            |e: &dyn std::error::Error| Failure::NotOk(format!("the topics can't be read again: {e}"));
        let inquirer = Inquirer::new(kafka).map_err(|e| unread(&e))?;
        for topic in Topic::ALL {
            for marks in inquirer.watermarks(*topic).map_err(|e| unread(&e))? {
                let start = starts.get(&(*topic, marks.partition)).copied().unwrap_or(0);
                if marks.low > start {
                    return Err(gone(*topic, marks.partition, start, marks.low));
                }
            }
        }
        let mut records: BTreeMap<Topic, Vec<OwnedRecord>> =
            Topic::ALL.iter().map(|topic| (*topic, Vec::new())).collect();
        for record in TopicReader::read_all(kafka, Topic::ALL, PATIENCE).map_err(|e| unread(&e))? {
            let start = starts.get(&(record.topic, record.partition)).copied().unwrap_or(0);
            if record.offset >= start {
                records.entry(record.topic).or_default().push(record);
            }
        }
        Ok(Self { records })
    }

    /// How many records each topic holds.
    #[must_use]
    pub fn topics(&self) -> BTreeMap<String, TopicReport> {
        let report = |records: &Vec<OwnedRecord>| TopicReport { records: records.len() as u64 };
        self.records.iter().map(|(topic, records)| (topic.name().to_owned(), report(records))).collect()
    }

    /// What the audit counts. Records that hold no valid event aren't counted: they end as dead letters.
    ///
    /// `mapping` says what each alert asks for: the table of the contract, by the bridge's rules for it.
    ///
    /// # Errors
    /// When the registry can't be asked for a schema: a count that leaves out what it can't read would be no count.
    pub fn seen(&self, writers: &dyn WriterSchemas, mapping: &Mapping) -> Result<Seen, Failure> {
        let codec = Codec::new();
        let mut seen = Seen::default();
        for (record, alert) in self.events::<Alert>(Topic::AlertRaised, &codec, writers)? {
            seen.alerts.extend(alert_seen(record, alert, mapping));
        }
        for topic in [Topic::BatchRequested, Topic::BatchUrgent] {
            for (record, request) in self.events::<FeatureRequest>(topic, &codec, writers)? {
                seen.requests.push(request_seen(record, &request));
            }
        }
        for (record, vector) in self.events::<Vector>(Topic::VectorComputed, &codec, writers)? {
            seen.ends.extend(Symbol::parse(&vector.symbol).ok().map(|symbol| EndSeen {
                request_id: vector.request_id,
                symbol,
                vector_offset: Some(record.offset),
                appended_at_ms: record.timestamp_ms,
            }));
        }
        for (record, failure) in self.events::<RequestFailure>(Topic::RequestFailed, &codec, writers)? {
            let symbols = failure.symbols.iter().filter_map(|name| Symbol::parse(name).ok());
            seen.ends.extend(symbols.map(|symbol| EndSeen {
                request_id: failure.request_id.clone(),
                symbol,
                vector_offset: None,
                appended_at_ms: record.timestamp_ms,
            }));
        }
        Ok(seen)
    }

    fn events<'a, E: Event>(
        &'a self,
        topic: Topic,
        codec: &Codec,
        writers: &dyn WriterSchemas,
    ) -> Result<Vec<(&'a OwnedRecord, E)>, Failure> {
        let mut events = Vec::new();
        for record in self.records.get(&topic).into_iter().flatten() {
            match codec.decode(record.payload.as_deref(), writers) {
                Ok(event) => events.push((record, event)),
                Err(fault) if fault.is_retryable() => return Err(Failure::Unreachable(fault.to_string())),
                Err(_) => {}
            }
        }
        Ok(events)
    }
}

fn gone(topic: Topic, partition: i32, start: i64, low: i64) -> Failure {
    Failure::NotOk(format!(
        "{topic} partition {partition} no longer holds offsets {start} to {low} of this run, so it can't be counted; \
         the embedded broker keeps 5 MiB a partition: replay fewer dates with --from and --to"
    ))
}

/// `None` for a manual alert that names unknown sets: no request can answer it, its end is a dead letter.
fn alert_seen(record: &OwnedRecord, alert: Alert, mapping: &Mapping) -> Option<AlertSeen> {
    let row = mapping.row(alert.alert_type);
    let is_manual = alert.alert_type == AlertType::Manual;
    let named = alert.metadata.get(FEATURE_SETS_KEY).map(String::as_str);
    let sets = if is_manual { asked_sets(named, row.sets).ok()? } else { row.sets };
    Some(AlertSeen {
        correlation_id: alert.correlation_id.unwrap_or(alert.event_id),
        symbol: Symbol::parse(&alert.symbol).ok()?,
        sets,
        priority: priority(alert.score, row.boost).get(),
        is_manual,
        occurred_at_micros: alert.occurred_at,
        partition: record.partition,
        offset: record.offset,
        appended_at_ms: record.timestamp_ms,
    })
}

fn request_seen(record: &OwnedRecord, request: &FeatureRequest) -> RequestSeen {
    RequestSeen {
        request_id: request.request_id.clone(),
        symbols: request.symbols.iter().filter_map(|asked| Symbol::parse(&asked.symbol).ok()).collect(),
        sets: request.sets(),
        priority: u8::try_from(request.priority).unwrap_or(u8::MIN),
        correlation_ids: request.correlation_ids.clone(),
        offset: record.offset,
    }
}

//! Checks of a run from its records alone, independent of the stages and the engine.
//!
//! | check | law |
//! |---|---|
//! | every input has its outputs, a dead letter, or a window that covers it: the loss audit | `lost`, `doubled`, `reordered`, `unresolved` |
//! | the bars of a chunk are the bars of its range, in the transaction of its progress; no range is fetched twice | `chunk` |
//! | the coverage of a series is the union of its chunks, after each transaction | `coverage` |
//! | a vector has used every bar that was visible when its request was appended | `causality` |

mod chunks;
mod vectors;

use std::sync::Arc;

use backfill::sources::Source;
use backfill::stage::executor::KEEPER_SOURCE;
use contracts::{Event, RangeRequest, Topic};
use kafka_io::{OwnedRecord, Wire};
use kit::SaturatingFrom;
use tapeline::audit::{self, AuditResult, RecordCollector, Stage};
use testkit::OwnSchemas;

use crate::kafka::{Kafka, PARTITIONS};
use crate::log::{Entry, Log};
use crate::stages;

/// A violated law.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Broken {
    pub(crate) law: &'static str,
    pub(crate) cause: String,
}

pub(crate) fn broken<T>(law: &'static str, cause: String) -> Result<T, Broken> {
    Err(Broken { law, cause })
}

/// Checks a run that is at rest.
pub(crate) fn check(kafka: &mut Kafka, source: &Arc<dyn Source>) -> Result<(), Broken> {
    audit(kafka)?;
    let wire = stages::wire(Stage::Executor);
    let chunks::ChunkCounts { chunks, refetches } = chunks::check(&kafka.log, &wire, source.as_ref())?;
    (kafka.counts.chunks, kafka.counts.refetches) = (chunks, refetches);
    kafka.counts.vectors = vectors::check(&kafka.log, &wire)?;
    kafka.counts.keeper_requests = keeper_requests(&kafka.log, &wire);
    Ok(())
}

fn keeper_requests(log: &Log, wire: &Wire) -> u64 {
    let requests = log.visible().filter(|(at, ..)| at.0 == Topic::RangeRequested);
    let of_keeper = |entry| decoded::<RangeRequest>(wire, entry).is_ok_and(|it| it.source == KEEPER_SOURCE);
    u64::saturating_from(requests.filter(|(.., entry)| of_keeper(entry)).count())
}

fn decoded<E: Event>(wire: &Wire, entry: &Entry) -> Result<E, Broken> {
    let stored = entry.stored(0);
    match wire.read_table(&stored.as_input()) {
        Ok(Some(event)) => Ok(event),
        Ok(None) => broken("output", format!("a record of {} is no valid event", entry.record.topic)),
        Err(error) => broken("output", error.to_string()),
    }
}

/// Counts by the loss audit.
fn audit(kafka: &mut Kafka) -> Result<(), Broken> {
    let mut collector = RecordCollector::new(stages::mapping(), PARTITIONS);
    for ((topic, partition), offset, entry) in kafka.log.visible() {
        let record = &entry.record;
        let owned = OwnedRecord {
            topic,
            partition,
            offset,
            timestamp_ms: entry.appended.wall_micros / 1_000,
            key: (!record.missing.key).then(|| record.key.clone()),
            payload: (!record.missing.payload).then(|| record.payload.clone()),
            headers: record.headers.iter().map(|(name, value)| (name.to_string(), value.clone())).collect(),
        };
        collector
            .collect(&owned, &OwnSchemas)
            .map_err(|error| Broken { law: "audit", cause: error.to_string() })?;
    }
    let result = audit::count(&mut collector.finish(), stages::windows());
    kafka.counts.dead_letters = Stage::ALL.iter().map(|stage| result.row(*stage).dead_letters).sum();
    compare(&result)
}

fn compare(result: &AuditResult) -> Result<(), Broken> {
    let examples = || format!("{:#?}", result.examples);
    match result.totals() {
        (0, 0, 0) => {}
        (0, 0, _) => return broken("reordered", examples()),
        (0, ..) => return broken("doubled", examples()),
        _ => return broken("lost", examples()),
    }
    for stage in Stage::ALL {
        let row = result.row(stage);
        if row.found != row.expected || row.inputs != row.expected + row.covered + row.dead_letters {
            return broken("unresolved", format!("{}: {row:?}", stage.name()));
        }
    }
    Ok(())
}

//! Extracts from each record what the audit keeps.

use backfill::stage::executor::KEEPER_SOURCE;
use contracts::{
    Alert, BackfillTrigger, Codec, Event, FeatureRequest, Gap, Promotion, Proposal, Qualification,
    RangeCompletion, RangeFailure, RangeProgress, RangeRequest, RequestFailure, Topic, Vector, WriterSchemas,
};
use domain::{AlertType, FeatureSets, Layer, Symbol, Timeframe};
use kafka_io::{OwnedRecord, dead_letter};
use scanner_bridge::rules::mapping::Mapping;
use scanner_bridge::rules::priority::priority;
use scanner_bridge::rules::requested_sets::{FEATURE_SETS_KEY, requested_sets};

use super::id::Id;
use super::records::{
    AuditRecords, BackfillCause, BackfillEnd, ChunkProgress, Member, Reference, RequestedRange, Subject,
    SymbolEnd, SymbolEndKind, WindowedInput, WindowedOutput, WindowedOutputs, kind_number, trigger_number,
};
use super::stage::Stage;
use crate::exit::Failure;
use crate::record_position::RecordPosition;

/// Collects records, in any order of topics and partitions.
pub struct RecordCollector {
    codec: Codec,
    mapping: Mapping,
    /// Partition count of every topic, which determines the partition of a symbol.
    partitions: i32,
    records: AuditRecords,
}

/// Position and append time of a record.
#[derive(Clone, Copy)]
struct Appended {
    position: RecordPosition,
    at_ms: i64,
}

impl RecordCollector {
    /// Returns an empty collector. `mapping` is the table of what each alert type requests; `partitions` is the partition count of every
    /// topic.
    #[must_use]
    pub fn new(mapping: Mapping, partitions: i32) -> Self {
        Self { codec: Codec::new(), mapping, partitions, records: AuditRecords::default() }
    }

    /// Returns the collected records.
    #[must_use]
    pub fn finish(self) -> AuditRecords {
        self.records
    }

    /// Marks a topic whose first records were deleted.
    pub fn mark_truncated(&mut self, topic: Topic) {
        self.records.truncated.insert(topic);
    }

    /// Collects one record. Topics that are not audited are ignored.
    ///
    /// # Errors
    /// [`Failure::Unreachable`] if the registry is unavailable. An audit without the records of an unknown schema would be wrong.
    pub fn collect(&mut self, record: &OwnedRecord, writers: &dyn WriterSchemas) -> Result<(), Failure> {
        let appended = Appended { position: RecordPosition::of(record), at_ms: record.timestamp_ms };
        match record.topic {
            Topic::SymbolProposed => self.decode::<Proposal>(record, appended, writers, proposal),
            Topic::AlertRaised => self.decode::<Alert>(record, appended, writers, alert),
            Topic::SymbolQualified => self.decode::<Qualification>(record, appended, writers, qualification),
            Topic::SymbolPromoted => self.decode::<Promotion>(record, appended, writers, promotion),
            Topic::GapDetected => self.decode::<Gap>(record, appended, writers, gap),
            Topic::BatchRequested | Topic::BatchUrgent => {
                self.decode::<FeatureRequest>(record, appended, writers, request)
            }
            Topic::VectorComputed => self.decode::<Vector>(record, appended, writers, vector),
            Topic::RequestFailed => self.decode::<RequestFailure>(record, appended, writers, failure),
            Topic::RangeRequested => self.decode::<RangeRequest>(record, appended, writers, range_request),
            Topic::RangeProgressed => self.decode::<RangeProgress>(record, appended, writers, progress),
            Topic::RangeCompleted => self.decode::<RangeCompletion>(record, appended, writers, completion),
            Topic::RangeFailed => self.decode::<RangeFailure>(record, appended, writers, range_failure),
            topic if topic.is_dead_letter() => {
                self.dead_letter(record);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Decodes a record and collects it by `keep`. A record without a valid event, or in another partition than its symbol's, must be
    /// dead-lettered if a stage consumes it; otherwise it is ignored.
    fn decode<E: Event>(
        &mut self,
        record: &OwnedRecord,
        appended: Appended,
        writers: &dyn WriterSchemas,
        keep: fn(&mut Self, Appended, E) -> Option<()>,
    ) -> Result<(), Failure> {
        let is_input = Stage::of_input(record.topic).is_some();
        let payload = record.payload.as_deref();
        // Outputs that no stage consumes are by far the most. Their rules are checked by their writers only.
        let decoded = match is_input {
            true => self.codec.decode::<E>(payload, writers),
            false => self.codec.read::<E>(payload, writers),
        };
        let kept = match decoded {
            Ok(event) if is_input && event.check_placement(record.partition, self.partitions).is_err() => {
                None
            }
            Ok(event) => keep(self, appended, event),
            Err(error) if error.is_retryable() => return Err(Failure::unreachable(error)),
            Err(_) => None,
        };
        if kept.is_none() && is_input {
            self.records.invalid_inputs.push(appended.position);
        }
        Ok(())
    }

    fn dead_letter(&mut self, dead_letter: &OwnedRecord) {
        let header = |name: &str| {
            let found = dead_letter.headers.iter().rev().find(|(key, _)| key == name);
            found.and_then(|(_, value)| std::str::from_utf8(value).ok())
        };
        let position = || {
            let topic = header(dead_letter::TOPIC).and_then(Topic::from_name)?;
            let partition = header(dead_letter::PARTITION)?.parse().ok()?;
            Some(RecordPosition { topic, partition, offset: header(dead_letter::OFFSET)?.parse().ok()? })
        };
        if let Some(position) = position() {
            *self.records.dead_letters.entry(position).or_default() += 1;
        }
    }
}

/// Returns the id by which outputs name an event.
fn id_of(event: &impl Event) -> Id {
    let envelope = event.envelope();
    Id::of(envelope.correlation_id.unwrap_or(envelope.event_id))
}

fn proposal(collector: &mut RecordCollector, appended: Appended, event: Proposal) -> Option<()> {
    let from = event.from_layer.map(Layer::from_number).transpose().ok()?;
    let to = Layer::from_number(event.to_layer).ok()?;
    collector.records.proposals.push(WindowedInput {
        position: appended.position,
        id: id_of(&event),
        subject: Subject::Entry(Symbol::parse(&event.symbol).ok()?, from, to),
        sets: FeatureSets::EMPTY,
        priority: 0,
        is_manual: false,
        occurred_at: event.occurred_at,
        appended_at_ms: appended.at_ms,
    });
    Some(())
}

/// A manual alert with unknown sets is invalid and must be dead-lettered.
fn alert(collector: &mut RecordCollector, appended: Appended, event: Alert) -> Option<()> {
    let row = collector.mapping.row(event.alert_type);
    let is_manual = event.alert_type == AlertType::Manual;
    let named = event.metadata.get(FEATURE_SETS_KEY).map(String::as_str);
    let sets = if is_manual { requested_sets(named, row.sets).ok()? } else { row.sets };
    collector.records.alerts.push(WindowedInput {
        position: appended.position,
        id: id_of(&event),
        subject: Subject::Features(Symbol::parse(&event.symbol).ok()?),
        sets,
        priority: priority(event.score, row.boost).get(),
        is_manual,
        occurred_at: event.occurred_at,
        appended_at_ms: appended.at_ms,
    });
    Some(())
}

fn qualification(collector: &mut RecordCollector, appended: Appended, event: Qualification) -> Option<()> {
    let symbol = Symbol::parse(&event.symbol).ok()?;
    let subject = Subject::Entry(symbol, None, Layer::from_number(event.layer).ok()?);
    let id = id_of(&event);
    add_announcement(
        &mut collector.records.announcements,
        appended,
        Id::of(&event.event_id),
        (subject, id, event.occurred_at),
    );
    collector.records.causes.push(BackfillCause {
        trigger: trigger_number(BackfillTrigger::Qualified),
        symbol,
        id,
        layer: Some(event.layer),
        start: None,
        end: event.occurred_at,
        position: appended.position,
    });
    Some(())
}

fn promotion(collector: &mut RecordCollector, appended: Appended, event: Promotion) -> Option<()> {
    let symbol = Symbol::parse(&event.symbol).ok()?;
    let layer = |number| Layer::from_number(number).ok();
    let subject = Subject::Entry(symbol, Some(layer(event.from_layer)?), layer(event.to_layer)?);
    let id = id_of(&event);
    add_announcement(
        &mut collector.records.announcements,
        appended,
        Id::of(&event.event_id),
        (subject, id, event.occurred_at),
    );
    collector.records.causes.push(BackfillCause {
        trigger: trigger_number(BackfillTrigger::Promoted),
        symbol,
        id,
        layer: Some(event.to_layer),
        start: None,
        end: event.occurred_at,
        position: appended.position,
    });
    Some(())
}

fn add_announcement(
    outputs: &mut WindowedOutputs,
    appended: Appended,
    id: Id,
    (subject, input, occurred_at): (Subject, Id, i64),
) {
    let first = outputs.members.len();
    outputs.members.push(Member { subject, first_seen: occurred_at, occurred_at });
    outputs.references.push(Reference { id: input, output: outputs.list.len() });
    outputs.list.push(WindowedOutput {
        position: appended.position,
        id,
        sets: FeatureSets::EMPTY,
        priority: 0,
        appended_at_ms: appended.at_ms,
        members: first..first + 1,
    });
}

fn gap(collector: &mut RecordCollector, appended: Appended, event: Gap) -> Option<()> {
    if event.gap_end - event.gap_start < backfill::rules::planner::GAP_MIN_MICROS {
        collector.records.short_gaps += 1;
        return Some(());
    }
    collector.records.causes.push(BackfillCause {
        trigger: trigger_number(BackfillTrigger::Gap),
        symbol: Symbol::parse(&event.symbol).ok()?,
        id: id_of(&event),
        layer: None,
        start: Some(event.gap_start),
        end: event.gap_end,
        position: appended.position,
    });
    Some(())
}

fn request(collector: &mut RecordCollector, appended: Appended, event: FeatureRequest) -> Option<()> {
    let sets = event.sets();
    let priority = u8::try_from(event.priority).ok()?;
    let outputs = &mut collector.records.requests;
    let first = outputs.members.len();
    for requested in &event.symbols {
        outputs.members.push(Member {
            subject: Subject::Features(Symbol::parse(&requested.symbol).ok()?),
            first_seen: requested.first_seen,
            occurred_at: requested.occurred_at,
        });
    }
    let output = outputs.list.len();
    outputs.references.extend(event.correlation_ids.iter().map(|id| Reference { id: Id::of(id), output }));
    outputs.list.push(WindowedOutput {
        position: appended.position,
        id: Id::of(&event.request_id),
        sets,
        priority,
        appended_at_ms: appended.at_ms,
        members: first..outputs.members.len(),
    });
    Some(())
}

fn vector(collector: &mut RecordCollector, appended: Appended, event: Vector) -> Option<()> {
    collector.records.symbol_ends.push(SymbolEnd {
        request: Id::of(&event.request_id),
        symbol: Symbol::parse(&event.symbol).ok()?,
        kind: SymbolEndKind::Vector,
        offset: appended.position.offset,
        appended_at_ms: appended.at_ms,
    });
    Some(())
}

fn failure(collector: &mut RecordCollector, appended: Appended, event: RequestFailure) -> Option<()> {
    let request = Id::of(&event.request_id);
    for name in &event.symbols {
        collector.records.symbol_ends.push(SymbolEnd {
            request,
            symbol: Symbol::parse(name).ok()?,
            kind: SymbolEndKind::Failure,
            offset: appended.position.offset,
            appended_at_ms: appended.at_ms,
        });
    }
    Some(())
}

fn range_request(collector: &mut RecordCollector, appended: Appended, event: RangeRequest) -> Option<()> {
    if event.cancel {
        // It has no end of its own: it ends running attempts, or is dropped.
        return Some(());
    }
    let is_gap = event.trigger == BackfillTrigger::Gap;
    if is_planned(&event) {
        collector.records.planned.push(BackfillCause {
            trigger: trigger_number(event.trigger),
            symbol: Symbol::parse(&event.symbol).ok()?,
            id: id_of(&event),
            layer: (!is_gap).then_some(event.layer),
            start: is_gap.then_some(event.start),
            end: event.end,
            position: appended.position,
        });
    }
    collector.records.ranges.push(RequestedRange {
        backfill: Id::of(&event.backfill_id),
        attempt: event.attempt,
        appended_at_ms: appended.at_ms,
        position: appended.position,
    });
    Some(())
}

/// Returns `true` if the planner requested it: the first attempt at anything but a manual request or a hole that the keeper found.
fn is_planned(event: &RangeRequest) -> bool {
    event.trigger != BackfillTrigger::Manual && event.source != KEEPER_SOURCE && event.attempt == 1
}

fn progress(collector: &mut RecordCollector, appended: Appended, event: RangeProgress) -> Option<()> {
    collector.records.progress.push(ChunkProgress {
        backfill: Id::of(&event.backfill_id),
        attempt: event.attempt,
        series: (kind_number(event.data_type), Timeframe::from_name(&event.timeframe)),
        total: event.total,
        position: appended.position,
        chunk_start: event.chunk_start,
        done: event.done,
        id: Id::of(&event.event_id),
    });
    Some(())
}

fn completion(collector: &mut RecordCollector, appended: Appended, event: RangeCompletion) -> Option<()> {
    add_end(collector, appended, &event.backfill_id, event.attempt)
}

fn range_failure(collector: &mut RecordCollector, appended: Appended, event: RangeFailure) -> Option<()> {
    add_end(collector, appended, &event.backfill_id, event.attempt)
}

fn add_end(
    collector: &mut RecordCollector,
    appended: Appended,
    backfill_id: &str,
    attempt: i32,
) -> Option<()> {
    let backfill = Id::of(backfill_id);
    collector.records.backfill_ends.push(BackfillEnd {
        backfill,
        attempt,
        appended_at_ms: appended.at_ms,
        position: appended.position,
    });
    Some(())
}

#[cfg(test)]
mod tests;

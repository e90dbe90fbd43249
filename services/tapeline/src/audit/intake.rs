//! From records to what is kept of them.

use contracts::{
    Alert, BackfillTrigger, Codec, Event, FeatureRequest, Gap, Promotion, Proposal, Qualification,
    RangeCompletion, RangeFailure, RangeProgress, RangeRequest, RequestFailure, Topic, Vector, WriterSchemas,
};
use domain::{AlertType, FeatureSets, Layer, Symbol, Timeframe};
use kafka_io::{OwnedRecord, dead_letter};
use scanner_bridge::rules::requested_sets::{FEATURE_SETS_KEY, requested_sets};
use scanner_bridge::rules::mapping::Mapping;
use scanner_bridge::rules::priority::priority;

use super::seen::{
    Answer, Answers, Ask, End, EndKind, Fact, Member, Naming, Place, Progress, RangeAsked, Seen, Subject,
    Terminal, kind_number, trigger_number,
};
use super::{Id, Stage};
use crate::exit::Failure;

/// Takes records in, in any order of topics and partitions.
pub struct Intake {
    codec: Codec,
    mapping: Mapping,
    /// Of every topic: records that concern a symbol lie where this count puts them.
    partitions: i32,
    seen: Seen,
}

/// A record, and when it came.
#[derive(Clone, Copy)]
struct At {
    place: Place,
    ms: i64,
}

impl Intake {
    /// Nothing seen yet. `mapping` says what an alert asks for; `partitions` is the topics' count.
    #[must_use]
    pub fn new(mapping: Mapping, partitions: i32) -> Self {
        Self { codec: Codec::new(), mapping, partitions, seen: Seen::default() }
    }

    /// What was seen.
    #[must_use]
    pub fn finish(self) -> Seen {
        self.seen
    }

    /// The oldest records of this topic are deleted already.
    pub fn truncated(&mut self, topic: Topic) {
        self.seen.truncated.insert(topic);
    }

    /// Takes one record. Topics that aren't counted are passed over.
    ///
    /// # Errors
    /// When the registry can't be asked for a schema: a count that leaves out what it can't read would be no count.
    pub fn take(&mut self, record: &OwnedRecord, writers: &dyn WriterSchemas) -> Result<(), Failure> {
        let place = Place { topic: record.topic, partition: record.partition, offset: record.offset };
        let at = At { place, ms: record.timestamp_ms };
        match record.topic {
            Topic::SymbolProposed => self.with::<Proposal>(record, at, writers, proposal),
            Topic::AlertRaised => self.with::<Alert>(record, at, writers, alert),
            Topic::SymbolQualified => self.with::<Qualification>(record, at, writers, qualification),
            Topic::SymbolPromoted => self.with::<Promotion>(record, at, writers, promotion),
            Topic::GapDetected => self.with::<Gap>(record, at, writers, gap),
            Topic::BatchRequested | Topic::BatchUrgent => {
                self.with::<FeatureRequest>(record, at, writers, request)
            }
            Topic::VectorComputed => self.with::<Vector>(record, at, writers, vector),
            Topic::RequestFailed => self.with::<RequestFailure>(record, at, writers, failure),
            Topic::RangeRequested => self.with::<RangeRequest>(record, at, writers, range_request),
            Topic::RangeProgressed => self.with::<RangeProgress>(record, at, writers, progress),
            Topic::RangeCompleted => self.with::<RangeCompletion>(record, at, writers, completion),
            Topic::RangeFailed => self.with::<RangeFailure>(record, at, writers, range_failure),
            topic if topic.is_dead_letter() => {
                self.letter(record);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Decodes a record and keeps what `keep` keeps of it. One that holds no valid event, or that lies in another partition than its
    /// symbol's, is to end as a dead letter where a stage consumes it; elsewhere it is nothing.
    fn with<E: Event>(
        &mut self,
        record: &OwnedRecord,
        at: At,
        writers: &dyn WriterSchemas,
        keep: fn(&mut Self, At, E) -> Option<()>,
    ) -> Result<(), Failure> {
        let is_input = Stage::of_input(record.topic).is_some();
        let payload = record.payload.as_deref();
        // The outputs that nobody consumes are the most by far, and their rules are their writers' business.
        let decoded = match is_input {
            true => self.codec.decode::<E>(payload, writers),
            false => self.codec.read::<E>(payload, writers),
        };
        let kept = match decoded {
            Ok(event) if is_input && event.check_placement(record.partition, self.partitions).is_err() => {
                None
            }
            Ok(event) => keep(self, at, event),
            Err(fault) if fault.is_retryable() => return Err(Failure::Unreachable(fault.to_string())),
            Err(_) => None,
        };
        if kept.is_none() && is_input {
            self.seen.unreadable.push(at.place);
        }
        Ok(())
    }

    fn letter(&mut self, letter: &OwnedRecord) {
        let header = |name: &str| {
            let found = letter.headers.iter().rev().find(|(key, _)| key == name);
            found.and_then(|(_, value)| std::str::from_utf8(value).ok())
        };
        let place = || {
            let topic = header(dead_letter::TOPIC).and_then(Topic::from_name)?;
            let partition = header(dead_letter::PARTITION)?.parse().ok()?;
            Some(Place { topic, partition, offset: header(dead_letter::OFFSET)?.parse().ok()? })
        };
        if let Some(place) = place() {
            *self.seen.letters.entry(place).or_default() += 1;
        }
    }
}

/// What outputs name an event by.
fn cause(event: &impl Event) -> Id {
    let envelope = event.envelope();
    Id::of(envelope.correlation_id.unwrap_or(envelope.event_id))
}

fn proposal(intake: &mut Intake, at: At, event: Proposal) -> Option<()> {
    let from = event.from_layer.map(Layer::from_number).transpose().ok()?;
    let to = Layer::from_number(event.to_layer).ok()?;
    intake.seen.proposals.push(Ask {
        place: at.place,
        id: cause(&event),
        subject: Subject::Entry(Symbol::parse(&event.symbol).ok()?, from, to),
        sets: FeatureSets::EMPTY,
        priority: 0,
        is_manual: false,
        occurred_at: event.occurred_at,
        appended_at_ms: at.ms,
    });
    Some(())
}

/// A manual alert that names unknown sets is no request: its end is a dead letter.
fn alert(intake: &mut Intake, at: At, event: Alert) -> Option<()> {
    let row = intake.mapping.row(event.alert_type);
    let is_manual = event.alert_type == AlertType::Manual;
    let named = event.metadata.get(FEATURE_SETS_KEY).map(String::as_str);
    let sets = if is_manual { requested_sets(named, row.sets).ok()? } else { row.sets };
    intake.seen.alerts.push(Ask {
        place: at.place,
        id: cause(&event),
        subject: Subject::Features(Symbol::parse(&event.symbol).ok()?),
        sets,
        priority: priority(event.score, row.boost).get(),
        is_manual,
        occurred_at: event.occurred_at,
        appended_at_ms: at.ms,
    });
    Some(())
}

fn qualification(intake: &mut Intake, at: At, event: Qualification) -> Option<()> {
    let symbol = Symbol::parse(&event.symbol).ok()?;
    let subject = Subject::Entry(symbol, None, Layer::from_number(event.layer).ok()?);
    let id = cause(&event);
    announced(&mut intake.seen.announcements, at, Id::of(&event.event_id), (subject, id, event.occurred_at));
    intake.seen.facts.push(Fact {
        trigger: trigger_number(BackfillTrigger::Qualified),
        symbol,
        cause: id,
        layer: Some(event.layer),
        start: None,
        end: event.occurred_at,
        place: at.place,
    });
    Some(())
}

fn promotion(intake: &mut Intake, at: At, event: Promotion) -> Option<()> {
    let symbol = Symbol::parse(&event.symbol).ok()?;
    let layer = |number| Layer::from_number(number).ok();
    let subject = Subject::Entry(symbol, Some(layer(event.from_layer)?), layer(event.to_layer)?);
    let id = cause(&event);
    announced(&mut intake.seen.announcements, at, Id::of(&event.event_id), (subject, id, event.occurred_at));
    intake.seen.facts.push(Fact {
        trigger: trigger_number(BackfillTrigger::Promoted),
        symbol,
        cause: id,
        layer: Some(event.to_layer),
        start: None,
        end: event.occurred_at,
        place: at.place,
    });
    Some(())
}

fn announced(answers: &mut Answers, at: At, id: Id, (subject, names, occurred_at): (Subject, Id, i64)) {
    let first = answers.members.len();
    answers.members.push(Member { subject, first_seen: occurred_at, occurred_at });
    answers.namings.push(Naming { id: names, answer: answers.list.len() });
    answers.list.push(Answer {
        place: at.place,
        id,
        sets: FeatureSets::EMPTY,
        priority: 0,
        appended_at_ms: at.ms,
        members: first..first + 1,
    });
}

fn gap(intake: &mut Intake, at: At, event: Gap) -> Option<()> {
    if event.gap_end - event.gap_start < backfill::rules::planner::GAP_MIN_MICROS {
        intake.seen.idle_facts += 1;
        return Some(());
    }
    intake.seen.facts.push(Fact {
        trigger: trigger_number(BackfillTrigger::Gap),
        symbol: Symbol::parse(&event.symbol).ok()?,
        cause: cause(&event),
        layer: None,
        start: Some(event.gap_start),
        end: event.gap_end,
        place: at.place,
    });
    Some(())
}

fn request(intake: &mut Intake, at: At, event: FeatureRequest) -> Option<()> {
    let sets = event.sets();
    let priority = u8::try_from(event.priority).ok()?;
    let answers = &mut intake.seen.requests;
    let first = answers.members.len();
    for asked in &event.symbols {
        answers.members.push(Member {
            subject: Subject::Features(Symbol::parse(&asked.symbol).ok()?),
            first_seen: asked.first_seen,
            occurred_at: asked.occurred_at,
        });
    }
    let answer = answers.list.len();
    answers.namings.extend(event.correlation_ids.iter().map(|id| Naming { id: Id::of(id), answer }));
    answers.list.push(Answer {
        place: at.place,
        id: Id::of(&event.request_id),
        sets,
        priority,
        appended_at_ms: at.ms,
        members: first..answers.members.len(),
    });
    Some(())
}

fn vector(intake: &mut Intake, at: At, event: Vector) -> Option<()> {
    intake.seen.ends.push(End {
        request: Id::of(&event.request_id),
        symbol: Symbol::parse(&event.symbol).ok()?,
        kind: EndKind::Vector,
        offset: at.place.offset,
        appended_at_ms: at.ms,
    });
    Some(())
}

fn failure(intake: &mut Intake, at: At, event: RequestFailure) -> Option<()> {
    let request = Id::of(&event.request_id);
    for name in &event.symbols {
        intake.seen.ends.push(End {
            request,
            symbol: Symbol::parse(name).ok()?,
            kind: EndKind::Failure,
            offset: at.place.offset,
            appended_at_ms: at.ms,
        });
    }
    Some(())
}

fn range_request(intake: &mut Intake, at: At, event: RangeRequest) -> Option<()> {
    let is_gap = event.trigger == BackfillTrigger::Gap;
    // The first attempt at anything but a manual request is the planner's.
    if event.trigger != BackfillTrigger::Manual && event.attempt == 1 {
        intake.seen.planned.push(Fact {
            trigger: trigger_number(event.trigger),
            symbol: Symbol::parse(&event.symbol).ok()?,
            cause: cause(&event),
            layer: (!is_gap).then_some(event.layer),
            start: is_gap.then_some(event.start),
            end: event.end,
            place: at.place,
        });
    }
    intake.seen.ranges.push(RangeAsked {
        backfill: Id::of(&event.backfill_id),
        attempt: event.attempt,
        appended_at_ms: at.ms,
        place: at.place,
    });
    Some(())
}

fn progress(intake: &mut Intake, at: At, event: RangeProgress) -> Option<()> {
    intake.seen.progress.push(Progress {
        backfill: Id::of(&event.backfill_id),
        attempt: event.attempt,
        series: (kind_number(event.data_type), Timeframe::from_name(&event.timeframe)),
        total: event.total,
        place: at.place,
        chunk_start: event.chunk_start,
        done: event.done,
    });
    Some(())
}

fn completion(intake: &mut Intake, at: At, event: RangeCompletion) -> Option<()> {
    ended(intake, at, &event.backfill_id, event.attempt)
}

fn range_failure(intake: &mut Intake, at: At, event: RangeFailure) -> Option<()> {
    ended(intake, at, &event.backfill_id, event.attempt)
}

fn ended(intake: &mut Intake, at: At, backfill_id: &str, attempt: i32) -> Option<()> {
    let backfill = Id::of(backfill_id);
    intake.seen.terminals.push(Terminal { backfill, attempt, appended_at_ms: at.ms, place: at.place });
    Some(())
}

//! A correct run of all five stages: its records and their order. Tests change it; the positions of the records follow from it.

use contracts::Topic;
use domain::{FeatureSet, FeatureSets, Layer, Symbol};
use uuid::Uuid;

use super::super::id::Id;
use super::super::records::{
    AuditRecords, BackfillCause, BackfillEnd, ChunkProgress, Member, Reference, RequestedRange, Subject,
    SymbolEnd, SymbolEndKind, WindowedInput, WindowedOutput, WindowedOutputs,
};
use crate::record_position::RecordPosition;

pub(super) const DAY_MICROS: i64 = 86_400_000_000;

/// An alert, or a proposal.
#[derive(Debug, Clone, Copy)]
pub(super) struct SampleInput {
    /// The number of the id by which outputs name it.
    pub(super) number: u128,
    pub(super) symbol: &'static str,
    pub(super) occurred_at: i64,
    pub(super) sets: &'static [&'static str],
    pub(super) priority: u8,
    pub(super) is_manual: bool,
}

/// A feature request for one alert, or for several equal ones.
#[derive(Debug, Clone)]
pub(super) struct SampleRequest {
    pub(super) number: u128,
    pub(super) alerts: Vec<SampleInput>,
    pub(super) first_seen: i64,
    pub(super) appended_at_ms: i64,
}

/// The records of each topic, in log order. References are by number.
#[derive(Debug, Clone, Default)]
pub(super) struct SampleRun {
    pub(super) alerts: Vec<SampleInput>,
    /// Number of invalid alerts, after the others.
    pub(super) invalid_alerts: i64,
    pub(super) requests: Vec<SampleRequest>,
    /// Request and symbol.
    pub(super) vectors: Vec<(u128, &'static str)>,
    pub(super) failures: Vec<(u128, &'static str)>,
    pub(super) proposals: Vec<SampleInput>,
    /// Numbers of the proposals.
    pub(super) announcements: Vec<u128>,
    /// Range requests, by the number of the announcement, which is also the backfill's.
    pub(super) planned: Vec<u128>,
    /// Manual range requests: backfill, attempt, append time.
    pub(super) manual: Vec<(u128, i32, i64)>,
    /// Backfill, attempt, append time.
    pub(super) backfill_ends: Vec<(u128, i32, i64)>,
    /// Backfill, number of completed chunks out of three, and number of the event.
    pub(super) chunks: Vec<(u128, i32, u128)>,
    /// Topic and offset of the original record.
    pub(super) dead_letters: Vec<(Topic, i64)>,
}

/// Returns an alert of AAPL on this day.
pub(super) fn alert(day: u8) -> SampleInput {
    SampleInput {
        number: day.into(),
        symbol: "AAPL",
        occurred_at: i64::from(day) * DAY_MICROS,
        sets: &["price_features", "volume_features"],
        priority: 7,
        is_manual: false,
    }
}

/// Returns a request for this alert alone.
pub(super) fn request(alert: SampleInput) -> SampleRequest {
    SampleRequest {
        number: 100 + alert.number,
        alerts: vec![alert],
        first_seen: alert.occurred_at,
        appended_at_ms: alert.occurred_at / 1_000 + 10,
    }
}

impl SampleRun {
    /// Returns a run of ten alerts a day apart and five proposals two days apart, all of AAPL, each with all its outputs.
    pub(super) fn correct() -> Self {
        let mut run = Self::default();
        for day in 0..10 {
            run.add_alert(alert(day));
        }
        for day in 0..5 {
            let proposal = SampleInput { number: 50 + u128::from(day), ..alert(2 * day) };
            run.proposals.push(proposal);
            run.announcements.push(proposal.number);
            run.planned.push(proposal.number);
            run.backfill_ends.push((proposal.number, 1, 0));
        }
        run.chunks = vec![(50, 1, 1), (50, 2, 2), (50, 3, 3)];
        run
    }

    /// Adds an alert with its request and its vector.
    pub(super) fn add_alert(&mut self, alert: SampleInput) {
        let request = request(alert);
        self.vectors.push((request.number, alert.symbol));
        self.alerts.push(alert);
        self.requests.push(request);
    }

    pub(super) fn records(&self) -> AuditRecords {
        let alerts = numbered(&self.alerts).map(|(at, it)| input(Topic::AlertRaised, at, it)).collect();
        let mut records = AuditRecords { alerts, ..AuditRecords::default() };
        let valid = numbered(&self.alerts).count();
        let first = i64::try_from(valid).unwrap();
        records.invalid_inputs =
            (first..first + self.invalid_alerts).map(|at| position(Topic::AlertRaised, at)).collect();
        for (at, request) in numbered(&self.requests) {
            add_output(&mut records.requests, request, at);
        }
        for (topic, kind, ends) in [
            (Topic::VectorComputed, SymbolEndKind::Vector, &self.vectors),
            (Topic::RequestFailed, SymbolEndKind::Failure, &self.failures),
        ] {
            records.symbol_ends.extend(numbered(ends).map(|(at, (request, symbol))| SymbolEnd {
                request: id(*request),
                symbol: Symbol::parse(symbol).unwrap(),
                kind,
                offset: position(topic, at).offset,
                appended_at_ms: self.vector_appended_at(*request),
            }));
        }
        self.add_announcements(&mut records);
        self.add_backfills(&mut records);
        for (topic, offset) in &self.dead_letters {
            *records.dead_letters.entry(position(*topic, *offset)).or_default() += 1;
        }
        records
    }

    fn vector_appended_at(&self, number: u128) -> i64 {
        let request = self.requests.iter().find(|request| request.number == number);
        request.map_or(0, |request| request.alerts[0].occurred_at / 1_000 + 40)
    }

    fn add_announcements(&self, records: &mut AuditRecords) {
        records.proposals = numbered(&self.proposals)
            .map(|(at, it)| WindowedInput {
                subject: entry(it.symbol),
                ..input(Topic::SymbolProposed, at, it)
            })
            .collect();
        for (at, number) in numbered(&self.announcements) {
            let proposal = self.proposals.iter().find(|proposal| proposal.number == *number).unwrap();
            let (occurred_at, subject) = (proposal.occurred_at, entry(proposal.symbol));
            let (outputs, position) = (&mut records.announcements, position(Topic::SymbolQualified, at));
            let first = outputs.members.len();
            outputs.members.push(Member { subject, first_seen: occurred_at, occurred_at });
            outputs.references.push(Reference { id: id(*number), output: outputs.list.len() });
            outputs.list.push(WindowedOutput {
                position,
                id: id(1_000 + *number),
                sets: FeatureSets::EMPTY,
                priority: 0,
                appended_at_ms: occurred_at / 1_000,
                members: first..first + 1,
            });
            records.causes.push(cause(*number, occurred_at, position));
        }
    }

    fn add_backfills(&self, records: &mut AuditRecords) {
        let planned = self.planned.iter().map(|number| (*number, 1, 0));
        let requested: Vec<(u128, i32, i64)> = planned.chain(self.manual.iter().copied()).collect();
        for (at, (number, attempt, appended_at_ms)) in numbered(&requested) {
            let position = position(Topic::RangeRequested, at);
            let (backfill, attempt, appended_at_ms) = (id(*number), *attempt, *appended_at_ms);
            records.ranges.push(RequestedRange { backfill, attempt, appended_at_ms, position });
            if let Some(proposal) = self.proposals.iter().find(|proposal| proposal.number == *number) {
                records.planned.push(cause(*number, proposal.occurred_at, position));
            }
        }
        for (at, (number, attempt, appended_at_ms)) in numbered(&self.backfill_ends) {
            let position = position(Topic::RangeCompleted, at);
            let (backfill, attempt, appended_at_ms) = (id(*number), *attempt, *appended_at_ms);
            records.backfill_ends.push(BackfillEnd { backfill, attempt, appended_at_ms, position });
        }
        for (at, (number, done, created)) in numbered(&self.chunks) {
            records.progress.push(ChunkProgress {
                backfill: id(*number),
                attempt: 1,
                series: (0, None),
                total: 3,
                position: position(Topic::RangeProgressed, at),
                chunk_start: i64::from(*done) * DAY_MICROS,
                done: *done,
                id: id(*created),
            });
        }
    }
}

fn numbered<T>(records: &[T]) -> impl Iterator<Item = (i64, &T)> {
    (0_i64..).zip(records)
}

fn position(topic: Topic, offset: i64) -> RecordPosition {
    RecordPosition { topic, partition: 3, offset }
}

fn id(number: u128) -> Id {
    Id::of(&Uuid::from_u128(number).to_string())
}

fn entry(symbol: &str) -> Subject {
    Subject::Entry(Symbol::parse(symbol).unwrap(), None, Layer::Catalyst)
}

fn sets(names: &[&str]) -> FeatureSets {
    names.iter().map(|name| FeatureSet::from_name(name).unwrap()).collect()
}

fn input(topic: Topic, offset: i64, sample: &SampleInput) -> WindowedInput {
    let is_alert = topic == Topic::AlertRaised;
    WindowedInput {
        position: position(topic, offset),
        id: id(sample.number),
        subject: Subject::Features(Symbol::parse(sample.symbol).unwrap()),
        sets: if is_alert { sets(sample.sets) } else { FeatureSets::EMPTY },
        priority: if is_alert { sample.priority } else { 0 },
        is_manual: sample.is_manual,
        occurred_at: sample.occurred_at,
        appended_at_ms: sample.occurred_at / 1_000,
    }
}

fn add_output(outputs: &mut WindowedOutputs, request: &SampleRequest, offset: i64) {
    let first = outputs.members.len();
    for alert in &request.alerts {
        let subject = Subject::Features(Symbol::parse(alert.symbol).unwrap());
        if outputs.members[first..].iter().all(|member| member.subject != subject) {
            let (first_seen, occurred_at) = (request.first_seen, alert.occurred_at);
            outputs.members.push(Member { subject, first_seen, occurred_at });
        }
        outputs.references.push(Reference { id: id(alert.number), output: outputs.list.len() });
    }
    let lane = if request.alerts[0].priority >= 8 { Topic::BatchUrgent } else { Topic::BatchRequested };
    outputs.list.push(WindowedOutput {
        position: position(lane, offset),
        id: id(request.number),
        sets: sets(request.alerts[0].sets),
        priority: request.alerts[0].priority,
        appended_at_ms: request.appended_at_ms,
        members: first..outputs.members.len(),
    });
}

fn cause(number: u128, occurred_at: i64, position: RecordPosition) -> BackfillCause {
    let (layer, symbol) = (Some(2), Symbol::parse("AAPL").unwrap());
    BackfillCause { trigger: 0, symbol, id: id(number), layer, start: None, end: occurred_at, position }
}

//! A good run of all five stages: which records there are, and in which order. Tests change that; where records lie follows from it.

use contracts::Topic;
use domain::{FeatureSet, FeatureSets, Layer, Symbol};
use uuid::Uuid;

use super::super::{
    Answer, Answers, Ask, End, EndKind, Fact, Id, Member, Naming, Place, Progress, RangeAsked, Seen, Subject,
    Terminal,
};

pub(super) const DAY_MICROS: i64 = 86_400_000_000;

/// An alert, or a proposal.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cause {
    /// Of the id that outputs name it by.
    pub(super) number: u128,
    pub(super) symbol: &'static str,
    pub(super) occurred_at: i64,
    pub(super) sets: &'static [&'static str],
    pub(super) priority: u8,
    pub(super) is_manual: bool,
}

/// A feature request for one alert, or for several alike.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) number: u128,
    pub(super) alerts: Vec<Cause>,
    pub(super) first_seen: i64,
    pub(super) appended_at_ms: i64,
}

/// The records of each topic, in log order; what is named is named by number.
#[derive(Debug, Clone, Default)]
pub(super) struct Run {
    pub(super) alerts: Vec<Cause>,
    /// Alerts that hold no event, after the others.
    pub(super) broken_alerts: i64,
    pub(super) requests: Vec<Asked>,
    /// By their requests; each with its symbol.
    pub(super) vectors: Vec<(u128, &'static str)>,
    pub(super) failures: Vec<(u128, &'static str)>,
    pub(super) proposals: Vec<Cause>,
    /// By their proposals.
    pub(super) announcements: Vec<u128>,
    /// Requests for ranges, by what was announced; the number is the backfill's, too.
    pub(super) planned: Vec<u128>,
    /// Requests for ranges that are no planner's: backfill, attempt, append time.
    pub(super) manual: Vec<(u128, i32, i64)>,
    /// Backfill, attempt, append time.
    pub(super) ends_of_ranges: Vec<(u128, i32, i64)>,
    /// Backfill, and how many chunks of three are done.
    pub(super) chunks: Vec<(u128, i32)>,
    /// Topic and offset of what died.
    pub(super) letters: Vec<(Topic, i64)>,
}

/// An alert of AAPL on this day.
pub(super) fn alert(day: u8) -> Cause {
    Cause {
        number: day.into(),
        symbol: "AAPL",
        occurred_at: i64::from(day) * DAY_MICROS,
        sets: &["price_features", "volume_features"],
        priority: 7,
        is_manual: false,
    }
}

/// The request that answers this alert alone.
pub(super) fn request(alert: Cause) -> Asked {
    Asked {
        number: 100 + alert.number,
        alerts: vec![alert],
        first_seen: alert.occurred_at,
        appended_at_ms: alert.occurred_at / 1_000 + 10,
    }
}

impl Run {
    /// Ten alerts a day apart, five proposals two days apart, all of AAPL; each with all that follows from it.
    pub(super) fn good() -> Self {
        let mut run = Self::default();
        for day in 0..10 {
            run.ask(alert(day));
        }
        for day in 0..5 {
            let proposal = Cause { number: 50 + u128::from(day), ..alert(2 * day) };
            run.proposals.push(proposal);
            run.announcements.push(proposal.number);
            run.planned.push(proposal.number);
            run.ends_of_ranges.push((proposal.number, 1, 0));
        }
        run.chunks = vec![(50, 1), (50, 2), (50, 3)];
        run
    }

    /// An alert with its request and its vector.
    pub(super) fn ask(&mut self, alert: Cause) {
        let request = request(alert);
        self.vectors.push((request.number, alert.symbol));
        self.alerts.push(alert);
        self.requests.push(request);
    }

    pub(super) fn seen(&self) -> Seen {
        let alerts = numbered(&self.alerts).map(|(at, it)| ask(Topic::AlertRaised, at, it)).collect();
        let mut seen = Seen { alerts, ..Seen::default() };
        let broken = numbered(&self.alerts).count();
        let first = i64::try_from(broken).unwrap();
        seen.unreadable =
            (first..first + self.broken_alerts).map(|at| place(Topic::AlertRaised, at)).collect();
        for (at, asked) in numbered(&self.requests) {
            answer(&mut seen.requests, asked, at);
        }
        for (topic, kind, ends) in [
            (Topic::VectorComputed, EndKind::Vector, &self.vectors),
            (Topic::RequestFailed, EndKind::Failure, &self.failures),
        ] {
            seen.ends.extend(numbered(ends).map(|(at, (request, symbol))| End {
                request: id(*request),
                symbol: Symbol::parse(symbol).unwrap(),
                kind,
                offset: place(topic, at).offset,
                appended_at_ms: self.vector_appended_at(*request),
            }));
        }
        self.add_announcements(&mut seen);
        self.add_backfills(&mut seen);
        for (topic, offset) in &self.letters {
            *seen.letters.entry(place(*topic, *offset)).or_default() += 1;
        }
        seen
    }

    fn vector_appended_at(&self, number: u128) -> i64 {
        let request = self.requests.iter().find(|request| request.number == number);
        request.map_or(0, |request| request.alerts[0].occurred_at / 1_000 + 40)
    }

    fn add_announcements(&self, seen: &mut Seen) {
        seen.proposals = numbered(&self.proposals)
            .map(|(at, it)| Ask { subject: entry(it.symbol), ..ask(Topic::SymbolProposed, at, it) })
            .collect();
        for (at, number) in numbered(&self.announcements) {
            let proposal = self.proposals.iter().find(|proposal| proposal.number == *number).unwrap();
            let (occurred_at, subject) = (proposal.occurred_at, entry(proposal.symbol));
            let (answers, place) = (&mut seen.announcements, place(Topic::SymbolQualified, at));
            let first = answers.members.len();
            answers.members.push(Member { subject, first_seen: occurred_at, occurred_at });
            answers.namings.push(Naming { id: id(*number), answer: answers.list.len() });
            answers.list.push(Answer {
                place,
                id: id(1_000 + *number),
                sets: FeatureSets::EMPTY,
                priority: 0,
                appended_at_ms: occurred_at / 1_000,
                members: first..first + 1,
            });
            seen.facts.push(fact(*number, occurred_at, place));
        }
    }

    fn add_backfills(&self, seen: &mut Seen) {
        let planned = self.planned.iter().map(|number| (*number, 1, 0));
        let asked: Vec<(u128, i32, i64)> = planned.chain(self.manual.iter().copied()).collect();
        for (at, (number, attempt, appended_at_ms)) in numbered(&asked) {
            let place = place(Topic::RangeRequested, at);
            let (backfill, attempt, appended_at_ms) = (id(*number), *attempt, *appended_at_ms);
            seen.ranges.push(RangeAsked { backfill, attempt, appended_at_ms, place });
            if let Some(cause) = self.proposals.iter().find(|proposal| proposal.number == *number) {
                seen.planned.push(fact(*number, cause.occurred_at, place));
            }
        }
        for (at, (number, attempt, appended_at_ms)) in numbered(&self.ends_of_ranges) {
            let place = place(Topic::RangeCompleted, at);
            let (backfill, attempt, appended_at_ms) = (id(*number), *attempt, *appended_at_ms);
            seen.terminals.push(Terminal { backfill, attempt, appended_at_ms, place });
        }
        for (at, (number, done)) in numbered(&self.chunks) {
            seen.progress.push(Progress {
                backfill: id(*number),
                attempt: 1,
                series: (0, None),
                total: 3,
                place: place(Topic::RangeProgressed, at),
                chunk_start: i64::from(*done) * DAY_MICROS,
                done: *done,
            });
        }
    }
}

fn numbered<T>(records: &[T]) -> impl Iterator<Item = (i64, &T)> {
    (0_i64..).zip(records)
}

fn place(topic: Topic, offset: i64) -> Place {
    Place { topic, partition: 3, offset }
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

fn ask(topic: Topic, offset: i64, cause: &Cause) -> Ask {
    let is_alert = topic == Topic::AlertRaised;
    Ask {
        place: place(topic, offset),
        id: id(cause.number),
        subject: Subject::Features(Symbol::parse(cause.symbol).unwrap()),
        sets: if is_alert { sets(cause.sets) } else { FeatureSets::EMPTY },
        priority: if is_alert { cause.priority } else { 0 },
        is_manual: cause.is_manual,
        occurred_at: cause.occurred_at,
        appended_at_ms: cause.occurred_at / 1_000,
    }
}

fn answer(answers: &mut Answers, asked: &Asked, offset: i64) {
    let first = answers.members.len();
    for alert in &asked.alerts {
        let subject = Subject::Features(Symbol::parse(alert.symbol).unwrap());
        if answers.members[first..].iter().all(|member| member.subject != subject) {
            let (first_seen, occurred_at) = (asked.first_seen, alert.occurred_at);
            answers.members.push(Member { subject, first_seen, occurred_at });
        }
        answers.namings.push(Naming { id: id(alert.number), answer: answers.list.len() });
    }
    let lane = if asked.alerts[0].priority >= 8 { Topic::BatchUrgent } else { Topic::BatchRequested };
    answers.list.push(Answer {
        place: place(lane, offset),
        id: id(asked.number),
        sets: sets(asked.alerts[0].sets),
        priority: asked.alerts[0].priority,
        appended_at_ms: asked.appended_at_ms,
        members: first..answers.members.len(),
    });
}

fn fact(number: u128, occurred_at: i64, place: Place) -> Fact {
    let (layer, symbol) = (Some(2), Symbol::parse("AAPL").unwrap());
    Fact { trigger: 0, symbol, cause: id(number), layer, start: None, end: occurred_at, place }
}

//! What is kept of each record: as little as the count needs, so that millions fit.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::Range;

use contracts::{BackfillTrigger, DataKind, Topic};
use domain::{FeatureSets, Layer, Symbol, Timeframe};

use super::Id;

/// Where a record lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place {
    /// The topic.
    pub topic: Topic,
    /// The partition.
    pub partition: i32,
    /// The offset.
    pub offset: i64,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}[{}]@{}", self.topic, self.partition, self.offset)
    }
}

/// What has a dedup window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Subject {
    /// The features of a symbol.
    Features(Symbol),
    /// A symbol's entry into a layer, from none or from a lower one.
    Entry(Symbol, Option<Layer>, Layer),
}

impl Subject {
    /// Its symbol.
    #[must_use]
    pub fn symbol(self) -> Symbol {
        match self {
            Self::Features(symbol) | Self::Entry(symbol, ..) => symbol,
        }
    }
}

/// An input that a window may cover: an alert, or a proposal.
#[derive(Debug, Clone, Copy)]
pub struct Ask {
    /// Where it lies.
    pub place: Place,
    /// What outputs name it by: its correlation id, or its event id where it has none.
    pub id: Id,
    /// What it is about.
    pub subject: Subject,
    /// The sets that an alert's type asks for; none of a proposal.
    pub sets: FeatureSets,
    /// The priority of an alert's score and type.
    pub priority: u8,
    /// A manual request stands outside the window.
    pub is_manual: bool,
    /// Event time, microseconds.
    pub occurred_at: i64,
    /// Append time, milliseconds.
    pub appended_at_ms: i64,
}

/// An output that answers asks: a feature request, or an announcement.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Where it lies.
    pub place: Place,
    /// A request's id; an announcement's event id.
    pub id: Id,
    /// The sets that it asks for.
    pub sets: FeatureSets,
    /// Its priority.
    pub priority: u8,
    /// Append time, milliseconds.
    pub appended_at_ms: i64,
    /// Its subjects, as a range of [`Answers::members`].
    pub members: Range<usize>,
}

/// One subject of an answer.
#[derive(Debug, Clone, Copy)]
pub struct Member {
    /// The subject.
    pub subject: Subject,
    /// The event time that opened its window.
    pub first_seen: i64,
    /// The newest event time that it answers.
    pub occurred_at: i64,
}

/// An answer names an ask. Of several asks of one id it names each.
#[derive(Debug, Clone, Copy)]
pub struct Naming {
    /// The ask's id.
    pub id: Id,
    /// The answer, as an index of [`Answers::list`].
    pub answer: usize,
}

/// Answers with what they hold.
#[derive(Debug, Clone, Default)]
pub struct Answers {
    /// The answers.
    pub list: Vec<Answer>,
    /// Their subjects.
    pub members: Vec<Member>,
    /// Whom they name.
    pub namings: Vec<Naming>,
}

impl Answers {
    /// The subjects of an answer.
    #[must_use]
    pub fn members_of(&self, answer: &Answer) -> &[Member] {
        self.members.get(answer.members.clone()).unwrap_or_default()
    }

    fn sort(&mut self) {
        let list = &self.list;
        self.namings.sort_unstable_by_key(|naming| {
            let answer = &list[naming.answer];
            (naming.id, answer.appended_at_ms, answer.place)
        });
    }
}

/// How one symbol of a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum EndKind {
    /// In a vector.
    Vector,
    /// In a failure.
    Failure,
}

/// An end of one symbol of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct End {
    /// The request.
    pub request: Id,
    /// The symbol.
    pub symbol: Symbol,
    /// How.
    pub kind: EndKind,
    /// The offset of the record that says so.
    pub offset: i64,
    /// Append time, milliseconds.
    pub appended_at_ms: i64,
}

/// What makes history wanted, or the request that wants it: both by the same names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fact {
    /// What kind of fact: the number of its trigger.
    pub trigger: u8,
    /// The symbol.
    pub symbol: Symbol,
    /// What requests name it by: its correlation id, or its event id where it has none.
    pub cause: Id,
    /// The layer that a symbol entered; of a gap none.
    pub layer: Option<i32>,
    /// Of a gap its first instant, microseconds.
    pub start: Option<i64>,
    /// The last instant that is wanted, microseconds.
    pub end: i64,
    /// Where it lies.
    pub place: Place,
}

/// The number of a trigger.
#[must_use]
pub(super) fn trigger_number(trigger: BackfillTrigger) -> u8 {
    match trigger {
        BackfillTrigger::Qualified => 0,
        BackfillTrigger::Promoted => 1,
        BackfillTrigger::Gap => 2,
        BackfillTrigger::Manual => 3,
        BackfillTrigger::Unknown => 4,
    }
}

/// A request for a range of history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct RangeAsked {
    /// Its backfill.
    pub backfill: Id,
    /// Which time it is asked for.
    pub attempt: i32,
    /// Append time, milliseconds.
    pub appended_at_ms: i64,
    /// Where it lies.
    pub place: Place,
}

/// The event in which a backfill's attempt ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Terminal {
    /// The backfill.
    pub backfill: Id,
    /// The attempt.
    pub attempt: i32,
    /// Append time, milliseconds.
    pub appended_at_ms: i64,
    /// Where it lies.
    pub place: Place,
}

/// A chunk of a backfill was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Progress {
    /// The backfill.
    pub backfill: Id,
    /// The attempt.
    pub attempt: i32,
    /// The series.
    pub series: (u8, Option<Timeframe>),
    /// Chunks in all.
    pub total: i32,
    /// Where it lies.
    pub place: Place,
    /// The chunk's first instant, microseconds.
    pub chunk_start: i64,
    /// Chunks done, this one included.
    pub done: i32,
}

/// The number of a kind of data.
#[must_use]
pub(super) fn kind_number(kind: DataKind) -> u8 {
    kind.known().map_or(u8::MAX, |data_type| data_type as u8)
}

/// The inputs that ended as dead letters, and in how many.
pub type Letters = BTreeMap<Place, u32>;

/// Everything that a run left in the topics.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// Proposals.
    pub proposals: Vec<Ask>,
    /// Qualifications and promotions.
    pub announcements: Answers,
    /// Alerts.
    pub alerts: Vec<Ask>,
    /// Feature requests.
    pub requests: Answers,
    /// Vectors and failures.
    pub ends: Vec<End>,
    /// Qualifications, promotions and gaps that owe a request for a range.
    pub facts: Vec<Fact>,
    /// Facts that owe none: gaps too short.
    pub idle_facts: u64,
    /// What requests for ranges, but manual ones, name as their facts.
    pub planned: Vec<Fact>,
    /// Requests for ranges.
    pub ranges: Vec<RangeAsked>,
    /// How they ended.
    pub terminals: Vec<Terminal>,
    /// Chunks written.
    pub progress: Vec<Progress>,
    /// Dead letters.
    pub letters: Letters,
    /// Inputs that hold no valid event.
    pub unreadable: Vec<Place>,
    /// Topics whose oldest records are deleted already: what later ones name may be among them.
    pub truncated: BTreeSet<Topic>,
}

impl Seen {
    /// Brings everything into the order in which it is counted, whatever the order of reading.
    pub(super) fn sort(&mut self) {
        self.proposals.sort_unstable_by_key(|ask| ask.place);
        self.alerts.sort_unstable_by_key(|ask| ask.place);
        self.announcements.sort();
        self.requests.sort();
        self.ends.sort_unstable();
        self.facts.sort_unstable();
        self.planned.sort_unstable();
        self.ranges.sort_unstable();
        self.terminals.sort_unstable();
        self.progress.sort_unstable();
    }
}

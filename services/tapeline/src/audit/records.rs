//! The part of each record that the audit keeps: as little as possible, so that millions fit into memory.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use contracts::{BackfillTrigger, DataKind, Topic};
use domain::{FeatureSets, Layer, Symbol, Timeframe};

use super::id::Id;
use crate::record_position::RecordPosition;

/// The key of a dedup window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Subject {
    /// The features of a symbol.
    Features(Symbol),
    /// The entry of a symbol into a layer, from none or from a lower one.
    Entry(Symbol, Option<Layer>, Layer),
}

impl Subject {
    #[must_use]
    pub(super) fn symbol(self) -> Symbol {
        match self {
            Self::Features(symbol) | Self::Entry(symbol, ..) => symbol,
        }
    }
}

/// An input that a dedup window may cover: an alert or a proposal.
#[derive(Debug, Clone, Copy)]
pub(super) struct WindowedInput {
    pub(super) position: RecordPosition,
    /// The id by which outputs name it: its correlation id, or its event id if it has none.
    pub(super) id: Id,
    pub(super) subject: Subject,
    /// The feature sets that an alert's type requests; empty for a proposal.
    pub(super) sets: FeatureSets,
    /// The priority that follows from an alert's score and type.
    pub(super) priority: u8,
    /// Manual requests ignore the window.
    pub(super) is_manual: bool,
    /// Event time, microseconds.
    pub(super) occurred_at: i64,
    /// Append time, milliseconds.
    pub(super) appended_at_ms: i64,
}

/// An output of a stage with a dedup window: a feature request or an announcement.
#[derive(Debug, Clone)]
pub(super) struct WindowedOutput {
    pub(super) position: RecordPosition,
    /// The id of a request; the event id of an announcement.
    pub(super) id: Id,
    /// The feature sets that it requests.
    pub(super) sets: FeatureSets,
    pub(super) priority: u8,
    /// Append time, milliseconds.
    pub(super) appended_at_ms: i64,
    /// Its subjects, as a range of [`WindowedOutputs::members`].
    pub(super) members: Range<usize>,
}

/// One subject of an output.
#[derive(Debug, Clone, Copy)]
pub(super) struct Member {
    pub(super) subject: Subject,
    /// The event time that opened its window.
    pub(super) first_seen: i64,
    /// The newest event time that the output covers.
    pub(super) occurred_at: i64,
}

/// A reference from an output to an input. It refers to every input of this id.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reference {
    /// The id of the input.
    pub(super) id: Id,
    /// The output, as an index of [`WindowedOutputs::list`].
    pub(super) output: usize,
}

/// Outputs with their subjects and references.
#[derive(Debug, Clone, Default)]
pub(super) struct WindowedOutputs {
    pub(super) list: Vec<WindowedOutput>,
    pub(super) members: Vec<Member>,
    pub(super) references: Vec<Reference>,
}

impl WindowedOutputs {
    /// Returns the subjects of an output.
    #[must_use]
    pub(super) fn members_of(&self, output: &WindowedOutput) -> &[Member] {
        self.members.get(output.members.clone()).unwrap_or_default()
    }

    fn sort(&mut self) {
        let list = &self.list;
        self.references.sort_unstable_by_key(|reference| {
            let output = &list[reference.output];
            (reference.id, output.appended_at_ms, output.position)
        });
    }
}

/// The event that ended one symbol of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum SymbolEndKind {
    Vector,
    Failure,
}

/// The vector or failure of one symbol of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct SymbolEnd {
    pub(super) request: Id,
    pub(super) symbol: Symbol,
    pub(super) kind: SymbolEndKind,
    /// The offset of the record.
    pub(super) offset: i64,
    /// Append time, milliseconds.
    pub(super) appended_at_ms: i64,
}

/// The cause of a planned backfill: a qualification, promotion or gap; or the same fields of the range request that names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct BackfillCause {
    /// The number of its trigger.
    pub(super) trigger: u8,
    pub(super) symbol: Symbol,
    /// The id by which requests name it: its correlation id, or its event id if it has none.
    pub(super) id: Id,
    /// The layer that a symbol entered; `None` for a gap.
    pub(super) layer: Option<i32>,
    /// The first instant of a gap, microseconds.
    pub(super) start: Option<i64>,
    /// The last requested instant, microseconds.
    pub(super) end: i64,
    pub(super) position: RecordPosition,
}

/// Returns the number of a trigger.
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

/// A range request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct RequestedRange {
    pub(super) backfill: Id,
    pub(super) attempt: i32,
    /// Append time, milliseconds.
    pub(super) appended_at_ms: i64,
    pub(super) position: RecordPosition,
}

/// The completion or failure of an attempt at a backfill.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct BackfillEnd {
    pub(super) backfill: Id,
    pub(super) attempt: i32,
    /// Append time, milliseconds.
    pub(super) appended_at_ms: i64,
    pub(super) position: RecordPosition,
}

/// A progress event: a chunk of a backfill was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ChunkProgress {
    pub(super) backfill: Id,
    pub(super) attempt: i32,
    pub(super) series: (u8, Option<Timeframe>),
    /// The number of all chunks.
    pub(super) total: i32,
    pub(super) position: RecordPosition,
    /// The first instant of the chunk, microseconds.
    pub(super) chunk_start: i64,
    /// The number of completed chunks, this one included.
    pub(super) done: i32,
    /// The id of the event, a UUID v7: ids ascend in the order of their creation.
    pub(super) id: Id,
}

/// Returns the number of a kind of data.
#[must_use]
pub(super) fn kind_number(kind: DataKind) -> u8 {
    kind.known().map_or(u8::MAX, |data_type| data_type as u8)
}

/// The inputs that were dead-lettered, and how often.
pub(super) type DeadLetterCounts = BTreeMap<RecordPosition, u32>;

/// All records of the audit.
#[derive(Debug, Clone, Default)]
pub struct AuditRecords {
    pub(super) proposals: Vec<WindowedInput>,
    /// Qualifications and promotions.
    pub(super) announcements: WindowedOutputs,
    pub(super) alerts: Vec<WindowedInput>,
    /// Feature requests.
    pub(super) requests: WindowedOutputs,
    /// Vectors and failures.
    pub(super) symbol_ends: Vec<SymbolEnd>,
    /// Qualifications, promotions and gaps that require a range request.
    pub(super) causes: Vec<BackfillCause>,
    /// The number of gaps that are too short for a range request.
    pub(super) short_gaps: u64,
    /// The causes that range requests name, manual requests excluded.
    pub(super) planned: Vec<BackfillCause>,
    /// Range requests.
    pub(super) ranges: Vec<RequestedRange>,
    pub(super) backfill_ends: Vec<BackfillEnd>,
    pub(super) progress: Vec<ChunkProgress>,
    pub(super) dead_letters: DeadLetterCounts,
    /// Inputs without a valid event.
    pub(super) invalid_inputs: Vec<RecordPosition>,
    /// Topics whose first records were deleted. Later records may refer to them.
    pub(super) truncated: BTreeSet<Topic>,
}

impl AuditRecords {
    /// Sorts everything into the order of counting, independent of the order of reading.
    pub(super) fn sort(&mut self) {
        self.proposals.sort_unstable_by_key(|input| input.position);
        self.alerts.sort_unstable_by_key(|input| input.position);
        self.announcements.sort();
        self.requests.sort();
        self.symbol_ends.sort_unstable();
        self.causes.sort_unstable();
        self.planned.sort_unstable();
        self.ranges.sort_unstable();
        self.backfill_ends.sort_unstable();
        self.progress.sort_unstable();
    }
}

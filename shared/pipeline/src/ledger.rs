//! The account of one input within one assignment: what was delivered, what is resolved, how far its offset may move.
//!
//! ```text
//!            prefix                                     expected
//!              │                                           │
//!   resolved   │ held │ completed, waits │ emitting │ held  │ not delivered yet
//! ─────────────┴──────┴─────────────────┴──────────┴───────┴──────────────────▶ offsets
//! ```
//! Entries stand in delivery order. Each carries the offset at which the next one could begin, so holes (control records,
//! compaction) and dropped records behind it cost no entry. What of it is told beside a position: [`beyond`](crate::commit_metadata).

use std::collections::VecDeque;
use std::ops::Range;

use crate::backpressure::Gate;
use crate::counts::Counts;
use crate::event::Start;
use crate::fair_resume::Place;
use crate::ids::{Epoch, Reason};
use crate::retry::Deferral;

/// What a delivered, not yet forgotten record is waiting for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// The stage keeps it.
    Held,
    /// The stage has given it back while its input drains: it never ends here.
    GivenBack,
    /// The emission with this sequence number ends it once acknowledged.
    Emitting(u64),
    /// CompletedRanges; an earlier one is not.
    Resolved,
}

/// What follows an entry, up to its end, without an entry of its own. Holes are nothing: they never come again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Behind {
    Nothing,
    /// Dropped records alone.
    Dropped,
    /// Records that an earlier owner completed.
    CompletedRanges,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Entry {
    pub(crate) offset: i64,
    /// The position once this entry and all before it are resolved: behind it, and behind whatever followed that needs no entry.
    pub(crate) end: i64,
    pub(crate) state: State,
    pub(crate) behind: Behind,
}

/// How a record ends.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Outcome {
    Emitted,
    Dropped(Reason),
    Rejected,
}

/// Where an assignment stands between its coming and its going.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Records are judged.
    Owned,
    /// No more records are judged; what is held is settled.
    Draining,
    /// The drain budget is spent: what isn't resolved or in flight never will be.
    Abandoned,
}

/// The account of one input within one assignment.
#[derive(Debug)]
pub(crate) struct Ledger {
    pub(crate) epoch: Epoch,
    pub(crate) phase: Phase,
    /// Too many rejects in a row: nothing more is judged within this assignment.
    pub(crate) poisoned: bool,
    /// What the shell was told last.
    pub(crate) paused: bool,
    /// Its place among those of its topic that may flow again.
    pub(crate) place: Place,
    /// Shut while there are too many entries.
    pub(crate) crowded: Gate,
    /// Shut while what is completed beyond the prefix, or may come to be, could outgrow a commit's metadata.
    pub(crate) scattered: Gate,
    /// A record couldn't be judged: nothing more is, until it comes again.
    pub(crate) deferral: Option<Deferral>,
    /// Emissions of this input that wait or are in flight.
    pub(crate) emissions: usize,
    /// The position known to be committed. Kept apart from the prefix: a transaction commits an unmoved prefix as well (fencing).
    pub(crate) committed: i64,
    /// An emission was acknowledged beyond the prefix, and no commit has said so yet.
    unsaid: bool,
    pub(crate) counts: Counts,
    rejects_in_a_row: u32,
    pub(crate) prefix: i64,
    pub(crate) entries: VecDeque<Entry>,
    /// Entries in state `Resolved`.
    pub(crate) waiting: usize,
    /// Entries in state `Held` or `GivenBack`.
    pub(crate) kept: usize,
    /// Entries in state `GivenBack`.
    released: u64,
    /// What an earlier owner had completed and isn't delivered yet.
    pub(crate) inherited: VecDeque<Range<i64>>,
    /// The end of all that an earlier owner had completed.
    pub(crate) inherited_end: i64,
    /// Bytes of what had to be said beside the position that left last.
    pub(crate) finished_bytes: usize,
}

impl Ledger {
    pub(crate) fn new(epoch: Epoch, start: &Start) -> Self {
        let inherited: VecDeque<Range<i64>> = start.completed.ranges().collect();
        Self {
            epoch,
            phase: Phase::Owned,
            poisoned: false,
            paused: false,
            place: Place::default(),
            crowded: Gate::default(),
            scattered: Gate::default(),
            deferral: None,
            emissions: 0,
            committed: start.position,
            unsaid: false,
            counts: Counts::default(),
            rejects_in_a_row: 0,
            prefix: start.position,
            entries: VecDeque::new(),
            waiting: 0,
            kept: 0,
            released: 0,
            inherited_end: inherited.back().map_or(start.position, |last| last.end),
            inherited,
            finished_bytes: 0,
        }
    }

    /// Whether records are judged.
    pub(crate) fn accepts(&self) -> bool {
        let deferred = self.deferral.as_ref().is_some_and(Deferral::waits);
        self.phase == Phase::Owned && !self.poisoned && !deferred
    }

    /// The end of the contiguous resolved prefix.
    pub(crate) fn prefix(&self) -> i64 {
        self.prefix
    }

    /// The lowest offset that delivery may bring next.
    pub(crate) fn expected(&self) -> i64 {
        self.entries.back().map_or(self.prefix, |last| last.end)
    }

    /// Whether a commit would say something that matters: the prefix is ahead, or an acknowledged emission lies beyond it.
    pub(crate) fn moved(&self) -> bool {
        self.prefix > self.committed || self.unsaid
    }

    /// A commit has said all that was completed when it was asked for.
    pub(crate) fn said(&mut self, position: i64) {
        self.committed = position;
        self.unsaid = false;
    }

    /// Unresolved records that aren't given back.
    pub(crate) fn awaited(&self) -> u64 {
        self.counts.held - self.released
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether an earlier owner completed this record, which is delivered now.
    pub(crate) fn is_inherited(&mut self, offset: i64) -> bool {
        while self.inherited.front().is_some_and(|range| range.end <= offset) {
            self.inherited.pop_front();
        }
        self.inherited.front().is_some_and(|range| range.start <= offset)
    }

    /// A new record that an earlier owner completed: it costs no entry.
    pub(crate) fn pass_over(&mut self, offset: i64) {
        self.counts.skipped_completed += 1;
        self.follow(offset, Behind::CompletedRanges);
    }

    /// A new record that the stage keeps.
    pub(crate) fn hold(&mut self, offset: i64) {
        self.kept += 1;
        self.open(offset, State::Held);
    }

    /// A new record that an emission of its own ends.
    pub(crate) fn emit(&mut self, offset: i64, sequence: u64) {
        self.rejects_in_a_row = 0;
        self.emissions += 1;
        self.open(offset, State::Emitting(sequence));
    }

    /// A new record that its dead letter ends.
    pub(crate) fn reject(&mut self, offset: i64, sequence: u64, in_a_row_max: u32) {
        self.emissions += 1;
        self.open(offset, State::Emitting(sequence));
        self.count_reject(in_a_row_max);
    }

    fn open(&mut self, offset: i64, state: State) {
        self.counts.received += 1;
        self.counts.held += 1;
        self.entries.push_back(Entry { offset, end: offset + 1, state, behind: Behind::Nothing });
    }

    /// A new record that needs nothing: it costs no entry.
    pub(crate) fn drop_new(&mut self, offset: i64, reason: Reason) {
        self.rejects_in_a_row = 0;
        self.counts.received += 1;
        self.counts.dropped.add(reason, 1);
        self.follow(offset, Behind::Dropped);
    }

    fn follow(&mut self, offset: i64, what: Behind) {
        if let Some(last) = self.entries.back_mut() {
            last.behind = last.behind.max(what);
        }
        self.skip_to(offset + 1);
    }

    /// Everything up to `position` that has no entry needs none.
    pub(crate) fn skip_to(&mut self, position: i64) {
        let end = self.entries.back_mut().map_or(&mut self.prefix, |last| &mut last.end);
        *end = position.max(*end);
    }

    /// A held record gets its emission, which may be that of others as well; false if it isn't held.
    pub(crate) fn emit_held(&mut self, offset: i64, sequence: u64) -> bool {
        self.rejects_in_a_row = 0;
        self.begin(offset, sequence)
    }

    /// A held record gets its dead letter; false if it isn't held.
    pub(crate) fn reject_held(&mut self, offset: i64, sequence: u64, in_a_row_max: u32) -> bool {
        let begun = self.begin(offset, sequence);
        if begun {
            self.emissions += 1;
            self.count_reject(in_a_row_max);
        }
        begun
    }

    /// A held record is dropped; false if it isn't held.
    pub(crate) fn drop_held(&mut self, offset: i64, reason: Reason) -> bool {
        self.rejects_in_a_row = 0;
        let held = self.is_held(offset);
        self.kept -= usize::from(held);
        held && self.resolve(offset, Outcome::Dropped(reason))
    }

    /// A held record is waited for no longer; false if it isn't held.
    pub(crate) fn give_back(&mut self, offset: i64) -> bool {
        match self.find(offset) {
            Some(entry) if entry.state == State::Held => entry.state = State::GivenBack,
            _ => return false,
        }
        self.released += 1;
        self.counts.released += 1;
        true
    }

    fn begin(&mut self, offset: i64, sequence: u64) -> bool {
        match self.find(offset) {
            Some(entry) if entry.state == State::Held => entry.state = State::Emitting(sequence),
            _ => return false,
        }
        self.kept -= 1;
        true
    }

    fn count_reject(&mut self, in_a_row_max: u32) {
        self.rejects_in_a_row = self.rejects_in_a_row.saturating_add(1);
        self.poisoned |= self.rejects_in_a_row >= in_a_row_max;
    }

    /// Whether the stage keeps this record.
    pub(crate) fn is_held(&self, offset: i64) -> bool {
        self.index(offset).is_some_and(|at| self.entries[at].state == State::Held)
    }

    /// A record ends; false if it is unknown or has ended before.
    pub(crate) fn resolve(&mut self, offset: i64, outcome: Outcome) -> bool {
        match self.find(offset) {
            Some(entry) if entry.state != State::Resolved => entry.state = State::Resolved,
            _ => return false,
        }
        self.waiting += 1;
        self.counts.held -= 1;
        match outcome {
            Outcome::Emitted => self.counts.emitted += 1,
            Outcome::Dropped(reason) => self.counts.dropped.add(reason, 1),
            Outcome::Rejected => self.counts.rejected += 1,
        }
        while let Some(first) = self.entries.front().filter(|first| first.state == State::Resolved) {
            self.prefix = first.end;
            self.waiting -= 1;
            self.entries.pop_front();
        }
        // Dropped ones may be forgotten: they are judged again, and nothing of them shows twice.
        self.unsaid |= self.prefix <= offset && !matches!(outcome, Outcome::Dropped(_));
        true
    }

    /// P1, by counters alone.
    pub(crate) fn conserves(&self) -> bool {
        let unresolved = self.entries.len() - self.waiting;
        self.counts.conserve() && u64::try_from(unresolved) == Ok(self.counts.held)
    }

    /// P2: the prefix ends at or before the first unresolved record.
    pub(crate) fn prefix_holds(&self) -> bool {
        self.entries.front().is_none_or(|first| first.state != State::Resolved && self.prefix <= first.offset)
    }

    fn find(&mut self, offset: i64) -> Option<&mut Entry> {
        let at = self.index(offset)?;
        self.entries.get_mut(at)
    }

    fn index(&self, offset: i64) -> Option<usize> {
        // Most records end in the order in which they came.
        if self.entries.front()?.offset == offset {
            return Some(0);
        }
        self.entries.binary_search_by_key(&offset, |entry| entry.offset).ok()
    }
}

//! Ledger of one partition within one assignment: what was delivered, what is resolved, and how far its offset may move.
//!
//! ```text
//!            prefix                                      expected
//!              │                                            │
//!   resolved   │ held │ completed, waits │ emitting │ held  │ not delivered yet
//! ─────────────┴──────┴──────────────────┴──────────┴───────┴──────────────────▶ offsets
//! ```
//! Entries are in delivery order. Each entry ends where the next one could begin, so holes (control records, compaction) and
//! dropped records after it need no entry. [`commit_metadata`](crate::commit_metadata) derives what is committed from it.

use std::collections::VecDeque;
use std::ops::Range;

use kit::{Hysteresis, SaturatingFrom};

use crate::counts::Counts;
use crate::event::Start;
use crate::fair_resume::ResumeRank;
use crate::ids::{Epoch, Reason};
use crate::options::ENTRY_BYTES;
use crate::outbox::Emission;
use crate::retry::Deferral;

/// State of a delivered record that the ledger still lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// The stage holds it.
    Held,
    /// The stage has released it during a drain: it is not resolved under this assignment.
    Released,
    /// The emission with this sequence number resolves it once acknowledged.
    Emitting(u64),
    /// Resolved, but an earlier record is not.
    Resolved,
}

/// What follows an entry, up to its end, without an entry of its own. A hole counts as `Nothing`, because it is never delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Gap {
    Nothing,
    /// Only dropped records.
    Dropped,
    /// Records that an earlier owner completed.
    Completed,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Entry {
    pub(crate) offset: i64,
    /// The position once this entry and all before it are resolved: after the record and everything without an entry that follows
    /// it.
    pub(crate) end: i64,
    pub(crate) state: State,
    pub(crate) gap: Gap,
}

const _: () = assert!(size_of::<Entry>() == ENTRY_BYTES, "the memory of a ledger is computed from it");

/// The result of a resolved record.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Outcome {
    Emitted,
    Dropped(Reason),
    Rejected,
}

/// Phase of an assignment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Records are processed.
    Owned,
    /// No more records are processed; held records are resolved.
    Draining,
    /// The drain timed out: what is neither resolved nor in flight will not be resolved.
    Abandoned,
}

/// The ledger of one partition within one assignment.
#[derive(Debug)]
pub(crate) struct Ledger {
    pub(crate) epoch: Epoch,
    pub(crate) phase: Phase,
    /// Too many consecutive dead letters: no record is processed within this assignment any more.
    pub(crate) stopped: bool,
    /// The state that was last requested from the shell.
    pub(crate) paused: bool,
    /// Its rank for a fair resume.
    pub(crate) rank: ResumeRank,
    /// Set while it has too many entries.
    pub(crate) entries_full: Hysteresis,
    /// Set while its completed ranges, present or possible, could outgrow the commit metadata.
    pub(crate) metadata_full: Hysteresis,
    /// A record was deferred: none is processed until it is redelivered.
    pub(crate) deferral: Option<Deferral>,
    /// Emissions of this partition that are queued or in flight.
    pub(crate) emissions: usize,
    /// The committed position. Kept separately from the prefix, because a transaction also commits an unmoved prefix (fencing).
    pub(crate) committed: i64,
    /// An emission was acknowledged beyond the prefix and is not committed yet.
    uncommitted_beyond: bool,
    pub(crate) counts: Counts,
    consecutive_rejects: u32,
    pub(crate) prefix: i64,
    pub(crate) entries: VecDeque<Entry>,
    /// Entries in state `Resolved`.
    pub(crate) waiting: usize,
    /// Entries in state `Held` or `Released`.
    pub(crate) kept: usize,
    /// Entries in state `Released`.
    released: u64,
    /// Ranges that an earlier owner completed and that are not delivered yet.
    pub(crate) inherited: VecDeque<Range<i64>>,
    /// The end of all ranges that an earlier owner completed.
    pub(crate) inherited_end: i64,
    /// Size of the completed ranges that the last commit had to store, in bytes.
    pub(crate) completed_bytes: usize,
}

impl Ledger {
    pub(crate) fn new(epoch: Epoch, start: &Start) -> Self {
        let inherited: VecDeque<Range<i64>> = start.completed.ranges().collect();
        Self {
            epoch,
            phase: Phase::Owned,
            stopped: false,
            paused: false,
            rank: ResumeRank::default(),
            entries_full: Hysteresis::new(),
            metadata_full: Hysteresis::new(),
            deferral: None,
            emissions: 0,
            committed: start.position,
            uncommitted_beyond: false,
            counts: Counts::default(),
            consecutive_rejects: 0,
            prefix: start.position,
            entries: VecDeque::new(),
            waiting: 0,
            kept: 0,
            released: 0,
            inherited_end: inherited.back().map_or(start.position, |last| last.end),
            inherited,
            completed_bytes: 0,
        }
    }

    /// Returns the originated outputs that are queued or in flight.
    pub(crate) fn open_originated(&self) -> usize {
        usize::saturating_from(self.counts.originated.in_flight)
    }

    /// Counts an emission that is discarded because the drain timed out.
    pub(crate) fn discard(&mut self, emission: &Emission<impl Sized>) {
        self.emissions -= 1;
        if emission.is_originated() {
            self.counts.originated.discard(u64::saturating_from(emission.outputs.len()));
        }
    }

    /// Returns whether records are processed.
    pub(crate) fn accepts(&self) -> bool {
        let deferred = self.deferral.as_ref().is_some_and(Deferral::is_waiting);
        self.phase == Phase::Owned && !self.stopped && !deferred
    }

    /// Returns the end of the contiguous resolved prefix.
    pub(crate) fn prefix(&self) -> i64 {
        self.prefix
    }

    /// Returns the lowest offset that can be delivered next.
    pub(crate) fn expected(&self) -> i64 {
        self.entries.back().map_or(self.prefix, |last| last.end)
    }

    /// Returns whether a commit would store anything new: the prefix is ahead, or an emission was acknowledged beyond it.
    pub(crate) fn moved(&self) -> bool {
        self.prefix > self.committed || self.uncommitted_beyond
    }

    /// Records that a commit stored everything that was completed when it was requested.
    pub(crate) fn mark_committed(&mut self, position: i64) {
        self.committed = position;
        self.uncommitted_beyond = false;
    }

    /// Returns the unresolved records without released ones.
    pub(crate) fn unresolved(&self) -> u64 {
        self.counts.held - self.released
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Returns whether an earlier owner completed this record, which is delivered now.
    pub(crate) fn is_inherited(&mut self, offset: i64) -> bool {
        while self.inherited.front().is_some_and(|range| range.end <= offset) {
            self.inherited.pop_front();
        }
        self.inherited.front().is_some_and(|range| range.start <= offset)
    }

    /// Skips a record that an earlier owner completed. It needs no entry.
    pub(crate) fn skip_completed(&mut self, offset: i64) {
        self.counts.skipped_completed += 1;
        self.follow(offset, Gap::Completed);
    }

    /// Adds a record that the stage holds.
    pub(crate) fn hold(&mut self, offset: i64) {
        self.kept += 1;
        self.open(offset, State::Held);
    }

    /// Adds a record that its own emission resolves.
    pub(crate) fn emit(&mut self, offset: i64, sequence: u64) {
        self.consecutive_rejects = 0;
        self.emissions += 1;
        self.open(offset, State::Emitting(sequence));
    }

    /// Adds a record that its dead letter resolves.
    pub(crate) fn reject(&mut self, offset: i64, sequence: u64, consecutive_max: u32) {
        self.emissions += 1;
        self.open(offset, State::Emitting(sequence));
        self.count_reject(consecutive_max);
    }

    fn open(&mut self, offset: i64, state: State) {
        self.counts.received += 1;
        self.counts.held += 1;
        self.entries.push_back(Entry { offset, end: offset + 1, state, gap: Gap::Nothing });
    }

    /// Adds a dropped record. It needs no entry.
    pub(crate) fn drop_new(&mut self, offset: i64, reason: Reason) {
        self.consecutive_rejects = 0;
        self.counts.received += 1;
        self.counts.dropped.add(reason, 1);
        self.follow(offset, Gap::Dropped);
    }

    fn follow(&mut self, offset: i64, what: Gap) {
        if let Some(last) = self.entries.back_mut() {
            last.gap = last.gap.max(what);
        }
        self.skip_to(offset + 1);
    }

    /// Marks everything up to `position` that has no entry as resolved.
    pub(crate) fn skip_to(&mut self, position: i64) {
        let end = self.entries.back_mut().map_or(&mut self.prefix, |last| &mut last.end);
        *end = position.max(*end);
    }

    /// Assigns a held record to an emission, which may resolve others too. Returns `false` if it is not held.
    pub(crate) fn emit_held(&mut self, offset: i64, sequence: u64) -> bool {
        self.consecutive_rejects = 0;
        self.start_emitting(offset, sequence)
    }

    /// Assigns a held record to its dead letter. Returns `false` if it is not held.
    pub(crate) fn reject_held(&mut self, offset: i64, sequence: u64, consecutive_max: u32) -> bool {
        let begun = self.start_emitting(offset, sequence);
        if begun {
            self.emissions += 1;
            self.count_reject(consecutive_max);
        }
        begun
    }

    /// Drops a held record. Returns `false` if it is not held.
    pub(crate) fn drop_held(&mut self, offset: i64, reason: Reason) -> bool {
        self.consecutive_rejects = 0;
        let held = self.is_held(offset);
        self.kept -= usize::from(held);
        held && self.resolve(offset, Outcome::Dropped(reason))
    }

    /// Releases a held record. Returns `false` if it is not held.
    pub(crate) fn release(&mut self, offset: i64) -> bool {
        match self.find(offset) {
            Some(entry) if entry.state == State::Held => entry.state = State::Released,
            _ => return false,
        }
        self.released += 1;
        self.counts.released += 1;
        true
    }

    fn start_emitting(&mut self, offset: i64, sequence: u64) -> bool {
        match self.find(offset) {
            Some(entry) if entry.state == State::Held => entry.state = State::Emitting(sequence),
            _ => return false,
        }
        self.kept -= 1;
        true
    }

    fn count_reject(&mut self, consecutive_max: u32) {
        self.consecutive_rejects = self.consecutive_rejects.saturating_add(1);
        self.stopped |= self.consecutive_rejects >= consecutive_max;
    }

    /// Returns whether the stage holds this record.
    pub(crate) fn is_held(&self, offset: i64) -> bool {
        self.index(offset).is_some_and(|at| self.entries[at].state == State::Held)
    }

    /// Resolves a record. Returns `false` if it is unknown or was resolved before.
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
        // Dropped records need no commit: processed again, they are dropped again.
        self.uncommitted_beyond |= self.prefix <= offset && !matches!(outcome, Outcome::Dropped(_));
        true
    }

    /// Checks P1 by counters.
    pub(crate) fn conserves(&self) -> bool {
        let unresolved = self.entries.len() - self.waiting;
        self.counts.conserve() && u64::try_from(unresolved) == Ok(self.counts.held)
    }

    /// Checks P2: the prefix ends at or before the first unresolved record.
    pub(crate) fn prefix_holds(&self) -> bool {
        self.entries.front().is_none_or(|first| first.state != State::Resolved && self.prefix <= first.offset)
    }

    fn find(&mut self, offset: i64) -> Option<&mut Entry> {
        let at = self.index(offset)?;
        self.entries.get_mut(at)
    }

    fn index(&self, offset: i64) -> Option<usize> {
        // Most records are resolved in delivery order.
        if self.entries.front()?.offset == offset {
            return Some(0);
        }
        self.entries.binary_search_by_key(&offset, |entry| entry.offset).ok()
    }
}

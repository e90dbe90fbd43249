//! What a position says: how far the prefix goes, and what is completed beyond it.
//!
//! ```text
//!  position                                                  expected
//!     │ held │ f f · f │ emitting │ d d │ held │ d │ held │ f · │ inherited ▒▒▒
//!            └─ said ──┘                       └a──┘      └ said ───────────┘
//! ```
//! Between two unfinished records lies one range at most (f completed, d dropped, · a hole), so there are never more ranges than
//! unfinished records. A range of dropped records alone is said behind a held one, if there is room (a): forgotten, they would be
//! judged again, which repeats nothing. Behind one that is emitting it isn't said at all: that one leaves next, and a stage that
//! ends its records in order pays nothing.

use std::ops::Range;

use crate::completed_ranges::{COMPLETED_RANGES_MAX_BYTES, CompletedRanges};
use crate::event::Position;
use crate::ids::InputPartition;
use crate::ledger::{Behind, Entry, Ledger, Phase, State};

/// A position as it leaves.
#[derive(Debug)]
pub(crate) struct Leaving {
    pub(crate) offset: i64,
    pub(crate) completed: CompletedRanges,
    /// Emitting records that it takes for acknowledged.
    pub(crate) assumed: usize,
}

impl Leaving {
    pub(crate) fn of(self, input: InputPartition) -> Position {
        Position { input, offset: self.offset, completed: self.completed }
    }
}

impl Ledger {
    /// The position once every emission before `sequence` is acknowledged, of which `emitting` records of this input are in the
    /// batch that leaves with it.
    ///
    /// Emissions leave in the order of their numbers, so a batch is all that isn't acknowledged before a number. Once the ledger is
    /// abandoned this is no longer so (its waiting emissions are discarded): then only what is resolved counts.
    pub(crate) fn leave(&mut self, sequence: u64, emitting: usize, room: usize) -> Leaving {
        let sequence = if self.phase == Phase::Abandoned { 0 } else { sequence };
        let (mut offset, mut done, mut assumed) = (self.prefix, 0, 0);
        for entry in self.entries.iter().take_while(|entry| entry.is_done(sequence)) {
            offset = entry.end;
            done += 1;
            assumed += usize::from(entry.state != State::Resolved);
        }
        self.finished_bytes = 0;
        let in_order = done == self.waiting + emitting && self.kept == 0;
        if in_order && self.inherited_end <= offset {
            return Leaving { offset, completed: CompletedRanges::none(), assumed };
        }
        let (mut all, mut needed) = (CompletedRanges::none(), CompletedRanges::none());
        let mut say = |range: Range<i64>, what: Behind| {
            if what == Behind::CompletedRanges {
                needed.push(range.clone());
            }
            if what != Behind::Nothing {
                all.push(range);
            }
        };
        let (mut from, mut what) = (offset, Behind::Nothing);
        for entry in self.entries.range(done..) {
            if entry.is_done(sequence) {
                assumed += usize::from(entry.state != State::Resolved);
                what = Behind::CompletedRanges;
                continue;
            }
            say(from..entry.offset, what);
            from = entry.offset + 1;
            what = match entry.state {
                State::Emitting(_) if entry.behind == Behind::Dropped => Behind::Nothing,
                _ => entry.behind,
            };
        }
        let expected = self.expected().max(offset);
        say(from..expected, what);
        for range in self.inherited.iter().filter(|range| range.end > expected) {
            say(range.start.max(expected)..range.end, Behind::CompletedRanges);
        }
        self.finished_bytes = needed.len_bytes(offset);
        self.counts.finished_unsaid += u64::from(self.finished_bytes > COMPLETED_RANGES_MAX_BYTES);
        let completed = if all.len_bytes(offset) <= room { all } else { needed };
        Leaving { offset, completed, assumed }
    }

    /// P2 beyond the prefix: nothing that isn't completed is said to be.
    pub(crate) fn is_completed(&self, completed: &CompletedRanges, sequence: u64) -> bool {
        let sequence = if self.phase == Phase::Abandoned { 0 } else { sequence };
        let mut open = self.entries.iter().filter(|entry| !entry.is_done(sequence));
        open.all(|entry| !completed.contains(entry.offset))
    }

    /// Bytes that what is completed beyond the prefix takes, or may come to take: two records that are kept can end up with one
    /// range of two bytes between them. Nothing while nothing is unfinished: what is left then lies before records not delivered yet,
    /// and goes away as they are.
    pub(crate) fn scattered_bytes(&self) -> usize {
        if self.entries.is_empty() { 0 } else { self.finished_bytes + self.kept }
    }
}

impl Entry {
    fn is_done(&self, sequence: u64) -> bool {
        match self.state {
            State::Resolved => true,
            State::Emitting(own) => own < sequence,
            State::Held | State::GivenBack => false,
        }
    }
}

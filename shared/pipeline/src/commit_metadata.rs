//! Commit points: the end of the prefix and the completed ranges beyond it.
//!
//! ```text
//!  position                                                  expected
//!     │ held │ c c · c │ emitting │ d d │ held │ d │ held │ c · │ inherited ▒▒▒
//!            └─ kept ──┘                       └o──┘      └ kept ───────────┘
//! ```
//! At most one range lies between two unresolved records (c completed, d dropped, · a hole), so there are never more ranges than
//! unresolved records. A range of only dropped records after a held one is stored if there is room (o, optional): processed again,
//! it would repeat nothing. After an emitting record it is not stored, because that record is resolved next; so a stage that
//! resolves its records in order pays nothing.

use std::ops::Range;

use crate::completed_ranges::{COMPLETED_RANGES_MAX_BYTES, CompletedRanges};
use crate::event::Position;
use crate::ids::InputPartition;
use crate::ledger::{Entry, Gap, Ledger, Phase, State};

/// The position and completed ranges of a commit.
#[derive(Debug)]
pub(crate) struct CommitPoint {
    pub(crate) offset: i64,
    pub(crate) completed: CompletedRanges,
    /// Emitting records that it counts as acknowledged.
    pub(crate) assumed: usize,
}

impl CommitPoint {
    pub(crate) fn into_position(self, input: InputPartition) -> Position {
        Position { input, offset: self.offset, completed: self.completed }
    }
}

impl Ledger {
    /// Returns the commit point once every emission before `sequence` is acknowledged. `emitting` records of this partition are in
    /// the batch that is committed with it.
    ///
    /// Emissions leave in the order of their sequence numbers, so a batch is everything unacknowledged before a number. After the
    /// ledger is abandoned, its queued emissions are discarded; then only what is resolved counts.
    pub(crate) fn commit_point(&mut self, sequence: u64, emitting: usize, room: usize) -> CommitPoint {
        let sequence = if self.phase == Phase::Abandoned { 0 } else { sequence };
        let (mut offset, mut done, mut assumed) = (self.prefix, 0, 0);
        for entry in self.entries.iter().take_while(|entry| entry.is_resolved_before(sequence)) {
            offset = entry.end;
            done += 1;
            assumed += usize::from(entry.state != State::Resolved);
        }
        self.completed_bytes = 0;
        let in_order = done == self.waiting + emitting && self.kept == 0;
        if in_order && self.inherited_end <= offset {
            return CommitPoint { offset, completed: CompletedRanges::none(), assumed };
        }
        let (mut all, mut needed) = (CompletedRanges::none(), CompletedRanges::none());
        let mut add = |range: Range<i64>, gap: Gap| {
            if gap == Gap::Completed {
                needed.push(range.clone());
            }
            if gap != Gap::Nothing {
                all.push(range);
            }
        };
        let (mut from, mut gap) = (offset, Gap::Nothing);
        for entry in self.entries.range(done..) {
            if entry.is_resolved_before(sequence) {
                assumed += usize::from(entry.state != State::Resolved);
                gap = Gap::Completed;
                continue;
            }
            add(from..entry.offset, gap);
            from = entry.offset + 1;
            gap = match entry.state {
                State::Emitting(_) if entry.gap == Gap::Dropped => Gap::Nothing,
                _ => entry.gap,
            };
        }
        let expected = self.expected().max(offset);
        add(from..expected, gap);
        for range in self.inherited.iter().filter(|range| range.end > expected) {
            add(range.start.max(expected)..range.end, Gap::Completed);
        }
        self.completed_bytes = needed.len_bytes(offset);
        self.counts.commit_metadata_overflows += u64::from(self.completed_bytes > COMPLETED_RANGES_MAX_BYTES);
        let completed = if all.len_bytes(offset) <= room { all } else { needed };
        CommitPoint { offset, completed, assumed }
    }

    /// Checks P2 beyond the prefix: no unresolved record is listed as completed.
    pub(crate) fn is_completed(&self, completed: &CompletedRanges, sequence: u64) -> bool {
        let sequence = if self.phase == Phase::Abandoned { 0 } else { sequence };
        let mut open = self.entries.iter().filter(|entry| !entry.is_resolved_before(sequence));
        open.all(|entry| !completed.contains(entry.offset))
    }

    /// Returns the bytes that the completed ranges take or may come to take: two held records can end up with one range of two
    /// bytes between them. Zero without an entry, because the remaining ranges then end before undelivered records and disappear
    /// with their delivery.
    pub(crate) fn metadata_bytes_max(&self) -> usize {
        if self.entries.is_empty() { 0 } else { self.completed_bytes + self.kept }
    }
}

impl Entry {
    fn is_resolved_before(&self, sequence: u64) -> bool {
        match self.state {
            State::Resolved => true,
            State::Emitting(own) => own < sequence,
            State::Held | State::Released => false,
        }
    }
}

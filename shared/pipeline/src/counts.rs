//! What became of the input records, counted. The unit is the input record, never the output.

use crate::ids::Reason;

/// Dropped records by reason. A stage's list of reasons is short and closed, so a scan beats a map.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dropped {
    by_reason: Vec<(Reason, u64)>,
}

impl Dropped {
    /// All dropped records.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.by_reason.iter().map(|(_, count)| count).sum()
    }

    /// Each reason that occurred, in the order of first occurrence.
    pub fn iter(&self) -> impl Iterator<Item = (Reason, u64)> + '_ {
        self.by_reason.iter().copied()
    }

    pub(crate) fn add(&mut self, reason: Reason, count: u64) {
        match self.by_reason.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, total)) => *total += count,
            None => self.by_reason.push((reason, count)),
        }
    }
}

/// What became of the records of one assignment, or of all since the engine was made.
///
/// Law P1: `received == emitted + dropped + rejected + held + returned`, at every instant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// Records given to the rules.
    pub received: u64,
    /// Records whose outputs are acknowledged.
    pub emitted: u64,
    /// Records that needed no output.
    pub dropped: Dropped,
    /// Records whose dead letter is acknowledged.
    pub rejected: u64,
    /// Records not resolved yet: held by the stage, or with outputs not acknowledged.
    pub held: u64,
    /// Records unresolved when their partition went: they are delivered again, to whoever owns it next. Zero while it is owned.
    pub returned: u64,
    /// Those of the held, later of the returned ones, that the stage gave back by intent.
    pub released: u64,
    /// Records that an earlier owner had completed beyond its prefix: passed over, never given to the rules. No part of P1.
    pub skipped_completed: u64,
    /// Positions that left without all that was completed beyond them, for lack of room: a crash may repeat what wasn't said.
    pub finished_unsaid: u64,
    /// Records that the rules didn't take, because their input is leaving, poisoned, deferred or not ours, or because they came
    /// twice. No part of P1: their offsets are not committed, so they come again.
    pub ignored: u64,
    /// Effects that named an assignment which has ended: discarded (P4).
    pub stale_effects: u64,
}

impl Counts {
    /// Whether law P1 holds.
    #[must_use]
    pub fn conserve(&self) -> bool {
        self.received == self.emitted + self.dropped.total() + self.rejected + self.held + self.returned
    }

    /// The end of an assignment: what is unresolved goes back.
    pub(crate) fn end(&mut self) {
        self.returned += std::mem::take(&mut self.held);
    }

    pub(crate) fn add(&mut self, other: &Counts) {
        self.received += other.received;
        self.emitted += other.emitted;
        for (reason, count) in other.dropped.iter() {
            self.dropped.add(reason, count);
        }
        self.rejected += other.rejected;
        self.held += other.held;
        self.returned += other.returned;
        self.released += other.released;
        self.skipped_completed += other.skipped_completed;
        self.finished_unsaid += other.finished_unsaid;
        self.ignored += other.ignored;
        self.stale_effects += other.stale_effects;
    }
}

/// Use beside capacity, for gauges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Load {
    /// Unresolved records over all inputs.
    pub held: u64,
    /// [`Options::held_records_max`](crate::Options::held_records_max).
    pub held_max: u64,
    /// Outputs that wait or are in flight.
    pub outputs: usize,
    /// [`Options::outputs_max`](crate::Options::outputs_max).
    pub outputs_max: usize,
    /// Owned inputs.
    pub inputs: usize,
    /// Those of them that are paused.
    pub paused: usize,
}

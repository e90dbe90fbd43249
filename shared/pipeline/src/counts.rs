//! Counts of input records by outcome. The unit is the input record, never the output.

use crate::ids::Reason;

/// Dropped records by reason. A stage's list of reasons is short and closed, so a scan is faster than a map.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dropped {
    by_reason: Vec<(Reason, u64)>,
}

impl Dropped {
    /// Returns the total over all reasons.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.by_reason.iter().map(|(_, count)| count).sum()
    }

    /// Returns each reason that occurred, in the order of first occurrence.
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

/// Counts of originated outputs: those that no input record causes. The unit is the output.
///
/// Part of law P1: `total == acknowledged + discarded + in_flight`, at every instant.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Originated {
    /// Outputs that the stage originated for an assignment that had not ended.
    pub total: u64,
    /// Those that are acknowledged.
    pub acknowledged: u64,
    /// Those whose assignment ended before they were acknowledged. Outputs in flight at a loss count here whatever becomes of them.
    pub discarded: u64,
    /// Those that are queued or in flight. Zero while their partition is not assigned.
    pub in_flight: u64,
}

impl Originated {
    /// Returns whether their part of law P1 holds.
    #[must_use]
    pub fn conserve(&self) -> bool {
        self.total == self.acknowledged + self.discarded + self.in_flight
    }

    pub(crate) fn create(&mut self, outputs: u64) {
        self.total += outputs;
        self.in_flight += outputs;
    }

    pub(crate) fn acknowledge(&mut self, outputs: u64) {
        self.in_flight -= outputs;
        self.acknowledged += outputs;
    }

    pub(crate) fn discard(&mut self, outputs: u64) {
        self.in_flight -= outputs;
        self.discarded += outputs;
    }

    fn add(&mut self, other: &Self) {
        self.total += other.total;
        self.acknowledged += other.acknowledged;
        self.discarded += other.discarded;
        self.in_flight += other.in_flight;
    }
}

/// Counts of the records of one assignment, or of all since the engine was created.
///
/// Law P1: `received == emitted + dropped + rejected + held + redelivered`, at every instant, and that of [`Originated`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// Records passed to the rules.
    pub received: u64,
    /// Records whose outputs are acknowledged.
    pub emitted: u64,
    /// Records that needed no output.
    pub dropped: Dropped,
    /// Records whose dead letter is acknowledged.
    pub rejected: u64,
    /// Unresolved records: held by the stage, or with outputs that are not acknowledged.
    pub held: u64,
    /// Records that were unresolved when their partition was unassigned. They will be redelivered. Zero while it is assigned.
    pub redelivered: u64,
    /// Those of the held records, later of the redelivered ones, that the stage released.
    pub released: u64,
    /// Records that an earlier owner had completed beyond its prefix: skipped without the rules. Not part of P1.
    pub skipped_completed: u64,
    /// Commits whose completed ranges did not fit in the commit metadata: a crash may repeat records of them.
    pub commit_metadata_overflows: u64,
    /// Records that were not processed because their partition is draining, stopped, deferred or not assigned, or because they were
    /// delivered twice. Not part of P1: their offsets are not committed, so they are redelivered.
    pub ignored: u64,
    /// Effects that named an assignment which has ended: discarded (P4).
    pub stale_effects: u64,
    /// Outputs that no input record caused.
    pub originated: Originated,
}

impl Counts {
    /// Returns whether law P1 holds.
    #[must_use]
    pub fn conserve(&self) -> bool {
        let outcomes = self.emitted + self.dropped.total() + self.rejected + self.held + self.redelivered;
        self.received == outcomes && self.originated.conserve()
    }

    /// Ends an assignment: unresolved records count as redelivered, and open originated outputs as discarded.
    pub(crate) fn end(&mut self) {
        self.redelivered += std::mem::take(&mut self.held);
        self.originated.discard(self.originated.in_flight);
    }

    pub(crate) fn add(&mut self, other: &Counts) {
        self.received += other.received;
        self.emitted += other.emitted;
        for (reason, count) in other.dropped.iter() {
            self.dropped.add(reason, count);
        }
        self.rejected += other.rejected;
        self.held += other.held;
        self.redelivered += other.redelivered;
        self.released += other.released;
        self.skipped_completed += other.skipped_completed;
        self.commit_metadata_overflows += other.commit_metadata_overflows;
        self.ignored += other.ignored;
        self.stale_effects += other.stale_effects;
        self.originated.add(&other.originated);
    }
}

/// Usage next to capacity, for gauges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Load {
    /// Unresolved records over all partitions.
    pub held: u64,
    /// [`Options::held_records_max`](crate::Options::held_records_max).
    pub held_max: u64,
    /// Outputs that are queued or in flight.
    pub outputs: usize,
    /// [`Options::outputs_max`](crate::Options::outputs_max).
    pub outputs_max: usize,
    /// Memory of these outputs; 0 if it is not measured.
    pub outputs_bytes: usize,
    /// [`Options::outputs_bytes_max`](crate::Options::outputs_bytes_max).
    pub outputs_bytes_max: usize,
    /// Originated outputs that are queued or in flight, of the partition that has the most.
    pub originated: usize,
    /// [`Options::originated_outputs_max`](crate::Options::originated_outputs_max).
    pub originated_max: usize,
    /// Assigned partitions.
    pub inputs: usize,
    /// Paused ones of them.
    pub paused: usize,
}

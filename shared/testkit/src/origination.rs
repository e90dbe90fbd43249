//! Originated outputs of the simulated rules: numbered in each partition, one more at each interval.

use std::collections::BTreeMap;
use std::time::Duration;

use pipeline::{Effect, Effects, Epoch, InputPartition, Now};

use crate::output::{Kind, Output};

/// Interval of the outputs of a partition.
const INTERVAL_MS: u128 = 60;
/// Number of outputs of a partition.
pub(crate) const OUTPUTS_MAX: u64 = 12;

/// The way in which the simulated rules decide which outputs they originate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origination {
    /// They originate nothing.
    Nothing,
    /// From the restored state alone.
    Restored,
    /// Broken: from their memory alone.
    FromMemory,
    /// Broken: the outputs of an assignment are originated again in the next one, in case they were discarded.
    KeptOverRevocation,
}

/// The originated outputs of one partition.
#[derive(Debug, Clone, Copy)]
struct Originator {
    epoch: Epoch,
    /// Number of outputs before the assignment.
    first: u64,
    /// Number of outputs so far.
    count: u64,
}

/// The originated outputs of all partitions.
#[derive(Debug, Clone)]
pub(crate) struct Originators {
    pub(crate) how: Origination,
    restored: BTreeMap<InputPartition, u64>,
    kept: BTreeMap<InputPartition, u64>,
    of: BTreeMap<InputPartition, Originator>,
}

impl Originators {
    pub(crate) fn new(how: Origination) -> Self {
        Self { how, restored: BTreeMap::new(), kept: BTreeMap::new(), of: BTreeMap::new() }
    }

    /// Restores the number of outputs of a partition that is assigned next.
    pub(crate) fn restore(&mut self, input: InputPartition, count: u64) {
        self.restored.insert(input, count);
    }

    pub(crate) fn assigned(&mut self, input: InputPartition, epoch: Epoch) {
        if self.how == Origination::Nothing {
            return;
        }
        let restored = self.restored.remove(&input).unwrap_or(0);
        let count = match self.how {
            Origination::FromMemory => 0,
            Origination::KeptOverRevocation => self.kept.remove(&input).unwrap_or(restored),
            Origination::Restored | Origination::Nothing => restored,
        };
        self.of.insert(input, Originator { epoch, first: count, count });
    }

    pub(crate) fn unassigned(&mut self, input: InputPartition) {
        if let Some(originator) = self.of.remove(&input) {
            self.kept.insert(input, originator.first);
        }
    }

    /// Returns the state that an output of this partition contains.
    pub(crate) fn state(&self, input: InputPartition) -> Option<u64> {
        self.of.get(&input).map(|originator| originator.count)
    }

    pub(crate) fn tick(&mut self, now: Now, effects: &mut Effects<Output>) {
        let due = u64::try_from(now.monotonic.as_millis() / INTERVAL_MS).unwrap_or(u64::MAX).min(OUTPUTS_MAX);
        for (input, Originator { epoch, count, .. }) in &mut self.of {
            while *count < due && effects.room_to_originate(*input) > 0 {
                let part = u8::try_from(*count).unwrap_or(u8::MAX);
                *count += 1;
                let (of, key) = (Vec::new(), 0);
                let output =
                    Output { input: *input, of, key, kind: Kind::Originated, part, state: Some(*count) };
                effects.push(Effect::Originate { input: *input, epoch: *epoch, outputs: vec![output] });
            }
        }
    }

    pub(crate) fn next_wake(&self, now: Now) -> Option<Duration> {
        let is_open = self.of.values().any(|originator| originator.count < OUTPUTS_MAX);
        let left = INTERVAL_MS - now.monotonic.as_millis() % INTERVAL_MS;
        is_open.then(|| Duration::from_millis(u64::try_from(left).unwrap_or(0)))
    }
}

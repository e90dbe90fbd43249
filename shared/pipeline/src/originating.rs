//! Open originated outputs by partition, as the stage sees them.

use std::collections::BTreeMap;

use crate::ids::InputPartition;

/// Originated outputs that are neither acknowledged nor discarded, by partition. The stage sees them through
/// [`Effects::room_to_originate`](crate::Effects::room_to_originate).
#[derive(Debug)]
pub(crate) struct Originating {
    open: BTreeMap<InputPartition, usize>,
    /// [`Options::originated_outputs_max`](crate::Options::originated_outputs_max).
    pub(crate) max: usize,
}

impl Originating {
    pub(crate) fn new(max: usize) -> Self {
        Self { open: BTreeMap::new(), max }
    }

    /// Returns the open outputs of a partition.
    pub(crate) fn of(&self, input: InputPartition) -> usize {
        self.open.get(&input).copied().unwrap_or(0)
    }

    /// Returns the open outputs of the partition that has the most.
    pub(crate) fn outputs_max(&self) -> usize {
        self.open.values().copied().max().unwrap_or(0)
    }

    pub(crate) fn add(&mut self, input: InputPartition, outputs: usize) {
        *self.open.entry(input).or_default() += outputs;
    }

    pub(crate) fn remove(&mut self, input: InputPartition, outputs: usize) {
        self.set(input, self.of(input).saturating_sub(outputs));
    }

    /// Sets the open outputs of a partition, after some were acknowledged or discarded.
    pub(crate) fn set(&mut self, input: InputPartition, open: usize) {
        match open {
            0 => self.open.remove(&input),
            _ => self.open.insert(input, open),
        };
    }
}

//! Outputs of the simulated rules.

use pipeline::InputPartition;

/// The kind of an output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Resolves its records.
    Result,
    /// Part of the work on a held record.
    Chunk,
    /// The dead letter of its record.
    DeadLetter,
    /// Originated.
    Originated,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// The partition of its records.
    pub input: InputPartition,
    /// The ids of its records.
    pub of: Vec<u64>,
    pub key: u64,
    pub kind: Kind,
    /// Its number among the outputs of this kind of its record.
    pub part: u8,
    /// The state of its partition after it: the number of originated outputs. `None` if the output does not contain the state.
    pub state: Option<u64>,
}

/// Returns whether one of these is originated.
pub(crate) fn is_originated(outputs: &[Output]) -> bool {
    outputs.iter().any(|output| output.kind == Kind::Originated)
}

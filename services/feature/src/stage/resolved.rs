//! Requests between their computation and the emission of their outputs.

use kafka_io::OutRecord;
use pipeline::Effect;

/// A request with its outputs, which wait for those of earlier requests.
pub(super) struct Resolved {
    pub(super) effect: Effect<OutRecord>,
    /// The append time of the request's record.
    pub(super) appended_micros: Option<i64>,
}

impl Resolved {
    /// Returns the memory of its outputs.
    pub(super) fn memory_bytes(&self) -> usize {
        match &self.effect {
            Effect::Emit { outputs, .. }
            | Effect::Append { outputs, .. }
            | Effect::Originate { outputs, .. } => outputs.iter().map(OutRecord::memory_bytes).sum(),
            Effect::Reject { dead_letter, .. } => dead_letter.memory_bytes(),
            Effect::Drop { .. } | Effect::Release { .. } => 0,
        }
    }
}

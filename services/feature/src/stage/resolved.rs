//! Requests between their computation and the emission of their outputs.

use kafka_io::OutRecord;
use pipeline::Effect;

/// A request with its outputs, which wait for those of earlier requests.
pub(super) struct Resolved {
    pub(super) effect: Effect<OutRecord>,
    /// The append time of the request's record.
    pub(super) appended_micros: Option<i64>,
}

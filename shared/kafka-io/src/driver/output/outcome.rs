//! Outcomes of batches.

use crate::call_error::CallError;

/// Outcome of a batch.
#[derive(Debug)]
pub(in crate::driver) enum BatchOutcome {
    Committed,
    Aborted(CallError),
    /// Aborted with outputs in doubt: the producer is to be recreated.
    AbortedInDoubt(CallError),
    Delivered,
    Failed(String),
    /// The client cannot be used any more, and whether the batch was committed is unknown.
    Broken(CallError),
}

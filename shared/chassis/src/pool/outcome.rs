//! Outcome of a job.

use std::sync::Arc;
use std::time::Duration;

#[derive(Debug)]
pub enum Outcome<J, R> {
    /// The job returned a result, which may be an error of its own.
    Done { job: Arc<J>, result: R },
    /// The job panicked with this message.
    Panicked { job: Arc<J>, message: String },
    /// The job exceeded its deadline. A later result is discarded.
    Stuck {
        /// The stuck thread holds the job as well.
        job: Arc<J>,
        /// The time that the job had been running.
        after: Duration,
    },
}

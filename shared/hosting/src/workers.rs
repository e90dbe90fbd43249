//! Worker threads of a stage.

use std::sync::Arc;
use std::time::Duration;

use chassis::pool::{self, Outcome, Pool};
use chassis::{Context, EndPolicy, Failure};
use kafka_io::Completions;

/// A supervised pool of threads whose results reach the stage as completions of its driver. Dropping it closes the pool: the stage owns
/// it, so the pool ends with the stage.
pub struct PoolWorkers<J: Send + Sync + 'static, R: Send + 'static> {
    pool: Pool<J, R>,
}

/// The reason why a job has no result of its own. The job may succeed on a later try.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WorkerError {
    /// The worker panicked during the job.
    #[error("worker panicked: {message}")]
    Panicked {
        /// The message of the panic.
        message: String,
    },
    /// The job ran past the deadline of the pool. A result that arrives later is discarded.
    #[error("worker timed out after {} ms", after.as_millis())]
    TimedOut {
        /// The duration of the job so far.
        after: Duration,
    },
}

impl<J: Send + Sync + 'static, R: Send + 'static> PoolWorkers<J, R> {
    /// Starts the threads and their supervisor. `make` returns the work of one thread, and is called again for a thread that replaces
    /// another. `failed` returns the result of a job without one.
    ///
    /// # Errors
    /// [`Failure`] if the system provides no thread.
    pub fn start<W: FnMut(&J) -> R + 'static>(
        context: &Context,
        options: pool::Options,
        completions: Completions<R>,
        make: impl Fn() -> W + Send + Sync + 'static,
        failed: impl Fn(&J, WorkerError) -> R + Send + Sync + 'static,
    ) -> Result<Self, Failure> {
        let name = options.name;
        let report = move |outcome| {
            // A send fails only after the driver has ended, and then the result has no use.
            drop(completions.send(result_of(outcome, &failed)));
        };
        let pool = Pool::start(options, Arc::clone(&context.clock), &context.metrics, make, report)?;
        // The threads end when the stage drops them; the end of the stage is reported by its driver.
        context.tasks.thread(name, EndPolicy::MayEnd, pool.supervisor(&context.health));
        Ok(Self { pool })
    }

    /// Queues a job.
    ///
    /// # Errors
    /// The job, if the queue is full or the pool is closed.
    pub fn submit(&self, job: J) -> Result<(), J> {
        self.pool.try_submit(job)
    }

    /// Returns the pool, for a test that advances its clock.
    #[must_use]
    pub fn pool(&self) -> &Pool<J, R> {
        &self.pool
    }

    /// Reports the number of jobs that the stage holds until a worker has capacity: the pool grows for them, too.
    pub fn set_held_jobs(&self, jobs: usize) {
        self.pool.set_held_jobs(jobs);
    }

    /// Returns the number of workers that the pool should have.
    #[must_use]
    pub fn target_workers(&self) -> usize {
        self.pool.target_workers()
    }
}

impl<J: Send + Sync + 'static, R: Send + 'static> Drop for PoolWorkers<J, R> {
    fn drop(&mut self) {
        self.pool.close();
    }
}

fn result_of<J, R>(outcome: Outcome<J, R>, failed: impl Fn(&J, WorkerError) -> R) -> R {
    match outcome {
        Outcome::Done { result, .. } => result,
        Outcome::Panicked { job, message } => failed(&job, WorkerError::Panicked { message }),
        Outcome::Stuck { job, after } => failed(&job, WorkerError::TimedOut { after }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_outcome_of_a_job_is_one_result() {
        let result = |outcome| result_of(outcome, |job: &u32, error| format!("job {job}: {error}"));
        let job = Arc::new(7);
        let outcomes = [
            Outcome::Done { job: Arc::clone(&job), result: "done".to_owned() },
            Outcome::Panicked { job: Arc::clone(&job), message: "index out of bounds".to_owned() },
            Outcome::Stuck { job, after: Duration::from_secs(30) },
        ];
        assert_eq!(
            outcomes.map(result),
            ["done", "job 7: worker panicked: index out of bounds", "job 7: worker timed out after 30000 ms"]
        );
    }
}

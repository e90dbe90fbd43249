//! Rule by which a pool grows and shrinks between two numbers of workers. Pure: the time is an argument.
//!
//! ```text
//! grow by one:    jobs lack an idle worker for `grow_after`, and no failed worker waits for its replacement
//! shrink by one:  a worker had no job for all of `shrink_after`
//! ```
//!
//! A job that the caller holds while a worker is idle waits for the caller: it is no reason to grow, or to keep the worker. Pauses below
//! `grow_after`, in which the caller passes on the next jobs, do not end the lack of a worker.
//!
//! A step restarts both times: a pool that has grown has its new worker for at least `shrink_after`. So it does not flap, and a load
//! that k workers process keeps k workers.

use std::time::Duration;

/// The bounds of a pool and the times of its steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scaling {
    /// The number of workers at start, and the least number.
    pub workers_min: usize,
    /// The most workers.
    pub workers_max: usize,
    /// The time that jobs must lack an idle worker until one is added.
    pub grow_after: Duration,
    /// The time that a worker must be superfluous until one is removed.
    pub shrink_after: Duration,
}

/// The work of a pool at one instant.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Load {
    /// The jobs in the queue.
    pub(crate) queued: usize,
    /// The jobs that the caller holds.
    pub(crate) held: usize,
    /// The workers that have a job.
    pub(crate) busy: usize,
    /// The workers that failed and are not replaced yet.
    pub(crate) failed: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    Up,
    Down,
}

/// The number of workers that a pool should have.
#[derive(Debug)]
pub(crate) struct Scaler {
    scaling: Scaling,
    target: usize,
    /// The load since the last observation.
    load: Load,
    /// The start of the wait for growth: jobs lack a worker since then, or since the last step.
    lacking_since: Option<Duration>,
    /// The last instant at which jobs lacked a worker.
    lacked_at: Duration,
    /// The last instant at which every worker was needed, or the last step.
    needed_at: Duration,
    /// The end of the pause after a worker that could not be started.
    grow_from: Duration,
}

// === impl Scaler ===

impl Scaler {
    /// Creates the rule with the least number of workers. A maximum below the minimum counts as equal to it.
    pub(crate) fn new(scaling: Scaling) -> Self {
        Self {
            scaling,
            target: scaling.workers_min,
            load: Load::default(),
            lacking_since: None,
            lacked_at: Duration::ZERO,
            needed_at: Duration::ZERO,
            grow_from: Duration::ZERO,
        }
    }

    pub(crate) fn target(&self) -> usize {
        self.target
    }

    /// Takes a change of the load.
    pub(crate) fn observe(&mut self, now: Duration, load: Load) {
        // The earlier load lasted until now.
        self.extend_load(now);
        self.load = load;
        self.extend_load(now);
    }

    /// Takes the step that is due, and changes the target by one.
    pub(crate) fn step(&mut self, now: Duration) -> Option<Direction> {
        self.extend_load(now);
        let is_due = |due: Option<Duration>| due.is_some_and(|due| due <= now);
        let direction = if is_due(self.grows_at()) {
            self.target += 1;
            Direction::Up
        } else if is_due(self.shrinks_at()) {
            self.target -= 1;
            Direction::Down
        } else {
            return None;
        };
        self.lacking_since = self.lacking_since.map(|_| now);
        self.needed_at = now;
        Some(direction)
    }

    /// Takes back the last step up: its worker could not be started. Growth pauses for the time of a shrink.
    pub(crate) fn undo_growth(&mut self, now: Duration) {
        self.target -= 1;
        self.grow_from = now + self.scaling.shrink_after;
    }

    /// Returns the time until the next step, if the load stays as it is. `None` if it needs no step.
    pub(crate) fn next_due(&self, now: Duration) -> Option<Duration> {
        let dues = [self.grows_at(), self.shrinks_at()];
        dues.into_iter().flatten().min().map(|due| due.saturating_sub(now))
    }

    /// Extends the times of the present load until now.
    fn extend_load(&mut self, now: Duration) {
        if self.needs_all() {
            self.needed_at = now;
        }
        let pause = now.saturating_sub(self.lacked_at);
        if self.lacks_worker() {
            self.lacked_at = now;
            self.lacking_since.get_or_insert(now);
        } else if self.load.waiting() == 0 || self.load.failed > 0 || pause >= self.scaling.grow_after {
            self.lacking_since = None;
        }
    }

    fn needs_all(&self) -> bool {
        self.load.busy + self.load.queued >= self.target
    }

    /// Returns whether a job waits that no idle worker can take.
    fn lacks_worker(&self) -> bool {
        let jobs = self.load.busy + self.load.waiting();
        // A failed worker is replaced after its back-off. More workers would evade it.
        self.load.failed == 0 && self.needs_all() && jobs > self.target
    }

    fn grows_at(&self) -> Option<Duration> {
        let grows = self.lacks_worker() && self.target < self.scaling.workers_max;
        let since = self.lacking_since.filter(|_| grows)?;
        Some((since + self.scaling.grow_after).max(self.grow_from))
    }

    fn shrinks_at(&self) -> Option<Duration> {
        let shrinks = !self.needs_all() && self.target > self.scaling.workers_min;
        shrinks.then(|| self.needed_at + self.scaling.shrink_after)
    }
}

impl Load {
    /// Returns the number of jobs that no worker has.
    pub(crate) fn waiting(&self) -> usize {
        self.queued + self.held
    }
}

impl Direction {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down => "down",
        }
    }
}

#[cfg(test)]
mod tests;

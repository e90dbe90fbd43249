//! Rule by which a pool grows and shrinks between two numbers of workers. Pure: the time is an argument.
//!
//! ```text
//! grow by one:    jobs wait for `grow_after`, and no failed worker waits for its replacement
//! shrink by one:  a worker had no job for all of `shrink_after`
//! ```
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
    /// The time that jobs must wait until a worker is added.
    pub grow_after: Duration,
    /// The time that a worker must be superfluous until one is removed.
    pub shrink_after: Duration,
}

/// The work of a pool at one instant.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Load {
    /// The jobs that no worker has.
    pub(crate) waiting: usize,
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
    /// The start of the backlog, or the last step in it. `None` if no job waits.
    backlog_since: Option<Duration>,
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
            backlog_since: None,
            needed_at: Duration::ZERO,
            grow_from: Duration::ZERO,
        }
    }

    pub(crate) fn target(&self) -> usize {
        self.target
    }

    /// Takes a change of the load. Returns `true` if a wait for growth has started.
    pub(crate) fn observe(&mut self, now: Duration, load: Load) -> bool {
        // The earlier load lasted until now.
        if self.needs_all() {
            self.needed_at = now;
        }
        self.load = load;
        if self.needs_all() {
            self.needed_at = now;
        }
        // A failed worker is replaced after its back-off. More workers would evade it.
        let waiting = if load.failed == 0 { load.waiting } else { 0 };
        let is_start = waiting > 0 && self.backlog_since.is_none();
        self.backlog_since = (waiting > 0).then(|| self.backlog_since.unwrap_or(now));
        is_start && self.target < self.scaling.workers_max
    }

    /// Takes the step that is due, and changes the target by one.
    pub(crate) fn step(&mut self, now: Duration) -> Option<Direction> {
        self.observe(now, self.load);
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
        self.backlog_since = self.backlog_since.map(|_| now);
        self.needed_at = now;
        Some(direction)
    }

    /// Takes back the last step up: its worker could not be started. Growth pauses for the time of a shrink.
    pub(crate) fn undo_growth(&mut self, now: Duration) {
        self.target = (self.target - 1).max(self.scaling.workers_min);
        self.grow_from = now + self.scaling.shrink_after;
    }

    /// Returns the time until the next step, if the load stays as it is. `None` if it needs no step.
    pub(crate) fn next_due(&self, now: Duration) -> Option<Duration> {
        let dues = [self.grows_at(), self.shrinks_at()];
        dues.into_iter().flatten().min().map(|due| due.saturating_sub(now))
    }

    fn needs_all(&self) -> bool {
        self.load.busy + self.load.waiting >= self.target
    }

    fn grows_at(&self) -> Option<Duration> {
        let since = self.backlog_since.filter(|_| self.target < self.scaling.workers_max)?;
        Some((since + self.scaling.grow_after).max(self.grow_from))
    }

    fn shrinks_at(&self) -> Option<Duration> {
        let shrinks = !self.needs_all() && self.target > self.scaling.workers_min;
        shrinks.then(|| self.needed_at + self.scaling.shrink_after)
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

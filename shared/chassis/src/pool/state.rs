//! The queue and the slots of a pool, guarded by one lock. Pure: the time is an argument.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use kit::Backoff;

use crate::pool::budget::Budget;
use crate::pool::options::{Options, RestartBudgetExceeded};
use crate::pool::scaling::{Direction, Load, Scaler};

pub(crate) struct State<J> {
    pub(crate) jobs: VecDeque<Arc<J>>,
    pub(crate) closed: bool,
    /// Jobs that the caller holds until a worker has capacity.
    held_jobs: usize,
    /// One per worker of the largest pool.
    slots: Vec<Slot<J>>,
    budget: Budget,
    scaler: Scaler,
    /// The time of the supervisor's next check, unless it is woken up. `None` until it has checked once.
    pub(crate) next_check: Option<Duration>,
}

/// A step of the scaling.
pub(crate) struct Step {
    pub(crate) direction: Direction,
    pub(crate) load: Load,
    /// The slot and generation of the worker to start. `None` also if a worker that should have ended still runs, and stays.
    pub(crate) start: Option<(usize, u64)>,
}

struct Slot<J> {
    /// Number of the slot's worker. Reports of workers of an older generation are ignored: they have been replaced.
    generation: u64,
    phase: Phase<J>,
    backoff: Backoff,
}

enum Phase<J> {
    Idle,
    Busy {
        job: Arc<J>,
        since: Duration,
    },
    Vacant {
        until: Duration,
    },
    /// It has no worker: the pool is smaller.
    Unused,
    Ended,
}

// === impl State ===

impl<J> State<J> {
    pub(crate) fn new(options: &Options) -> Self {
        let backoff = Backoff::new(options.backoff_first, options.backoff_max);
        let scaler = Scaler::new(options.scaling);
        let slot = |index| {
            let phase = if index < scaler.target() { Phase::Idle } else { Phase::Unused };
            Slot { generation: 0, phase, backoff }
        };
        let slots = options.scaling.workers_max.max(options.scaling.workers_min);
        Self {
            jobs: VecDeque::new(),
            closed: false,
            held_jobs: 0,
            slots: (0..slots).map(slot).collect(),
            budget: Budget::new(options.restarts, options.restart_window),
            scaler,
            next_check: None,
        }
    }

    pub(crate) fn busy(&self) -> usize {
        self.count(|phase| matches!(phase, Phase::Busy { .. }))
    }

    /// Returns the number of workers that have a job or wait for one.
    pub(crate) fn workers(&self) -> usize {
        self.count(|phase| matches!(phase, Phase::Idle | Phase::Busy { .. }))
    }

    /// Returns the number of workers that the pool should have.
    pub(crate) fn target(&self) -> usize {
        self.scaler.target()
    }

    /// Queues a job. Returns `true` if the supervisor has to wake up for a step.
    pub(crate) fn submit(&mut self, job: J, now: Duration) -> bool {
        self.jobs.push_back(Arc::new(job));
        self.observe(now);
        self.is_check_late(now)
    }

    /// Sets the number of jobs that the caller holds. Returns `true` if the supervisor has to wake up for a step.
    pub(crate) fn hold(&mut self, jobs: usize, now: Duration) -> bool {
        self.held_jobs = jobs;
        self.observe(now);
        self.is_check_late(now)
    }

    pub(crate) fn held_jobs(&self) -> usize {
        self.held_jobs
    }

    /// Takes the next job for a worker and marks the worker busy.
    pub(crate) fn take(&mut self, slot: usize, now: Duration) -> Option<Arc<J>> {
        let job = self.jobs.pop_front()?;
        self.slots[slot].phase = Phase::Busy { job: Arc::clone(&job), since: now };
        self.observe(now);
        Some(job)
    }

    /// Marks the worker idle after a successful job. Returns `false` if the worker has been replaced: its result is discarded.
    pub(crate) fn finish(&mut self, slot: usize, generation: u64, now: Duration) -> bool {
        let slot = &mut self.slots[slot];
        let current = slot.generation == generation;
        if current {
            slot.phase = Phase::Idle;
            slot.backoff.reset();
            self.observe(now);
        }
        current
    }

    /// Removes a worker that has no job, if the pool has more than it should. Returns `true` if the worker is removed.
    pub(crate) fn remove(&mut self, slot: usize) -> bool {
        let is_removed = self.has_surplus();
        if is_removed {
            self.slots[slot].remove();
        }
        is_removed
    }

    /// Marks the slot of a failed worker vacant. Returns `false` if the worker had already been replaced.
    pub(crate) fn vacate(&mut self, slot: usize, generation: u64, now: Duration) -> bool {
        let current = self.slots[slot].generation == generation;
        if current {
            self.fail(slot, now);
        }
        current
    }

    /// Marks the slot ended: no work is left for its worker.
    pub(crate) fn end(&mut self, slot: usize, generation: u64) {
        let slot = &mut self.slots[slot];
        if slot.generation == generation {
            slot.phase = Phase::Ended;
        }
    }

    /// Takes the step that is due.
    pub(crate) fn scale(&mut self, now: Duration) -> Option<Step> {
        if self.closed {
            return None;
        }
        let load = self.load();
        let direction = self.scaler.step(now)?;
        let start = match direction {
            Direction::Up => self.start_in_unused(),
            Direction::Down => {
                self.remove_vacant();
                None
            }
        };
        self.observe(now);
        Some(Step { direction, load, start })
    }

    /// Takes back the growth by a worker that could not be started.
    pub(crate) fn undo_growth(&mut self, slot: usize, now: Duration) {
        self.slots[slot].remove();
        self.scaler.undo_growth(now);
    }

    /// Takes the jobs that have been running for longer than `deadline` from their workers, each with its running time.
    pub(crate) fn take_overdue(&mut self, now: Duration, deadline: Duration) -> Vec<(Arc<J>, Duration)> {
        let mut overdue = Vec::new();
        for index in 0..self.slots.len() {
            if let Phase::Busy { job, since } = &self.slots[index].phase {
                let after = now.saturating_sub(*since);
                if after > deadline {
                    overdue.push((Arc::clone(job), after));
                    self.fail(index, now);
                }
            }
        }
        overdue
    }

    /// Returns the slot and generation of a worker to start now. `None` if none is due.
    pub(crate) fn fill_one(
        &mut self,
        now: Duration,
        options: &Options,
    ) -> Result<Option<(usize, u64)>, RestartBudgetExceeded> {
        if self.needs_no_workers() {
            return Ok(None);
        }
        let due =
            self.slots.iter().position(|slot| matches!(slot.phase, Phase::Vacant { until } if until <= now));
        let Some(index) = due else { return Ok(None) };
        if !self.budget.spend(now) {
            let Options { name: pool, restarts, restart_window: window, .. } = *options;
            return Err(RestartBudgetExceeded { pool, restarts, window });
        }
        let slot = &mut self.slots[index];
        slot.phase = Phase::Idle;
        let generation = slot.generation;
        self.observe(now);
        Ok(Some((index, generation)))
    }

    /// Plans the supervisor's next check: after `period`, or as soon as something is due. Returns the time until then.
    pub(crate) fn plan_check(&mut self, now: Duration, period: Duration) -> Duration {
        let wait = self.next_due(now).map_or(period, |due| due.min(period));
        self.next_check = Some(now + wait);
        wait
    }

    /// Returns the time until a vacant slot is due for a new worker, or the next step is. `None` if nothing is due.
    fn next_due(&self, now: Duration) -> Option<Duration> {
        if self.needs_no_workers() {
            return None;
        }
        let due = self.slots.iter().filter_map(|slot| match slot.phase {
            Phase::Vacant { until } => Some(until.saturating_sub(now)),
            Phase::Idle | Phase::Busy { .. } | Phase::Unused | Phase::Ended => None,
        });
        let step = if self.closed { None } else { self.scaler.next_due(now) };
        due.chain(step).min()
    }

    /// Returns whether the pool is closed, the queue is empty and no worker runs.
    pub(crate) fn is_over(&self) -> bool {
        let ended =
            |slot: &Slot<J>| matches!(slot.phase, Phase::Ended | Phase::Vacant { .. } | Phase::Unused);
        self.needs_no_workers() && self.slots.iter().all(ended)
    }

    fn count(&self, has: impl Fn(&Phase<J>) -> bool) -> usize {
        self.slots.iter().filter(|slot| has(&slot.phase)).count()
    }

    fn load(&self) -> Load {
        let failed = self.count(|phase| matches!(phase, Phase::Vacant { .. }));
        Load { queued: self.jobs.len(), held: self.held_jobs, busy: self.busy(), failed }
    }

    fn observe(&mut self, now: Duration) {
        let load = self.load();
        self.scaler.observe(now, load);
    }

    /// Returns whether a step is due before the supervisor's next check.
    fn is_check_late(&self, now: Duration) -> bool {
        let due = self.scaler.next_due(now).map(|due| now + due);
        self.next_check.zip(due).is_some_and(|(check, due)| due < check)
    }

    /// Returns whether the pool has more slots with a worker, or with one to come, than it should.
    fn has_surplus(&self) -> bool {
        let used = self.count(|phase| !matches!(phase, Phase::Unused | Phase::Ended));
        used > self.scaler.target()
    }

    /// Marks the slot of a failed worker vacant, or unused if the pool should be smaller.
    fn fail(&mut self, slot: usize, now: Duration) {
        let is_surplus = self.has_surplus();
        let slot = &mut self.slots[slot];
        slot.vacate(now);
        if is_surplus {
            slot.phase = Phase::Unused;
        }
        self.observe(now);
    }

    fn start_in_unused(&mut self) -> Option<(usize, u64)> {
        let used = self.count(|phase| !matches!(phase, Phase::Unused));
        if used >= self.scaler.target() {
            return None;
        }
        let index = self.slots.iter().position(|slot| matches!(slot.phase, Phase::Unused))?;
        let slot = &mut self.slots[index];
        slot.phase = Phase::Idle;
        Some((index, slot.generation))
    }

    fn remove_vacant(&mut self) {
        let vacant = self.slots.iter_mut().find(|slot| matches!(slot.phase, Phase::Vacant { .. }));
        if let Some(slot) = vacant {
            slot.phase = Phase::Unused;
        }
    }

    fn needs_no_workers(&self) -> bool {
        self.closed && self.jobs.is_empty()
    }
}

// === impl Slot ===

impl<J> Slot<J> {
    fn vacate(&mut self, now: Duration) {
        self.generation += 1;
        self.phase = Phase::Vacant { until: now + self.backoff.fail() };
    }

    fn remove(&mut self) {
        self.generation += 1;
        self.phase = Phase::Unused;
    }
}

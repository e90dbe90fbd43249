//! The queue and the slots of a pool, guarded by one lock. Pure: the time is an argument.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use kit::Backoff;

use crate::pool::budget::Budget;
use crate::pool::options::{Options, RestartBudgetExceeded};

pub(crate) struct State<J> {
    pub(crate) jobs: VecDeque<Arc<J>>,
    pub(crate) closed: bool,
    slots: Vec<Slot<J>>,
    budget: Budget,
}

struct Slot<J> {
    /// Number of the slot's worker. Reports of workers of an older generation are ignored: they have been replaced.
    generation: u64,
    phase: Phase<J>,
    backoff: Backoff,
}

enum Phase<J> {
    Idle,
    Busy { job: Arc<J>, since: Duration },
    Vacant { until: Duration },
    Ended,
}

// === impl State ===

impl<J> State<J> {
    pub(crate) fn new(options: &Options) -> Self {
        let backoff = Backoff::new(options.backoff_first, options.backoff_max);
        let slot = || Slot { generation: 0, phase: Phase::Idle, backoff };
        Self {
            jobs: VecDeque::new(),
            closed: false,
            slots: std::iter::repeat_with(slot).take(options.workers).collect(),
            budget: Budget::new(options.restarts, options.restart_window),
        }
    }

    pub(crate) fn busy(&self) -> usize {
        self.slots.iter().filter(|slot| matches!(slot.phase, Phase::Busy { .. })).count()
    }

    /// Takes the next job for a worker and marks the worker busy.
    pub(crate) fn take(&mut self, slot: usize, now: Duration) -> Option<Arc<J>> {
        let job = self.jobs.pop_front()?;
        self.slots[slot].phase = Phase::Busy { job: Arc::clone(&job), since: now };
        Some(job)
    }

    /// Marks the worker idle after a successful job. Returns `false` if the worker has been replaced: its result is discarded.
    pub(crate) fn finish(&mut self, slot: usize, generation: u64) -> bool {
        let slot = &mut self.slots[slot];
        let current = slot.generation == generation;
        if current {
            slot.phase = Phase::Idle;
            slot.backoff.reset();
        }
        current
    }

    /// Marks the slot of a failed worker vacant. Returns `false` if the worker had already been replaced.
    pub(crate) fn vacate(&mut self, slot: usize, generation: u64, now: Duration) -> bool {
        let slot = &mut self.slots[slot];
        let current = slot.generation == generation;
        if current {
            slot.vacate(now);
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

    /// Takes the jobs that have been running for longer than `deadline` from their workers, each with its running time.
    pub(crate) fn take_overdue(&mut self, now: Duration, deadline: Duration) -> Vec<(Arc<J>, Duration)> {
        let mut overdue = Vec::new();
        for slot in &mut self.slots {
            if let Phase::Busy { job, since } = &slot.phase {
                let after = now.saturating_sub(*since);
                if after > deadline {
                    overdue.push((Arc::clone(job), after));
                    slot.vacate(now);
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
        Ok(Some((index, slot.generation)))
    }

    /// Returns the time until the next vacant slot is due for a new worker. `None` if no slot is vacant.
    pub(crate) fn next_due(&self, now: Duration) -> Option<Duration> {
        if self.needs_no_workers() {
            return None;
        }
        let due = self.slots.iter().filter_map(|slot| match slot.phase {
            Phase::Vacant { until } => Some(until.saturating_sub(now)),
            Phase::Idle | Phase::Busy { .. } | Phase::Ended => None,
        });
        due.min()
    }

    /// Returns whether the pool is closed, the queue is empty and no worker runs.
    pub(crate) fn is_over(&self) -> bool {
        let ended = |slot: &Slot<J>| matches!(slot.phase, Phase::Ended | Phase::Vacant { .. });
        self.needs_no_workers() && self.slots.iter().all(ended)
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
}

//! The queue and the slots of a pool: everything that one lock guards. Pure: time is handed in.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use crate::pool::budget::Budget;
use crate::pool::{BudgetSpent, Options};

pub(crate) struct State<J> {
    pub(crate) jobs: VecDeque<Arc<J>>,
    pub(crate) closed: bool,
    slots: Vec<Slot<J>>,
    budget: Budget,
}

struct Slot<J> {
    /// Counts the slot's workers: one of an older turn has been replaced, and nothing that it says counts.
    turn: u64,
    life: Life<J>,
    failures_in_a_row: u32,
}

enum Life<J> {
    Idle,
    Busy { job: Arc<J>, since: Duration },
    Vacant { until: Duration },
    Gone,
}

// === impl State ===

impl<J> State<J> {
    pub(crate) fn new(options: &Options) -> Self {
        let slot = || Slot { turn: 0, life: Life::Idle, failures_in_a_row: 0 };
        Self {
            jobs: VecDeque::new(),
            closed: false,
            slots: std::iter::repeat_with(slot).take(options.workers).collect(),
            budget: Budget::new(options.restarts, options.restart_window),
        }
    }

    pub(crate) fn busy(&self) -> usize {
        self.slots.iter().filter(|slot| matches!(slot.life, Life::Busy { .. })).count()
    }

    /// The next job for a worker, which is busy from then on.
    pub(crate) fn take(&mut self, slot: usize, now: Duration) -> Option<Arc<J>> {
        let job = self.jobs.pop_front()?;
        self.slots[slot].life = Life::Busy { job: Arc::clone(&job), since: now };
        Some(job)
    }

    /// The worker's job has ended well. `false`: the worker has been replaced, and its result is nobody's.
    pub(crate) fn finish(&mut self, slot: usize, turn: u64) -> bool {
        let slot = &mut self.slots[slot];
        let current = slot.turn == turn;
        if current {
            slot.life = Life::Idle;
            slot.failures_in_a_row = 0;
        }
        current
    }

    /// The worker has failed; its slot waits for another. `false`: it has been replaced before.
    pub(crate) fn vacate(&mut self, slot: usize, turn: u64, now: Duration, options: &Options) -> bool {
        let slot = &mut self.slots[slot];
        let current = slot.turn == turn;
        if current {
            slot.vacate(now, options);
        }
        current
    }

    /// The worker ends because nothing is left to do.
    pub(crate) fn leave(&mut self, slot: usize, turn: u64) {
        let slot = &mut self.slots[slot];
        if slot.turn == turn {
            slot.life = Life::Gone;
        }
    }

    /// Takes the jobs that are past their deadline from their workers.
    pub(crate) fn take_stuck(&mut self, now: Duration, options: &Options) -> Vec<(Arc<J>, Duration)> {
        let mut stuck = Vec::new();
        for slot in &mut self.slots {
            if let Life::Busy { job, since } = &slot.life {
                let after = now.saturating_sub(*since);
                if after > options.job_deadline {
                    stuck.push((Arc::clone(job), after));
                    slot.vacate(now, options);
                }
            }
        }
        stuck
    }

    /// The slot and turn of a worker to start now, if one is due and the budget allows it.
    pub(crate) fn fill_one(
        &mut self,
        now: Duration,
        options: &Options,
    ) -> Result<Option<(usize, u64)>, BudgetSpent> {
        if self.wants_no_workers() {
            return Ok(None);
        }
        let due =
            self.slots.iter().position(|slot| matches!(slot.life, Life::Vacant { until } if until <= now));
        let Some(index) = due else { return Ok(None) };
        if !self.budget.spend(now) {
            let Options { name: pool, restarts, restart_window: window, .. } = *options;
            return Err(BudgetSpent { pool, restarts, window });
        }
        let slot = &mut self.slots[index];
        slot.life = Life::Idle;
        Ok(Some((index, slot.turn)))
    }

    /// How long until a vacant slot is due for a new worker.
    pub(crate) fn next_due(&self, now: Duration) -> Option<Duration> {
        if self.wants_no_workers() {
            return None;
        }
        let due = self.slots.iter().filter_map(|slot| match slot.life {
            Life::Vacant { until } => Some(until.saturating_sub(now)),
            Life::Idle | Life::Busy { .. } | Life::Gone => None,
        });
        due.min()
    }

    /// Closed, nothing queued, and no worker left that could have a job.
    pub(crate) fn is_over(&self) -> bool {
        let ended = |slot: &Slot<J>| matches!(slot.life, Life::Gone | Life::Vacant { .. });
        self.wants_no_workers() && self.slots.iter().all(ended)
    }

    fn wants_no_workers(&self) -> bool {
        self.closed && self.jobs.is_empty()
    }
}

// === impl Slot ===

impl<J> Slot<J> {
    fn vacate(&mut self, now: Duration, options: &Options) {
        let backoff = options.backoff_first.saturating_mul(1 << self.failures_in_a_row.min(16));
        self.failures_in_a_row += 1;
        self.turn += 1;
        self.life = Life::Vacant { until: now + backoff.min(options.backoff_max) };
    }
}

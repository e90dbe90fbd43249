//! The execution of a plan: injects its faults during steady input, then waits until everything is drained.

use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::child_processes::{Producer, now_ms};
use crate::injection::System;
use crate::plan::{Plan, Step};
use crate::proposals::Poster;
use crate::report;
use crate::service::{Extent, Service};
use crate::timeline::Timeline;

/// Time of input before the first fault.
pub const WARM_UP: Duration = Duration::from_secs(5);
/// Interval between two checks of recovery; the pace is set as often.
const POLL_INTERVAL: Duration = Duration::from_millis(200);
/// Maximum wait for a recovery: the next fault follows in any case.
const RECOVERY_TIMEOUT: Duration = Duration::from_secs(60);
/// Maximum time without progress: after it, the remaining records are counted as lost.
const STALL_TIMEOUT: Duration = Duration::from_secs(180);
/// Minimum pace, alerts per second: two remaining records that are spread over the rest of a plan would exceed every timeout.
const PACE_MIN: f64 = 50.0;
/// Minimum ratio of the plan's actual to its estimated duration: early in a run a single step decides it.
const SPEED_FACTOR_MIN: f64 = 0.5;
/// Minimum time over which the remaining input is spread: the last step may take longer than estimated.
const SPREAD_MIN: Duration = Duration::from_secs(10);
/// Time without output and without lag after which the run is drained.
const IDLE_TIME: Duration = Duration::from_secs(3);

/// The execution of a plan during steady input.
pub struct PlanRun<'a> {
    pub system: &'a mut System,
    pub producer: &'a Producer,
    pub poster: &'a Poster,
    pub extent: Extent,
    pub timeline: &'a Mutex<Timeline>,
    pub plan: &'a Plan,
    pub numbers: u64,
    pub started: Instant,
    /// The current step and its start.
    pub step: Option<(usize, Instant)>,
}

// === impl PlanRun ===

impl PlanRun<'_> {
    /// Injects all faults.
    ///
    /// # Errors
    /// A fault that cannot be injected or ended, or an instance that exits with a fatal error.
    pub fn inject_all(&mut self) -> io::Result<()> {
        self.pause(WARM_UP, false)?;
        for (index, step) in self.plan.steps.iter().enumerate() {
            self.step = Some((index, Instant::now()));
            self.system.prepare(step.fault)?;
            self.inject(step)?;
        }
        Ok(())
    }

    fn inject(&mut self, step: &Step) -> io::Result<()> {
        lock(self.timeline).begin(now_ms(), step.fault.to_string());
        let (active, detail) = self.system.begin(step.fault)?;
        if !detail.is_empty() {
            report::line(format_args!("            {}: {detail}", step.fault));
        }
        self.pause(step.hold, false)?;
        self.system.end(active)?;
        lock(self.timeline).end(now_ms());
        self.pause(step.rest, step.until_recovered)
    }

    /// Sets the pace at which the input ends with the plan, on machines that are slower or faster than the plan's estimate too.
    fn set_pace(&self) {
        let (acknowledged, slots) = self.producer.acknowledged();
        let elapsed = self.started.elapsed();
        let (whole, passed) = (self.plan.takes(0) + WARM_UP, self.passed());
        let slowness = (elapsed.as_secs_f64() / passed.as_secs_f64()).max(SPEED_FACTOR_MIN);
        let left = whole.saturating_sub(passed).mul_f64(slowness);
        self.producer.set_pace(pace(slots - acknowledged.min(slots), left).max(PACE_MIN));
    }

    /// Returns the plan's elapsed time by its own estimate. A step that exceeds its estimate counts as its estimate.
    fn passed(&self) -> Duration {
        let Some((step, since)) = self.step else { return self.started.elapsed().min(WARM_UP) };
        let (from, after) = (self.plan.takes(step), self.plan.takes(step + 1));
        WARM_UP + self.plan.takes(0).saturating_sub(from) + since.elapsed().min(from.saturating_sub(after))
    }

    /// Waits at least this long and prints each fault after its recovery.
    fn pause(&self, at_least: Duration, until_recovered: bool) -> io::Result<()> {
        let started = Instant::now();
        loop {
            // After the last number only repeated alerts follow, which have no output.
            if self.producer.acknowledged().0 >= self.numbers {
                lock(self.timeline).end_input(now_ms());
            }
            if !self.producer.is_done() {
                self.set_pace();
            }
            for line in lock(self.timeline).finished_lines(false) {
                report::line(format_args!("{line}"));
            }
            if let Some(fatal_error) = self.system.fleet.fatal_error() {
                return Err(io::Error::other(fatal_error));
            }
            let passed = started.elapsed();
            // Without input no output is required; `drain` waits for the rest.
            let is_enough = !until_recovered
                || self.producer.is_done()
                || lock(self.timeline).is_recovered()
                || passed > RECOVERY_TIMEOUT;
            if passed >= at_least && is_enough {
                return Ok(());
            }
            std::thread::park_timeout(POLL_INTERVAL);
        }
    }

    /// Waits until all input is written and no stage has lag or held records.
    ///
    /// # Errors
    /// An instance that exits with a fatal error.
    pub fn drain(&mut self, partitions: i32) -> io::Result<()> {
        let (mut progress, mut at) = ((0, 0, 0), Instant::now());
        let mut idle_since: Option<Instant> = None;
        while idle_since.is_none_or(|since| since.elapsed() < IDLE_TIME) {
            self.pause(Duration::from_millis(500), false)?;
            let now = (self.producer.acknowledged().0, lock(self.timeline).total(), self.poster.accepted());
            let has_moved = now != progress;
            if has_moved {
                (progress, at) = (now, Instant::now());
            }
            if at.elapsed() > STALL_TIMEOUT {
                report::line(format_args!(
                    "            no progress for {STALL_TIMEOUT:?} with records left: counting nevertheless"
                ));
                break;
            }
            let mut running = Service::ALL.into_iter().filter(|service| self.extent.of(*service) > 0);
            let is_idle = self.producer.is_done()
                && self.poster.is_done()
                && !has_moved
                && running.all(|service| self.system.is_idle(service, partitions));
            idle_since = is_idle.then(|| idle_since.unwrap_or_else(Instant::now));
        }
        for line in lock(self.timeline).finished_lines(true) {
            report::line(format_args!("{line}"));
        }
        Ok(())
    }
}

/// Spreads the remaining input over the remaining time of the plan.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "a pace needs no more than a few digits")]
pub fn pace(slots: u64, left: Duration) -> f64 {
    slots as f64 / left.max(SPREAD_MIN).as_secs_f64()
}

pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

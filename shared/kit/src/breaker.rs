//! Circuit breaker: calls to a failing dependency are stopped for a while, then one probe decides.
//!
//! ```text
//!       consecutive failures            the wait is over, or half_open()
//! closed ────────────────────► open ──────────────────────────────────► half-open
//!    ▲     or trip()            ▲                                         │   │
//!    │                          └─────────────── the probe failed ────────┘   │
//!    └───────────────────────────────────── consecutive successes ────────────┘
//! ```
//!
//! The breaker makes no call and reads no clock. `now` is monotonic, since any start that stays the same; each method that may
//! change the state returns the [`Transition`], for the caller to log and count. `None`: the state is the same.

use std::fmt;
use std::time::Duration;

use crate::backoff::{Backoff, Jitter};

/// The settings of a breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Consecutive failures that open it, at least 1.
    pub failures: u32,
    /// Consecutive successes that close it again, at least 1.
    pub successes: u32,
    /// How long it stays open, by the times that it opened without having closed. [`Duration::MAX`]: until
    /// [`Breaker::half_open`].
    pub backoff: Backoff,
    /// How long the end of a probe is awaited before the next probe is admitted.
    pub probe_max: Duration,
}

/// The state of a breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// All calls are admitted.
    Closed,
    /// One call at a time is admitted: the probe.
    HalfOpen,
    /// No call is admitted.
    Open,
}

/// A change of the state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transition {
    /// The state before.
    pub from: State,
    /// The state now, another one.
    pub to: State,
}

/// A circuit breaker. Starts closed.
#[derive(Debug, Clone)]
pub struct Breaker {
    settings: Settings,
    phase: Phase,
}

#[derive(Debug, Clone, Copy)]
enum Phase {
    Closed {
        failures: u32,
    },
    Open {
        until: Duration,
    },
    HalfOpen {
        successes: u32,
        /// Until when the end of the probe is awaited; none without a probe.
        probe_until: Option<Duration>,
    },
}

impl Breaker {
    /// A closed breaker.
    #[must_use]
    pub const fn new(settings: Settings) -> Self {
        Self { settings, phase: Phase::Closed { failures: 0 } }
    }

    /// The state. An open breaker stays open after its wait until [`Breaker::admit`] admits the probe.
    #[must_use]
    pub const fn state(&self) -> State {
        match self.phase {
            Phase::Closed { .. } => State::Closed,
            Phase::Open { .. } => State::Open,
            Phase::HalfOpen { .. } => State::HalfOpen,
        }
    }

    /// Admits a call, whose end is to be reported by [`Breaker::succeeded`] or [`Breaker::failed`]. If the breaker is half-open now,
    /// the call is the probe.
    ///
    /// # Errors
    /// How long no call is admitted, unless an end is reported before.
    pub fn admit(&mut self, now: Duration) -> Result<Option<Transition>, Duration> {
        let (successes, until) = match self.phase {
            Phase::Closed { .. } => return Ok(None),
            Phase::Open { until } => (0, until),
            Phase::HalfOpen { successes, probe_until } => (successes, probe_until.unwrap_or(Duration::ZERO)),
        };
        if now < until {
            return Err(until.saturating_sub(now));
        }
        let probe_until = Some(now.saturating_add(self.settings.probe_max));
        Ok(self.become_phase(Phase::HalfOpen { successes, probe_until }))
    }

    /// A call succeeded, also one from before the breaker opened.
    pub fn succeeded(&mut self) -> Option<Transition> {
        let before = match self.phase {
            Phase::Closed { .. } => return self.reset(),
            Phase::Open { .. } => 0,
            Phase::HalfOpen { successes, .. } => successes,
        };
        let successes = before.saturating_add(1);
        if successes >= self.settings.successes {
            return self.reset();
        }
        self.become_phase(Phase::HalfOpen { successes, probe_until: None })
    }

    /// A call failed. A failure without a probe while the breaker is not closed is of a call from before and changes nothing.
    pub fn failed(&mut self, now: Duration, jitter: Jitter) -> Option<Transition> {
        match &mut self.phase {
            Phase::Open { .. } | Phase::HalfOpen { probe_until: None, .. } => return None,
            Phase::HalfOpen { .. } => {}
            Phase::Closed { failures } => {
                *failures = failures.saturating_add(1);
                if *failures < self.settings.failures {
                    return None;
                }
            }
        }
        self.trip(now, jitter)
    }

    /// `true` if [`Breaker::admit`] would admit a call.
    #[must_use]
    pub fn admits(&self, now: Duration) -> bool {
        match self.phase {
            Phase::Closed { .. } => true,
            Phase::Open { until } => now >= until,
            Phase::HalfOpen { probe_until, .. } => probe_until.is_none_or(|until| now >= until),
        }
    }

    /// The probe ended without evidence: the next call is another one.
    pub const fn cancelled(&mut self) {
        if let Phase::HalfOpen { probe_until, .. } = &mut self.phase {
            *probe_until = None;
        }
    }

    /// Opens the breaker on other evidence than consecutive failures. One that is open keeps its wait.
    pub fn trip(&mut self, now: Duration, jitter: Jitter) -> Option<Transition> {
        if self.state() == State::Open {
            return None;
        }
        let wait = jitter.of(self.settings.backoff.fail());
        self.become_phase(Phase::Open { until: now.saturating_add(wait) })
    }

    /// Ends the wait of an open breaker: there is evidence that the dependency is back.
    pub fn half_open(&mut self) -> Option<Transition> {
        if self.state() != State::Open {
            return None;
        }
        self.become_phase(Phase::HalfOpen { successes: 0, probe_until: None })
    }

    /// Closes the breaker and forgets all failures, as with a new dependency.
    pub fn reset(&mut self) -> Option<Transition> {
        self.settings.backoff.reset();
        self.become_phase(Phase::Closed { failures: 0 })
    }

    fn become_phase(&mut self, phase: Phase) -> Option<Transition> {
        let from = self.state();
        self.phase = phase;
        let to = self.state();
        (from != to).then_some(Transition { from, to })
    }
}

impl State {
    /// `closed`, `half-open` or `open`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::HalfOpen => "half-open",
            Self::Open => "open",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests;

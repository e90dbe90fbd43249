//! The time, as something that is handed in: the system's, or one that a test moves.

use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::lock::locked;

/// Both times that a process needs. Rules never read one; shells read it and hand the result on.
pub trait Clock: std::fmt::Debug + Send + Sync {
    /// Time since an arbitrary start that never goes back: waits, budgets, ages.
    fn monotonic(&self) -> Duration;

    /// Wall clock, microseconds since 1970-01-01 UTC.
    fn wall_micros(&self) -> i64;
}

/// The operating system's clocks.
#[derive(Debug, Clone)]
pub struct SystemClock {
    start: Instant,
}

/// A clock that stands until a test moves it.
#[derive(Debug)]
pub struct ManualClock {
    now: Mutex<(Duration, i64)>,
}

// === impl SystemClock ===

impl SystemClock {
    /// A clock whose monotonic time starts at zero, now.
    #[must_use]
    pub fn new() -> Self {
        Self { start: Instant::now() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn monotonic(&self) -> Duration {
        self.start.elapsed()
    }

    fn wall_micros(&self) -> i64 {
        // A clock before 1970 or after the year 294,000 is broken hardware: the nearest end is the honest reading.
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
    }
}

// === impl ManualClock ===

impl ManualClock {
    /// A clock that stands at monotonic zero and the given wall time.
    #[must_use]
    pub fn at(wall_micros: i64) -> Self {
        Self { now: Mutex::new((Duration::ZERO, wall_micros)) }
    }

    /// Moves both times on.
    pub fn advance(&self, by: Duration) {
        let mut now = locked(&self.now);
        now.0 += by;
        now.1 = now.1.saturating_add(i64::try_from(by.as_micros()).unwrap_or(i64::MAX));
    }
}

impl Clock for ManualClock {
    fn monotonic(&self) -> Duration {
        locked(&self.now).0
    }

    fn wall_micros(&self) -> i64 {
        locked(&self.now).1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manual_clock_moves_only_when_told() {
        let clock = ManualClock::at(1_000);
        assert_eq!((clock.monotonic(), clock.wall_micros()), (Duration::ZERO, 1_000));
        clock.advance(Duration::from_millis(2));
        assert_eq!((clock.monotonic(), clock.wall_micros()), (Duration::from_millis(2), 3_000));
    }

    #[test]
    fn the_system_clock_never_goes_back_and_is_past_2020() {
        let clock = SystemClock::new();
        let first = clock.monotonic();
        assert!(clock.monotonic() >= first);
        assert!(clock.wall_micros() > 1_577_836_800_000_000);
    }
}

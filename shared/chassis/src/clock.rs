//! Clocks: the operating system's, and a manual one for tests.

use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use kit::SaturatingFrom;

use crate::lock::locked;

/// Source of monotonic and wall-clock time. Rules take times as arguments; only the code around them reads a clock.
pub trait Clock: std::fmt::Debug + Send + Sync {
    /// Returns the time since an arbitrary start. It never decreases. For waits, budgets and ages.
    fn monotonic(&self) -> Duration;

    /// Returns the wall-clock time in microseconds since 1970-01-01 UTC.
    fn wall_micros(&self) -> i64;
}

/// The operating system's clocks.
#[derive(Debug, Clone)]
pub struct SystemClock {
    start: Instant,
}

/// A clock that only [`advance`](Self::advance) moves.
#[derive(Debug)]
pub struct ManualClock {
    now: Mutex<(Duration, i64)>,
}

// === impl SystemClock ===

impl SystemClock {
    /// Creates a clock whose monotonic time starts at zero.
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
        // A time before 1970 or after the year 294,000 is a hardware error: it is clamped.
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::saturating_from(since.as_micros())
    }
}

// === impl ManualClock ===

impl ManualClock {
    /// Creates a clock at monotonic zero and this wall-clock time.
    #[must_use]
    pub fn at(wall_micros: i64) -> Self {
        Self { now: Mutex::new((Duration::ZERO, wall_micros)) }
    }

    /// Advances both times.
    pub fn advance(&self, by: Duration) {
        let mut now = locked(&self.now);
        now.0 += by;
        now.1 = now.1.saturating_add(i64::saturating_from(by.as_micros()));
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
    fn manual_clock_moves_only_by_advance() {
        let clock = ManualClock::at(1_000);
        assert_eq!((clock.monotonic(), clock.wall_micros()), (Duration::ZERO, 1_000));
        clock.advance(Duration::from_millis(2));
        assert_eq!((clock.monotonic(), clock.wall_micros()), (Duration::from_millis(2), 3_000));
    }

    #[test]
    fn system_clock_never_decreases_and_is_past_2020() {
        let clock = SystemClock::new();
        let first = clock.monotonic();
        assert!(clock.monotonic() >= first);
        assert!(clock.wall_micros() > 1_577_836_800_000_000);
    }
}

//! Limits the records sent a second.

use std::time::Duration;

use kit::SaturatingFrom;
use tokio::time::{Instant, sleep_until};

/// A rate limit without bursts: unused time is not saved.
pub(super) struct RateLimiter {
    interval: Duration,
    next: Instant,
}

impl RateLimiter {
    pub(super) fn new(records_per_second: u32, now: Instant) -> Self {
        Self { interval: Duration::from_secs(1) / records_per_second.max(1), next: now }
    }

    /// Returns when this number of records may be sent.
    pub(super) async fn wait_for(&mut self, records: usize) {
        sleep_until(self.reserve(records, Instant::now())).await;
    }

    /// Returns the time from which this number of records may be sent. The next ones may be sent when the time of these is over.
    fn reserve(&mut self, records: usize, now: Instant) -> Instant {
        let start = self.next.max(now);
        self.next = start + self.interval * u32::saturating_from(records);
        start
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rate_is_kept_and_unused_time_is_not_saved() {
        let start = Instant::now();
        let mut limiter = RateLimiter::new(100, start);
        let delay_ms = |at: Instant| (at - start).as_millis();
        let delays: Vec<u128> = (0..11).map(|_| delay_ms(limiter.reserve(10, start))).collect();
        assert_eq!((delays[0], delays[1], delays[10]), (0, 100, 1_000));
        let late = start + Duration::from_secs(60);
        assert_eq!([0; 3].map(|_| delay_ms(limiter.reserve(10, late))), [60_000, 60_100, 60_200]);
    }
}

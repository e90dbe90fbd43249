//! Quota of requests: spreads the requests of all workers evenly over time.

use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);

/// Assigns start times to requests: at least a constant distance apart, so that no minute has more requests than the quota, however
/// it is aligned.
#[derive(Debug)]
pub(super) struct Quota {
    distance: Duration,
    /// The earliest start of the next request (monotonic).
    next: Duration,
}

impl Quota {
    /// Creates a quota of this number of requests a minute, at least 1.
    pub(super) const fn new(requests_per_minute: u32) -> Self {
        let requests = if requests_per_minute == 0 { 1 } else { requests_per_minute };
        // Rounded up: a distance that is too short by a nanosecond would exceed the quota.
        let nanos = MINUTE.as_nanos().div_ceil(requests as u128);
        Self { distance: Duration::from_nanos_u128(nanos), next: Duration::ZERO }
    }

    /// Reserves the next start, and returns the wait from `now` (monotonic) until it.
    ///
    /// # Errors
    /// The wait, if it is longer than `wait_max`. Nothing is reserved then.
    pub(super) fn reserve(&mut self, now: Duration, wait_max: Duration) -> Result<Duration, Duration> {
        let start = self.next.max(now);
        let wait = start.saturating_sub(now);
        if wait > wait_max {
            return Err(wait);
        }
        self.next = start.saturating_add(self.distance);
        Ok(wait)
    }

    /// Delays all requests that have no start yet until `time` (monotonic): the server rejects them until then.
    pub(super) fn pause_until(&mut self, time: Duration) {
        self.next = self.next.max(time);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNLIMITED: Duration = Duration::MAX;

    #[test]
    fn no_minute_has_more_requests_than_the_quota() {
        for quota in [1, 7, 200] {
            let mut requests = Quota::new(quota);
            // Callers that arrive at once, and one that arrives late.
            let mut starts = Vec::new();
            for index in 0..u64::from(quota) * 3 {
                let now = Duration::from_millis(if index < u64::from(quota) { 0 } else { 61_000 });
                starts.push(now + requests.reserve(now, UNLIMITED).unwrap());
            }
            for (index, start) in starts.iter().enumerate() {
                let within = starts[index..].iter().take_while(|later| **later < *start + MINUTE).count();
                assert!(within <= usize::try_from(quota).unwrap(), "{quota}: {within} from {start:?} on");
            }
        }
    }

    #[test]
    fn first_request_and_one_after_a_break_do_not_wait() {
        let mut quota = Quota::new(60);
        let second = Duration::from_secs(1);
        assert_eq!(quota.reserve(second, UNLIMITED), Ok(Duration::ZERO));
        assert_eq!(quota.reserve(second, UNLIMITED), Ok(second));
        assert_eq!(quota.reserve(second * 9, UNLIMITED), Ok(Duration::ZERO));
    }

    #[test]
    fn wait_that_is_too_long_reserves_nothing() {
        let mut quota = Quota::new(60);
        quota.pause_until(Duration::from_secs(30));
        let ten = Duration::from_secs(10);
        assert_eq!(quota.reserve(Duration::ZERO, ten), Err(Duration::from_secs(30)));
        quota.pause_until(Duration::from_secs(5));
        assert_eq!(quota.reserve(Duration::from_secs(25), ten), Ok(Duration::from_secs(5)));
        assert_eq!(quota.reserve(Duration::from_secs(25), ten), Ok(Duration::from_secs(6)));
    }
}

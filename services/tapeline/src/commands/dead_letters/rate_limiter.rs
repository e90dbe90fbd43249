//! So many records a second, and no more.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// A rate; what wasn't used is not saved up.
pub(super) struct Pace {
    a_record: Duration,
    next: Instant,
}

impl Pace {
    pub(super) fn new(records_a_second: u32, now: Instant) -> Self {
        Self { a_record: Duration::from_secs(1) / records_a_second.max(1), next: now }
    }

    /// Returns when so many may go.
    pub(super) async fn wait_for(&mut self, records: usize) {
        sleep_until(self.reserve(records, Instant::now())).await;
    }

    /// When so many may go; whoever comes next waits for as long as they take.
    fn reserve(&mut self, records: usize, now: Instant) -> Instant {
        let go = self.next.max(now);
        self.next = go + self.a_record * u32::try_from(records).unwrap_or(u32::MAX);
        go
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_holds_as_many_as_the_rate_says_and_a_pause_saves_nothing_up() {
        let begun = Instant::now();
        let mut pace = Pace::new(100, begun);
        let gone = |at: Instant| (at - begun).as_millis();
        let waits: Vec<u128> = (0..11).map(|_| gone(pace.reserve(10, begun))).collect();
        assert_eq!((waits[0], waits[1], waits[10]), (0, 100, 1_000));
        let late = begun + Duration::from_secs(60);
        assert_eq!([0; 3].map(|_| gone(pace.reserve(10, late))), [60_000, 60_100, 60_200]);
    }
}

//! Restart budget: the number of restarts allowed within a sliding window.

use std::collections::VecDeque;
use std::time::Duration;

#[derive(Debug)]
pub(crate) struct Budget {
    restarts: usize,
    window: Duration,
    recent: VecDeque<Duration>,
}

// === impl Budget ===

impl Budget {
    pub(crate) fn new(restarts: usize, window: Duration) -> Self {
        Self { restarts, window, recent: VecDeque::new() }
    }

    /// Counts a restart at `now` and returns `true` if the window allows it.
    pub(crate) fn spend(&mut self, now: Duration) -> bool {
        while self.recent.front().is_some_and(|at| now.saturating_sub(*at) >= self.window) {
            self.recent.pop_front();
        }
        let allowed = self.recent.len() < self.restarts;
        if allowed {
            self.recent.push_back(now);
        }
        allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn restarts_outside_the_window_do_not_count() {
        let mut budget = Budget::new(2, Duration::from_secs(60));
        assert!(budget.spend(Duration::from_secs(0)));
        assert!(budget.spend(Duration::from_secs(30)));
        assert!(!budget.spend(Duration::from_secs(59)));
        assert!(budget.spend(Duration::from_secs(60)));
        assert!(!budget.spend(Duration::from_secs(61)));
    }
}

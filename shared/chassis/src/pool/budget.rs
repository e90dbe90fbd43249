//! How many restarts a window of time allows.

use std::collections::VecDeque;
use std::time::Duration;

#[derive(Debug)]
pub(crate) struct Budget {
    restarts: usize,
    window: Duration,
    spent: VecDeque<Duration>,
}

// === impl Budget ===

impl Budget {
    pub(crate) fn new(restarts: usize, window: Duration) -> Self {
        Self { restarts, window, spent: VecDeque::new() }
    }

    /// Spends one restart at `now`, if the window allows it.
    pub(crate) fn spend(&mut self, now: Duration) -> bool {
        while self.spent.front().is_some_and(|at| now.saturating_sub(*at) >= self.window) {
            self.spent.pop_front();
        }
        let allowed = self.spent.len() < self.restarts;
        if allowed {
            self.spent.push_back(now);
        }
        allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_is_refilled_as_its_window_moves_on() {
        let mut budget = Budget::new(2, Duration::from_secs(60));
        assert!(budget.spend(Duration::from_secs(0)));
        assert!(budget.spend(Duration::from_secs(30)));
        assert!(!budget.spend(Duration::from_secs(59)));
        assert!(budget.spend(Duration::from_secs(60)));
        assert!(!budget.spend(Duration::from_secs(61)));
    }
}

//! Limit of a log line that a loop repeats.

use std::time::{Duration, Instant};

/// The least time between two lines.
const EVERY: Duration = Duration::from_secs(30);

/// Limits a recurring line to the first and one every 30 s.
#[derive(Debug, Default)]
pub struct LogLimit {
    logged: Option<Instant>,
    suppressed: u64,
}

impl LogLimit {
    /// Returns whether the line is due: `None` if it is to be left out, otherwise the number of lines left out since the last.
    pub fn admit(&mut self, now: Instant) -> Option<u64> {
        if self.logged.is_some_and(|logged| now.duration_since(logged) < EVERY) {
            self.suppressed += 1;
            return None;
        }
        self.logged = Some(now);
        Some(std::mem::take(&mut self.suppressed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recurring_line_is_logged_first_and_every_30_s() {
        let (mut limit, start) = (LogLimit::default(), Instant::now());
        let mut at = |millis| limit.admit(start + Duration::from_millis(millis));
        assert_eq!(at(0), Some(0));
        let admitted: Vec<u64> = (1..=600).filter_map(|tick| at(tick * 100)).collect();
        assert_eq!(admitted, [299, 299]);
    }
}

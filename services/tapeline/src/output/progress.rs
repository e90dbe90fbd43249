//! Progress of a command: a bar on a terminal, otherwise a line every few seconds.

use std::fmt::Write;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressState, ProgressStyle};

/// Time between two lines of progress where no terminal shows a bar: a log stays short, and a reader sees that the command works.
pub const PROGRESS_INTERVAL: Duration = Duration::from_secs(5);

/// Decides when the next line of progress is due.
#[derive(Debug)]
pub struct ProgressLines {
    last: Mutex<Instant>,
}

impl ProgressLines {
    /// Returns lines of which the first is due after [`PROGRESS_INTERVAL`].
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self { last: Mutex::new(now) }
    }

    /// Returns `true` once per [`PROGRESS_INTERVAL`].
    pub fn is_due(&self, now: Instant) -> bool {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = now.saturating_duration_since(*last) >= PROGRESS_INTERVAL;
        if is_due {
            *last = now;
        }
        is_due
    }
}

/// Returns the style of a progress bar with this template. It may use `{rate}`: steps a second, with one digit after the point.
#[must_use]
pub fn bar_style(template: &str) -> ProgressStyle {
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    style.with_key("rate", |state: &ProgressState, text: &mut dyn Write| {
        // Writing to the line of the bar cannot fail.
        write!(text, "{:.1}/s", state.per_sec()).unwrap_or_default();
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_is_due_once_per_interval() {
        let start = Instant::now();
        let lines = ProgressLines::new(start);
        let due: Vec<bool> = [0, 4_999, 5_000, 5_001, 9_999, 10_000]
            .map(|ms| lines.is_due(start + Duration::from_millis(ms)))
            .into();
        assert_eq!(due, [false, false, true, false, false, true]);
    }
}

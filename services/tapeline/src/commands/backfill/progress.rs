//! Progress of requests, on standard error: a bar on a terminal, otherwise a line every few seconds.

use std::time::{Duration, Instant};

use indicatif::{HumanDuration, ProgressBar};

use super::tracking::Tracking;
use crate::exit::Failure;
use crate::output::{ProgressLines, bar_style, print};

/// Steps of the bar for each request.
const STEPS: f64 = 1_000.0;

/// The progress of the requests of a command.
pub(super) struct RequestProgress {
    bar: ProgressBar,
    lines: ProgressLines,
    started: Instant,
    total: usize,
}

impl RequestProgress {
    pub(super) fn new(total: usize, now: Instant) -> Self {
        let bar = ProgressBar::new(steps(f64::from(u32::try_from(total).unwrap_or(u32::MAX))));
        bar.set_style(bar_style("{bar:24} {wide_msg}"));
        Self { bar, lines: ProgressLines::new(now), started: now, total }
    }

    /// Shows the state of the requests.
    pub(super) fn show(&self, tracking: &Tracking, now: Instant) {
        let text = self.text(tracking, now.saturating_duration_since(self.started));
        let ended = f64::from(u32::try_from(tracking.counts.ended()).unwrap_or(u32::MAX));
        self.bar.set_position(steps(ended + tracking.fetched_parts()));
        if self.bar.is_hidden() {
            if self.lines.is_due(now) {
                chassis::output::note(&text);
            }
        } else {
            self.bar.set_message(text);
        }
    }

    /// Prints a line to standard output, above the bar.
    pub(super) fn print(&self, line: &str) -> Result<(), Failure> {
        self.bar.suspend(|| print(line))
    }

    /// Prints a line to standard error, above the bar.
    pub(super) fn note(&self, line: &str) {
        self.bar.suspend(|| chassis::output::note(line));
    }

    fn text(&self, tracking: &Tracking, elapsed: Duration) -> String {
        let counts = &tracking.counts;
        let ended = counts.ended();
        let chunks = u32::try_from(counts.chunks).unwrap_or(u32::MAX);
        let rate = f64::from(chunks) / elapsed.as_secs_f64().max(0.001);
        let mut text = format!("{ended}/{} requests", self.total);
        if let Some((done, total)) = tracking.chunks() {
            text.push_str(&format!(", chunk {done}/{total}"));
        }
        text.push_str(&format!(", {rate:.1} chunks/s"));
        let parts = f64::from(u32::try_from(ended).unwrap_or(u32::MAX)) + tracking.fetched_parts();
        if parts > 0.0 {
            let total = f64::from(u32::try_from(self.total).unwrap_or(u32::MAX));
            let left = Duration::try_from_secs_f64(elapsed.as_secs_f64() * (total - parts).max(0.0) / parts);
            text.push_str(&format!(", {:#} left", HumanDuration(left.unwrap_or_default())));
        }
        if counts.retries > 0 {
            text.push_str(&format!(", {} retries", counts.retries));
        }
        if counts.failed > 0 {
            text.push_str(&format!(", {} failed", counts.failed));
        }
        text
    }
}

impl Drop for RequestProgress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a count of requests, not negative"
)]
fn steps(requests: f64) -> u64 {
    (requests * STEPS) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_has_the_requests_and_the_rate() {
        let now = Instant::now();
        let progress = RequestProgress::new(4, now);
        let mut tracking = Tracking::default();
        (tracking.counts.completed, tracking.counts.chunks) = (1, 6);
        let text = progress.text(&tracking, Duration::from_secs(2));
        assert_eq!(text, "1/4 requests, 3.0 chunks/s, 6s left");
        tracking.counts.retries = 2;
        assert!(progress.text(&tracking, Duration::ZERO).ends_with(", 2 retries"));
    }
}

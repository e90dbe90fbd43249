//! Progress of a run over the dates of its replay.

use std::sync::Arc;
use std::time::Instant;

use indicatif::ProgressBar;
use jiff::civil::Date;

use crate::output::{ProgressLines, bar_style};

/// Progress over the dates of a replay, on standard error: a bar on a terminal, otherwise a line every few seconds.
#[derive(Debug, Clone)]
pub struct DateProgress {
    bar: ProgressBar,
    /// `None` for a run without a known end, which has its own status line.
    lines: Option<Arc<ProgressLines>>,
}

impl DateProgress {
    /// Returns a progress bar that has not started. It is hidden for a run without a known end.
    #[must_use]
    pub fn new(is_visible: bool) -> Self {
        let bar = if is_visible { ProgressBar::no_length() } else { ProgressBar::hidden() };
        let lines = (is_visible && bar.is_hidden()).then(|| Arc::new(ProgressLines::new(Instant::now())));
        Self { bar, lines }
    }

    pub(super) fn start(&self, dates: usize) {
        self.bar.set_style(bar_style("{msg} {wide_bar} {pos}/{len} dates, {rate}, {eta} left"));
        self.bar.set_length(dates as u64);
        self.bar.reset();
    }

    pub(super) fn complete(&self, date: Date) {
        self.bar.set_message(date.to_string());
        self.bar.inc(1);
        if self.lines.as_ref().is_some_and(|lines| lines.is_due(Instant::now())) {
            let (done, total) = self.dates();
            let left = self.bar.eta().as_secs();
            let rate = self.bar.per_sec();
            chassis::output::note(&format!("{date}: {done}/{total} dates, {rate:.1}/s, {left} s left"));
        }
    }

    /// Returns the number of completed dates and of all dates.
    #[must_use]
    pub fn dates(&self) -> (u64, u64) {
        (self.bar.position(), self.bar.length().unwrap_or(0))
    }

    /// Prints a line to standard error without disturbing the bar.
    pub(super) fn print(&self, text: &str) {
        self.bar.suspend(|| chassis::output::note(text));
    }

    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

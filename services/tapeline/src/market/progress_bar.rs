//! Progress bar of a run, on a terminal.

use indicatif::{ProgressBar, ProgressStyle};
use jiff::civil::Date;

/// Progress over the dates of a replay. Invisible if standard error is not a terminal.
#[derive(Debug, Clone)]
pub struct DateProgress {
    bar: ProgressBar,
}

impl DateProgress {
    /// Returns a progress bar that has not started. It is hidden for a run without a known end.
    #[must_use]
    pub fn new(is_visible: bool) -> Self {
        let bar = if is_visible { ProgressBar::no_length() } else { ProgressBar::hidden() };
        Self { bar }
    }

    pub(super) fn start(&self, dates: usize) {
        let style = ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} dates, {per_sec}, {eta} left");
        self.bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        self.bar.set_length(dates as u64);
        self.bar.reset();
    }

    pub(super) fn complete(&self, date: Date) {
        self.bar.set_message(date.to_string());
        self.bar.inc(1);
    }

    /// Returns the number of completed dates and of all dates.
    #[must_use]
    pub fn dates(&self) -> (u64, u64) {
        (self.bar.position(), self.bar.length().unwrap_or(0))
    }

    /// Prints a line to standard error without disturbing the bar.
    pub(super) fn print(&self, text: &str) {
        self.bar.suspend(|| eprintln!("{text}"));
    }

    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

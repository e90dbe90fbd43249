//! How far a run is, for the person who watches it: a bar on a terminal.

use indicatif::{ProgressBar, ProgressStyle};
use jiff::civil::Date;

/// The bar of a replay. On anything but a terminal it stays silent.
#[derive(Debug, Clone)]
pub struct Show {
    bar: ProgressBar,
}

impl Show {
    /// A bar that hasn't begun; hidden for a run without an end in sight, which tells a line a second instead.
    #[must_use]
    pub fn new(is_shown: bool) -> Self {
        let bar = if is_shown { ProgressBar::no_length() } else { ProgressBar::hidden() };
        Self { bar }
    }

    pub(super) fn begin(&self, dates: usize) {
        let style = ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} dates, {per_sec}, {eta} left");
        self.bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        self.bar.set_length(dates as u64);
        self.bar.reset();
    }

    pub(super) fn step(&self, date: Date) {
        self.bar.set_message(date.to_string());
        self.bar.inc(1);
    }

    /// How many dates are done, and of how many.
    #[must_use]
    pub fn dates(&self) -> (u64, u64) {
        (self.bar.position(), self.bar.length().unwrap_or(0))
    }

    pub(super) fn say(&self, text: &str) {
        self.bar.suspend(|| eprintln!("{text}"));
    }

    pub(super) fn end(&self) {
        self.bar.finish_and_clear();
    }
}

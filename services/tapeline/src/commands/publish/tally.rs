//! Counts of a publication, and its progress on standard error.

use std::time::Instant;

use indicatif::ProgressBar;

use crate::exit::Failure;
use crate::market::ItemResult;
use crate::output::{ProgressLines, bar_style, print};

/// The number of lines with each outcome so far.
#[derive(Debug)]
pub(super) struct Tally {
    accepted: u64,
    /// Invalid findings and broken lines.
    rejected: u64,
    /// Not written: the brokers failed, or the edge was full.
    failed: u64,
    /// Sent, without an acknowledgement.
    unknown: u64,
    /// The last line that was processed.
    line: u64,
    bar: ProgressBar,
    progress: ProgressLines,
}

impl Tally {
    /// Returns the tally of an input of this size, `None` if it is unknown.
    pub(super) fn new(bytes: Option<u64>) -> Self {
        let bar = bytes.map_or_else(ProgressBar::no_length, ProgressBar::new);
        bar.set_style(bar_style("{msg} {wide_bar} {bytes}/{total_bytes}, {eta} left"));
        let progress = ProgressLines::new(Instant::now());
        Self { accepted: 0, rejected: 0, failed: 0, unknown: 0, line: 0, bar, progress }
    }

    /// Counts the result of a line.
    pub(super) fn count(&mut self, line: u64, result: &ItemResult) {
        self.line = self.line.max(line);
        let count = match result.outcome.as_str() {
            "accepted" => &mut self.accepted,
            "invalid" => &mut self.rejected,
            "unknown" => &mut self.unknown,
            _ => &mut self.failed,
        };
        *count += 1;
    }

    /// Counts lines that were sent and have no result.
    pub(super) fn count_in_doubt(&mut self, lines: usize) {
        self.unknown += lines as u64;
    }

    /// Prints to standard output, and shows the progress after `bytes` of the input.
    pub(super) fn print(&self, text: &str, bytes: u64) -> Result<(), Failure> {
        if !text.is_empty() {
            self.bar.suspend(|| print(text))?;
        }
        self.bar.set_message(format!("{} accepted", self.accepted));
        self.bar.set_position(bytes);
        if self.bar.is_hidden() && self.progress.is_due(Instant::now()) {
            let share = self.bar.length().map(|total| format!(" of {total}")).unwrap_or_default();
            chassis::output::note(&format!("line {}, {bytes}{share} bytes: {self}", self.line));
        }
        Ok(())
    }

    /// Removes the bar.
    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }

    /// The last line that was processed, 0 if none was.
    pub(super) fn line(&self) -> u64 {
        self.line
    }

    /// The number of lines that were not accepted.
    pub(super) fn not_accepted(&self) -> u64 {
        self.rejected + self.failed + self.unknown
    }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { accepted, rejected, failed, unknown, .. } = self;
        write!(f, "{accepted} accepted, {} not accepted", self.not_accepted())?;
        if self.not_accepted() > 0 {
            write!(f, " ({rejected} rejected, {failed} failed, {unknown} unknown)")?;
        }
        Ok(())
    }
}

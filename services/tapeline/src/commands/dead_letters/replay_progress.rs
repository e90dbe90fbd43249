//! Progress and result of a replay.

use std::collections::BTreeMap;

use indicatif::{ProgressBar, ProgressStyle};

use super::dead_letter::DeadLetter;
use super::list::ClassCounts;
use super::replay_plan::WithholdReason;

/// Withheld dead letters that are printed.
const PRINTED_MAX: u64 = 100;

/// The counts of a replay, and its progress bar. The bar is invisible if standard error is not a terminal.
pub(super) struct ReplayProgress {
    bar: ProgressBar,
    sent: ClassCounts,
    withheld: BTreeMap<WithholdReason, u64>,
    skipped: u64,
}

impl ReplayProgress {
    pub(super) fn new(total: u64) -> Self {
        let bar = ProgressBar::new(total);
        let style =
            ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} dead letters, {per_sec}, {eta} left");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Self { bar, sent: ClassCounts::default(), withheld: BTreeMap::new(), skipped: 0 }
    }

    pub(super) fn sent(&mut self, dead_letter: &DeadLetter) {
        self.sent.add(dead_letter);
        self.bar.set_message(dead_letter.topic_name());
        self.bar.inc(1);
    }

    pub(super) fn skipped(&mut self) {
        self.skipped += 1;
        self.bar.inc(1);
    }

    /// Prints the position of the dead letter, for `tapeline dead-letters show`.
    pub(super) fn withheld(&mut self, dead_letter: &DeadLetter, reason: WithholdReason, cause: &str) {
        if self.withheld_total() < PRINTED_MAX {
            let (position, class, text) = (dead_letter.position(), dead_letter.class(), reason.text());
            self.bar.suspend(|| eprintln!("withheld   {position} {class}: {text}{cause}"));
        }
        *self.withheld.entry(reason).or_default() += 1;
        self.bar.inc(1);
    }

    pub(super) fn withheld_total(&self) -> u64 {
        self.withheld.values().sum()
    }

    /// Returns what was sent (`verb`) by class and topic, withheld by reason, and skipped.
    pub(super) fn summary(&self, verb: &str) -> String {
        self.bar.finish_and_clear();
        let mut lines = self.sent.lines(false);
        let (sent, withheld) = (self.sent.total(), self.withheld_total());
        lines.push(format!("{verb} {sent}, withheld {withheld}, skipped {}", self.skipped));
        for (reason, count) in &self.withheld {
            lines.push(format!("{count:>8}  withheld: {}", reason.text()));
        }
        lines.join("\n") + "\n"
    }
}

//! Progress and result of a replay.

use std::collections::BTreeMap;
use std::time::Instant;

use indicatif::ProgressBar;

use super::dead_letter::DeadLetter;
use super::list::ClassCounts;
use super::replay_plan::WithholdReason;
use crate::output::{ProgressLines, bar_style, escaped};

/// Withheld dead letters that are printed.
const PRINTED_MAX: u64 = 100;

/// Characters of a topic's name, the longest that Kafka allows.
const TOPIC_CHARACTERS_MAX: usize = 249;

/// Characters of a printed line: the class is a header that others wrote.
const LINE_CHARACTERS_MAX: usize = 500;

/// The counts of a replay, and its progress on standard error: a bar on a terminal, otherwise a line every few seconds.
pub(super) struct ReplayProgress {
    bar: ProgressBar,
    lines: ProgressLines,
    sent: ClassCounts,
    withheld: BTreeMap<WithholdReason, u64>,
    skipped: u64,
}

impl ReplayProgress {
    pub(super) fn new(total: u64) -> Self {
        let bar = ProgressBar::new(total);
        bar.set_style(bar_style("{msg} {wide_bar} {pos}/{len} dead letters, {rate}, {eta} left"));
        let lines = ProgressLines::new(Instant::now());
        Self { bar, lines, sent: ClassCounts::default(), withheld: BTreeMap::new(), skipped: 0 }
    }

    pub(super) fn sent(&mut self, dead_letter: &DeadLetter) {
        self.sent.add(dead_letter);
        self.bar.set_message(escaped(&dead_letter.topic_name(), TOPIC_CHARACTERS_MAX));
        self.advance();
    }

    fn advance(&self) {
        self.bar.inc(1);
        if self.bar.is_hidden() && self.lines.is_due(Instant::now()) {
            let (done, total) = (self.bar.position(), self.bar.length().unwrap_or(0));
            chassis::output::note(&format!("{done}/{total} dead letters, {:.1}/s", self.bar.per_sec()));
        }
    }

    pub(super) fn skipped(&mut self) {
        self.skipped += 1;
        self.advance();
    }

    /// Prints the position of the dead letter, for `tapeline dead-letters show`.
    pub(super) fn withheld(&mut self, dead_letter: &DeadLetter, reason: WithholdReason, cause: &str) {
        if self.withheld_total() < PRINTED_MAX {
            let (position, class, text) = (dead_letter.position(), dead_letter.class(), reason.text());
            let line = format!("withheld   {position} {class}: {text}{cause}");
            self.bar.suspend(|| chassis::output::note(&escaped(&line, LINE_CHARACTERS_MAX)));
        }
        *self.withheld.entry(reason).or_default() += 1;
        self.advance();
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

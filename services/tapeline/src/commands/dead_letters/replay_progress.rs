//! How far a replay is, for the person who watches it, and what it did in the end.

use std::collections::BTreeMap;

use indicatif::{ProgressBar, ProgressStyle};

use super::letter::Letter;
use super::list::Counts;
use super::plan::Hold;

/// How many letters that were held back are named.
const NAMED_MAX: u64 = 100;

/// What was done so far, and its bar. On anything but a terminal the bar stays silent.
pub(super) struct Progress {
    bar: ProgressBar,
    pub(super) sent: Counts,
    held: BTreeMap<Hold, u64>,
    passed_over: u64,
}

impl Progress {
    pub(super) fn new(letters: u64) -> Self {
        let bar = ProgressBar::new(letters);
        let style =
            ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} letters, {per_sec}, {eta} left");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Self { bar, sent: Counts::default(), held: BTreeMap::new(), passed_over: 0 }
    }

    pub(super) fn sent(&mut self, letter: &Letter) {
        self.sent.add(letter);
        self.bar.set_message(letter.topic_name());
        self.bar.inc(1);
    }

    pub(super) fn passed_over(&mut self) {
        self.passed_over += 1;
        self.bar.inc(1);
    }

    /// Names the letter, so that it can be looked at.
    pub(super) fn held(&mut self, letter: &Letter, hold: Hold, cause: &str) {
        if self.held_total() < NAMED_MAX {
            let (place, class, text) = (letter.place(), letter.class(), hold.text());
            self.bar.suspend(|| eprintln!("held back  {place} {class}: {text}{cause}"));
        }
        *self.held.entry(hold).or_default() += 1;
        self.bar.inc(1);
    }

    pub(super) fn held_total(&self) -> u64 {
        self.held.values().sum()
    }

    /// In words: what was sent (`verb`), by class and topic, held back, passed over.
    pub(super) fn summary(&self, verb: &str) -> String {
        self.bar.finish_and_clear();
        let mut lines = self.sent.lines(false);
        let (sent, held) = (self.sent.total(), self.held_total());
        lines.push(format!("{verb} {sent}, held back {held}, passed over {}", self.passed_over));
        for (hold, letters) in &self.held {
            lines.push(format!("{letters:>8}  held back: {}", hold.text()));
        }
        lines.join("\n")
    }
}

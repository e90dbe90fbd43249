//! The counts of the audit: a row for each stage, and examples.

use std::collections::BTreeMap;

use serde::Serialize;

use super::stage::Stage;

/// The counts of one stage.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// Input records; of the feature stage, symbols of requests.
    pub inputs: u64,
    /// Inputs that require an output of their own: neither covered nor dead-lettered.
    pub expected: u64,
    /// Expected outputs that exist.
    pub found: u64,
    /// Inputs that require no output of their own: a dedup window covers them, a gap is too short, or an output of another input counts
    /// for them.
    pub covered: u64,
    /// Inputs that were dead-lettered.
    pub dead_letters: u64,
    /// Expected outputs that do not exist.
    pub lost: u64,
    /// Outputs that no input requires, or that exist more often than required.
    pub doubled: u64,
    /// Outputs that precede the output of an earlier input of the same key.
    pub reordered: u64,
}

/// The result of the audit.
#[derive(Debug, Clone, Default)]
pub struct AuditResult {
    rows: BTreeMap<Stage, Tally>,
    /// From the append of an alert to the append of its vector, milliseconds, sorted.
    pub latencies_ms: Vec<i64>,
    /// The first few lost, doubled and reordered records of each stage, as text.
    pub examples: Vec<String>,
}

/// Examples of each kind and stage.
const EXAMPLES_MAX: u64 = 5;

impl AuditResult {
    /// Returns a result with these rows.
    #[cfg(test)]
    pub(crate) fn of_rows(rows: impl IntoIterator<Item = (Stage, Tally)>) -> Self {
        Self { rows: rows.into_iter().collect(), ..Self::default() }
    }

    /// Returns the counts of a stage.
    #[must_use]
    pub fn row(&self, stage: Stage) -> Tally {
        self.rows.get(&stage).copied().unwrap_or_default()
    }

    /// Returns lost, doubled and reordered of all stages.
    #[must_use]
    pub fn totals(&self) -> (u64, u64, u64) {
        let sum = |of: fn(&Tally) -> u64| self.rows.values().map(of).sum();
        (sum(|row| row.lost), sum(|row| row.doubled), sum(|row| row.reordered))
    }

    pub(super) fn tally(&mut self, stage: Stage) -> &mut Tally {
        self.rows.entry(stage).or_default()
    }

    pub(super) fn lost(&mut self, stage: Stage, text: impl FnOnce() -> String) {
        let before = self.tally(stage).lost;
        self.tally(stage).lost += 1;
        self.add_example(before, stage, "lost", text);
    }

    pub(super) fn doubled(&mut self, stage: Stage, times: u64, text: impl FnOnce() -> String) {
        let before = self.tally(stage).doubled;
        self.tally(stage).doubled += times;
        self.add_example(before, stage, "doubled", text);
    }

    pub(super) fn reordered(&mut self, stage: Stage, text: impl FnOnce() -> String) {
        let before = self.tally(stage).reordered;
        self.tally(stage).reordered += 1;
        self.add_example(before, stage, "reordered", text);
    }

    fn add_example(&mut self, before: u64, stage: Stage, kind: &str, text: impl FnOnce() -> String) {
        if before < EXAMPLES_MAX {
            self.examples.push(format!("{} {kind}: {}", stage.name(), text()));
        }
    }
}

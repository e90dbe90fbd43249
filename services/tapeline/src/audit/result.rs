//! The counts, a row a stage, and examples of what they are made of.

use std::collections::BTreeMap;

use contracts::Topic;
use serde::Serialize;

/// A stage whose inputs and outputs are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// Proposals to qualifications and promotions.
    Announcer,
    /// Alerts to feature requests.
    Bridge,
    /// Feature requests to vectors and failures.
    Feature,
    /// Qualifications, promotions and gaps to requests for ranges.
    Planner,
    /// Requests for ranges to their ends.
    Executor,
}

impl Stage {
    /// All of them, in the order of the flow.
    pub const ALL: [Self; 5] = [Self::Announcer, Self::Bridge, Self::Feature, Self::Planner, Self::Executor];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Announcer => "announcer",
            Self::Bridge => "bridge",
            Self::Feature => "feature",
            Self::Planner => "planner",
            Self::Executor => "executor",
        }
    }

    /// The group that it consumes as.
    #[must_use]
    pub const fn group(self) -> &'static str {
        match self {
            Self::Announcer => publisher::service::GROUP,
            Self::Bridge => scanner_bridge::service::GROUP,
            Self::Feature => feature::service::GROUP,
            Self::Planner => backfill::service::PLANNER_GROUP,
            Self::Executor => backfill::service::EXECUTOR_GROUP,
        }
    }

    /// What it consumes.
    #[must_use]
    pub const fn inputs(self) -> &'static [Topic] {
        match self {
            Self::Announcer => &[Topic::SymbolProposed],
            Self::Bridge => &[Topic::AlertRaised],
            Self::Feature => &[Topic::BatchRequested, Topic::BatchUrgent],
            Self::Planner => &[Topic::SymbolQualified, Topic::SymbolPromoted, Topic::GapDetected],
            Self::Executor => &[Topic::RangeRequested],
        }
    }

    /// What it produces, as far as that is counted.
    #[must_use]
    pub const fn outputs(self) -> &'static [Topic] {
        match self {
            Self::Announcer => &[Topic::SymbolQualified, Topic::SymbolPromoted],
            Self::Bridge => &[Topic::BatchRequested, Topic::BatchUrgent],
            Self::Feature => &[Topic::VectorComputed, Topic::RequestFailed],
            Self::Planner => &[Topic::RangeRequested],
            Self::Executor => &[Topic::RangeProgressed, Topic::RangeCompleted, Topic::RangeFailed],
        }
    }

    /// The stage that consumes this topic.
    #[must_use]
    pub fn of_input(topic: Topic) -> Option<Self> {
        Self::ALL.into_iter().find(|stage| stage.inputs().contains(&topic))
    }
}

/// One stage's row.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// Records taken in (of feature: symbols of requests).
    pub inputs: u64,
    /// Inputs that owe an output of their own: neither covered nor dead letters.
    pub expected: u64,
    /// Those whose output is there.
    pub found: u64,
    /// Inputs that rightly owe none: their window covers them, a gap is too short, another's end answers them.
    pub covered: u64,
    /// Inputs that ended as dead letters.
    pub dead_letters: u64,
    /// Inputs that owe an output which is nowhere.
    pub lost: u64,
    /// Outputs that nobody owed, or owed once.
    pub doubled: u64,
    /// Outputs that came before that of an earlier input of the same key.
    pub reordered: u64,
}

/// What the count found.
#[derive(Debug, Clone, Default)]
pub struct Count {
    rows: BTreeMap<Stage, Tally>,
    /// From the append of an alert to that of its vector, milliseconds, sorted.
    pub latencies_ms: Vec<i64>,
    /// What the counts are made of, the first few of each, for a person.
    pub examples: Vec<String>,
}

/// How many examples of each kind and stage are kept for a person.
const EXAMPLES_MAX: u64 = 5;

impl Count {
    /// A count of these rows.
    #[cfg(test)]
    pub(crate) fn of_rows(rows: impl IntoIterator<Item = (Stage, Tally)>) -> Self {
        Self { rows: rows.into_iter().collect(), ..Self::default() }
    }

    /// A stage's row.
    #[must_use]
    pub fn row(&self, stage: Stage) -> Tally {
        self.rows.get(&stage).copied().unwrap_or_default()
    }

    /// Lost, doubled and reordered of all stages.
    #[must_use]
    pub fn faults(&self) -> (u64, u64, u64) {
        let sum = |of: fn(&Tally) -> u64| self.rows.values().map(of).sum();
        (sum(|row| row.lost), sum(|row| row.doubled), sum(|row| row.reordered))
    }

    pub(super) fn of(&mut self, stage: Stage) -> &mut Tally {
        self.rows.entry(stage).or_default()
    }

    pub(super) fn lost(&mut self, stage: Stage, text: impl FnOnce() -> String) {
        let so_far = self.of(stage).lost;
        self.of(stage).lost += 1;
        self.example(so_far, stage, "lost", text);
    }

    pub(super) fn doubled(&mut self, stage: Stage, times: u64, text: impl FnOnce() -> String) {
        let so_far = self.of(stage).doubled;
        self.of(stage).doubled += times;
        self.example(so_far, stage, "doubled", text);
    }

    pub(super) fn reordered(&mut self, stage: Stage, text: impl FnOnce() -> String) {
        let so_far = self.of(stage).reordered;
        self.of(stage).reordered += 1;
        self.example(so_far, stage, "reordered", text);
    }

    fn example(&mut self, so_far: u64, stage: Stage, kind: &str, text: impl FnOnce() -> String) {
        if so_far < EXAMPLES_MAX {
            self.examples.push(format!("{} {kind}: {}", stage.name(), text()));
        }
    }
}

//! The stages that are audited.

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
    /// Qualifications, promotions and gaps to range requests.
    Planner,
    /// Range requests to completions and failures.
    Executor,
}

impl Stage {
    /// All stages, in the order of the data flow.
    pub const ALL: [Self; 5] = [Self::Announcer, Self::Bridge, Self::Feature, Self::Planner, Self::Executor];

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

    /// Returns its consumer group.
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

    /// Returns its input topics.
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

    /// Returns the output topics that are counted.
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

    /// Returns the stage that consumes this topic.
    #[must_use]
    pub fn of_input(topic: Topic) -> Option<Self> {
        Self::ALL.into_iter().find(|stage| stage.inputs().contains(&topic))
    }
}

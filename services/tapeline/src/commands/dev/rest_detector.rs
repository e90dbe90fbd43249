//! Detects the end of a run: every group has committed its topics' ends, and no end moves any more. Pure.

use std::time::Duration;

/// Time between two observations. Two consecutive equal ones with all groups at their ends mean rest.
pub(super) const OBSERVE_INTERVAL: Duration = Duration::from_millis(200);

/// A run is stalled after this time without any change, while a group is not at its end.
pub(super) const STALL_TIMEOUT: Duration = Duration::from_secs(30);

/// Committed offset of one group in one partition, and the partition's end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct GroupPosition {
    /// The stage, as in reports.
    pub(super) stage: &'static str,
    pub(super) topic: String,
    pub(super) partition: i32,
    /// The next offset that the group reads.
    pub(super) committed: i64,
    /// The offset after the last record.
    pub(super) end: i64,
}

impl GroupPosition {
    fn is_at_end(&self) -> bool {
        self.committed >= self.end
    }
}

/// The result of an observation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum RunState {
    /// Something changed, or rest was observed only once.
    Active,
    /// All records are processed.
    AtRest,
    /// No change for [`STALL_TIMEOUT`]; the partition with the largest lag.
    Stalled(GroupPosition),
}

/// Compares each observation with the previous one.
#[derive(Debug, Default)]
pub(super) struct RestDetector {
    previous: Vec<GroupPosition>,
    changed_at: Duration,
}

impl RestDetector {
    /// Takes an observation at time `now` (monotonic).
    pub(super) fn observe(&mut self, positions: Vec<GroupPosition>, now: Duration) -> RunState {
        let has_changed = positions != self.previous;
        let is_done = !positions.is_empty() && positions.iter().all(GroupPosition::is_at_end);
        if has_changed {
            self.previous = positions;
            self.changed_at = now;
            return RunState::Active;
        }
        if is_done {
            return RunState::AtRest;
        }
        if now.saturating_sub(self.changed_at) < STALL_TIMEOUT {
            return RunState::Active;
        }
        lag_max(&self.previous).map_or(RunState::Active, |position| RunState::Stalled(position.clone()))
    }
}

/// Returns the position with the largest lag, `None` if all groups are at their ends.
#[must_use]
pub(super) fn lag_max(positions: &[GroupPosition]) -> Option<&GroupPosition> {
    positions.iter().filter(|it| !it.is_at_end()).max_by_key(|it| it.end - it.committed)
}

impl std::fmt::Display for GroupPosition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { stage, topic, partition, committed, end } = self;
        write!(f, "{stage} has committed offset {committed} of {topic}[{partition}], end {end}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn position(partition: i32, committed: i64, end: i64) -> GroupPosition {
        GroupPosition { stage: "bridge", topic: "scanner.alert.raised.v1".into(), partition, committed, end }
    }

    #[test]
    fn two_equal_observations_at_the_end_are_rest() {
        let mut detector = RestDetector::default();
        let at = Duration::from_millis;
        assert_eq!(detector.observe(vec![position(0, 5, 5)], at(0)), RunState::Active);
        assert_eq!(detector.observe(vec![position(0, 6, 6)], at(200)), RunState::Active, "an end has moved");
        assert_eq!(detector.observe(vec![position(0, 6, 6)], at(400)), RunState::AtRest);
    }

    #[test]
    fn unchanged_lag_is_stalled_after_the_timeout() {
        let mut detector = RestDetector::default();
        let lagging = vec![position(0, 5, 5), position(1, 3, 4), position(2, 1, 9)];
        assert_eq!(detector.observe(lagging.clone(), Duration::ZERO), RunState::Active);
        assert_eq!(detector.observe(lagging.clone(), STALL_TIMEOUT - OBSERVE_INTERVAL), RunState::Active);
        assert_eq!(detector.observe(lagging, STALL_TIMEOUT), RunState::Stalled(position(2, 1, 9)));
    }
}

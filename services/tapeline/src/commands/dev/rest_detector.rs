//! When a run has come to its end: every group stands at its topics' ends, and no end moves any more.

use std::time::Duration;

/// Time between two looks; two equal ones in a row, all at the end, are rest.
pub const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Without any movement for this long, short of the end, something is stuck.
pub const STUCK_AFTER: Duration = Duration::from_secs(30);

/// Where one group stands in one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// The stage, as reports name it.
    pub stage: &'static str,
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// The next offset that the group will read.
    pub committed: i64,
    /// The offset after the last record.
    pub end: i64,
}

impl Standing {
    fn is_at_end(&self) -> bool {
        self.committed >= self.end
    }
}

/// What a look tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Look {
    /// Something moved, or rest has been seen only once.
    Moving,
    /// All is done.
    AtRest,
    /// Nothing has moved for [`STUCK_AFTER`]; the partition that is furthest behind.
    Stuck(Standing),
}

/// Remembers the look before.
#[derive(Debug, Default)]
pub struct Quiet {
    before: Vec<Standing>,
    moved_at: Duration,
}

impl Quiet {
    /// Takes a look at time `now` (monotonic).
    pub fn look(&mut self, standings: Vec<Standing>, now: Duration) -> Look {
        let has_moved = standings != self.before;
        let is_done = !standings.is_empty() && standings.iter().all(Standing::is_at_end);
        if has_moved {
            self.before = standings;
            self.moved_at = now;
            return Look::Moving;
        }
        if is_done {
            return Look::AtRest;
        }
        if now.saturating_sub(self.moved_at) < STUCK_AFTER {
            return Look::Moving;
        }
        furthest(&self.before).map_or(Look::Moving, |standing| Look::Stuck(standing.clone()))
    }
}

/// The group that is furthest from its end; `None` when none is short of it.
#[must_use]
pub fn furthest(standings: &[Standing]) -> Option<&Standing> {
    standings.iter().filter(|s| !s.is_at_end()).max_by_key(|s| s.end - s.committed)
}

impl std::fmt::Display for Standing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { stage, topic, partition, committed, end } = self;
        write!(
            f,
            "{stage} stands at offset {committed} of {topic} partition {partition}, which ends at {end}"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing(partition: i32, committed: i64, end: i64) -> Standing {
        Standing { stage: "bridge", topic: "scanner.alert.raised.v1".into(), partition, committed, end }
    }

    #[test]
    fn rest_is_two_equal_looks_at_the_end() {
        let mut quiet = Quiet::default();
        let at = Duration::from_millis;
        assert_eq!(quiet.look(vec![standing(0, 5, 5)], at(0)), Look::Moving);
        assert_eq!(quiet.look(vec![standing(0, 6, 6)], at(200)), Look::Moving, "an end has moved");
        assert_eq!(quiet.look(vec![standing(0, 6, 6)], at(400)), Look::AtRest);
    }

    #[test]
    fn standing_still_short_of_the_end_is_stuck_after_its_time_and_named() {
        let mut quiet = Quiet::default();
        let still = vec![standing(0, 5, 5), standing(1, 3, 4), standing(2, 1, 9)];
        assert_eq!(quiet.look(still.clone(), Duration::ZERO), Look::Moving);
        assert_eq!(quiet.look(still.clone(), STUCK_AFTER - LOOK_EVERY), Look::Moving);
        assert_eq!(quiet.look(still, STUCK_AFTER), Look::Stuck(standing(2, 1, 9)));
    }
}

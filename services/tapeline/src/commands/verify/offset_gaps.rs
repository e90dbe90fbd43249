//! Where a group's committed offset doesn't fit what its partition holds.
//!
//! A commit stands at the end of what was finished. At rest that is behind the last committed record; anything from there to the
//! partition's end fits, since transactions leave markers, which take offsets and are nobody's work. Pure.

use contracts::Topic;
use kafka_io::Watermarks;
use serde::Serialize;

use crate::audit::Stage;

/// What a group has committed of a partition.
#[derive(Debug, Clone, Copy)]
pub(super) struct Standing {
    pub(super) stage: Stage,
    pub(super) topic: Topic,
    pub(super) partition: i32,
    pub(super) committed: Option<i64>,
}

/// What a partition holds, as far as it matters to a commit.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tail {
    marks: Watermarks,
    committed: i64,
    /// Committed records that the commit doesn't cover.
    open: u64,
    last: Option<i64>,
}

/// A commit that doesn't fit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Gap {
    #[serde(skip)]
    pub(super) stage: Stage,
    /// The group.
    pub(super) group: &'static str,
    /// The topic.
    pub(super) topic: &'static str,
    /// The partition.
    pub(super) partition: i32,
    /// What the group has committed; none is nothing.
    pub(super) committed: Option<i64>,
    /// The offset of the partition's next record.
    pub(super) end: i64,
    /// Committed records that it hasn't passed; 0 where the commit lies beyond the end.
    pub(super) records: u64,
}

impl Tail {
    pub(super) fn new(marks: Watermarks, committed: Option<i64>) -> Self {
        Self { marks, committed: committed.unwrap_or(0), open: 0, last: None }
    }

    /// Notes a committed record; whether it lies before the end.
    pub(super) fn takes(&mut self, offset: i64) -> bool {
        let is_before_end = offset < self.marks.high;
        if is_before_end {
            self.last = self.last.max(Some(offset));
            self.open += u64::from(offset >= self.committed);
        }
        is_before_end
    }
}

impl Standing {
    /// The gap that this is, in a partition that was read to its end.
    pub(super) fn gap(&self, tail: &Tail) -> Option<Gap> {
        let is_beyond = self.committed.is_some_and(|committed| committed > tail.marks.high);
        (tail.open > 0 || is_beyond).then(|| Gap {
            stage: self.stage,
            group: self.stage.group(),
            topic: self.topic.name(),
            partition: self.partition,
            committed: self.committed,
            end: tail.marks.high,
            records: tail.open,
        })
    }
}

impl std::fmt::Display for Gap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { group, topic, partition, end, records, .. } = self;
        match self.committed {
            None => write!(
                f,
                "{group} has committed nothing of {topic}[{partition}], which holds {records} records"
            ),
            Some(committed) if *records == 0 => {
                write!(f, "{group} has committed {committed} of {topic}[{partition}], beyond its end {end}")
            }
            Some(committed) => {
                write!(
                    f,
                    "{group} stands at {committed} of {topic}[{partition}], before {records} records; end {end}"
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A partition with records at 0..8, a marker at 8, and an aborted record and its marker at 9 and 10.
    fn gap(committed: Option<i64>) -> Option<u64> {
        let standing = Standing { stage: Stage::Bridge, topic: Topic::AlertRaised, partition: 0, committed };
        let mut tail = Tail::new(Watermarks { partition: 0, low: 0, high: 11 }, committed);
        for offset in 0..8 {
            assert!(tail.takes(offset));
        }
        assert!(!tail.takes(11), "it came after the reading began");
        standing.gap(&tail).map(|gap| gap.records)
    }

    #[test]
    fn a_commit_short_by_one_record_is_a_gap_and_markers_are_none() {
        assert_eq!(gap(Some(7)), Some(1));
        for fits in 8..=11 {
            assert_eq!(gap(Some(fits)), None, "{fits}");
        }
        assert_eq!(gap(None), Some(8));
        assert_eq!(gap(Some(12)), Some(0), "beyond the end");
    }

    #[test]
    fn an_empty_partition_needs_no_commit() {
        let standing =
            Standing { stage: Stage::Bridge, topic: Topic::AlertRaised, partition: 0, committed: None };
        let tail = Tail::new(Watermarks { partition: 0, low: 0, high: 2 }, None);
        assert_eq!(standing.gap(&tail), None);
    }
}

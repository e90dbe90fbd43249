//! Committed offsets that do not fit their partitions.
//!
//! A committed offset is the end of the resolved prefix. At rest it lies after the last committed record; any offset from there to the
//! partition's end fits, because transaction markers take offsets and are no records. Pure.

use contracts::Topic;
use kafka_io::Watermarks;
use serde::Serialize;

use crate::audit::Stage;

/// The committed offset of a stage's group in one partition.
#[derive(Debug, Clone, Copy)]
pub(super) struct CommittedOffset {
    pub(super) stage: Stage,
    pub(super) topic: Topic,
    pub(super) partition: i32,
    /// `None` if the group has committed nothing.
    pub(super) committed: Option<i64>,
}

/// The records of a partition after a committed offset.
#[derive(Debug, Clone, Copy)]
pub(super) struct PartitionTail {
    watermarks: Watermarks,
    committed: i64,
    /// Committed records at or after the committed offset.
    open: u64,
    last: Option<i64>,
}

/// A committed offset that does not fit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct OffsetGap {
    #[serde(skip)]
    pub(super) stage: Stage,
    pub(super) group: &'static str,
    pub(super) topic: &'static str,
    pub(super) partition: i32,
    /// `None` if the group has committed nothing.
    pub(super) committed: Option<i64>,
    /// The offset of the partition's next record.
    pub(super) end: i64,
    /// Unprocessed committed records; 0 if the committed offset lies after the end.
    pub(super) records: u64,
}

impl PartitionTail {
    pub(super) fn new(watermarks: Watermarks, committed: Option<i64>) -> Self {
        Self { watermarks, committed: committed.unwrap_or(0), open: 0, last: None }
    }

    /// Adds a committed record. Returns whether it lies before the end.
    pub(super) fn add(&mut self, offset: i64) -> bool {
        let is_before_end = offset < self.watermarks.high;
        if is_before_end {
            self.last = self.last.max(Some(offset));
            self.open += u64::from(offset >= self.committed);
        }
        is_before_end
    }
}

impl CommittedOffset {
    /// Returns the gap, in a partition that was read to its end. `None` if the committed offset fits.
    pub(super) fn gap(&self, tail: &PartitionTail) -> Option<OffsetGap> {
        let is_after_end = self.committed.is_some_and(|committed| committed > tail.watermarks.high);
        (tail.open > 0 || is_after_end).then(|| OffsetGap {
            stage: self.stage,
            group: self.stage.group(),
            topic: self.topic.name(),
            partition: self.partition,
            committed: self.committed,
            end: tail.watermarks.high,
            records: tail.open,
        })
    }
}

impl std::fmt::Display for OffsetGap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { group, topic, partition, end, records, .. } = self;
        match self.committed {
            None => {
                write!(
                    f,
                    "{group} has no committed offset of {topic}[{partition}]: {records} records unprocessed"
                )
            }
            Some(committed) if *records == 0 => {
                write!(
                    f,
                    "{group} has committed offset {committed} of {topic}[{partition}], after its end {end}"
                )
            }
            Some(committed) => write!(
                f,
                "{group} has committed offset {committed} of {topic}[{partition}]: {records} records unprocessed, end {end}"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A partition with records at 0..8, a marker at 8, and an aborted record and its marker at 9 and 10.
    fn gap(committed: Option<i64>) -> Option<u64> {
        let offset =
            CommittedOffset { stage: Stage::Bridge, topic: Topic::AlertRaised, partition: 0, committed };
        let mut tail = PartitionTail::new(Watermarks { partition: 0, low: 0, high: 11 }, committed);
        for offset in 0..8 {
            assert!(tail.add(offset));
        }
        assert!(!tail.add(11), "appended after the start");
        offset.gap(&tail).map(|gap| gap.records)
    }

    #[test]
    fn one_unprocessed_record_is_a_gap_and_markers_are_none() {
        assert_eq!(gap(Some(7)), Some(1));
        for fitting in 8..=11 {
            assert_eq!(gap(Some(fitting)), None, "{fitting}");
        }
        assert_eq!(gap(None), Some(8));
        assert_eq!(gap(Some(12)), Some(0), "after the end");
    }

    #[test]
    fn empty_partition_needs_no_committed_offset() {
        let offset = CommittedOffset {
            stage: Stage::Bridge,
            topic: Topic::AlertRaised,
            partition: 0,
            committed: None,
        };
        let tail = PartitionTail::new(Watermarks { partition: 0, low: 0, high: 2 }, None);
        assert_eq!(offset.gap(&tail), None);
    }
}

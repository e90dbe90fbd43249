//! Age of the oldest unresolved record.
//!
//! Of each processed run of records the tracker keeps the offset and the timestamp of the first, until the resolved prefix has passed the
//! next run. So the age is exact to one run, and its cost does not depend on the number of records. The timestamps of records that are
//! not fetched yet are unknown: their age counts from the moment when they were first observed.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use kit::SaturatingFrom;
use pipeline::{InputPartition, Now};

/// Runs kept per input. If there are more, the later ones count as old as the last kept.
const RUNS_MAX: usize = 1_024;

/// The offsets of an input.
#[derive(Debug, Clone, Copy)]
pub(super) struct InputOffsets {
    pub(super) input: InputPartition,
    /// The end of the resolved prefix.
    pub(super) prefix: i64,
    /// The fetch position.
    pub(super) position: i64,
    /// The end of the partition. `None` if it is unknown.
    pub(super) end: Option<i64>,
}

/// The ages of the unresolved records of each input.
#[derive(Debug, Default)]
pub(super) struct RecordAges {
    of: BTreeMap<InputPartition, InputAges>,
}

#[derive(Debug, Default)]
struct InputAges {
    runs: VecDeque<Run>,
    /// The position after which unfetched records were observed, and when, monotonic.
    unfetched: Option<(i64, Duration)>,
}

#[derive(Debug, Clone, Copy)]
struct Run {
    offset: i64,
    timestamp_ms: i64,
}

// === impl RecordAges ===

impl RecordAges {
    /// Adds a processed run of records by its first record.
    pub(super) fn processed(&mut self, input: InputPartition, offset: i64, timestamp_ms: i64) {
        let runs = &mut self.of.entry(input).or_default().runs;
        if runs.len() < RUNS_MAX {
            runs.push_back(Run { offset, timestamp_ms });
        }
    }

    /// Returns the age of the oldest unresolved record of these inputs; forgets all other inputs. Zero if there is none.
    pub(super) fn oldest(&mut self, inputs: impl IntoIterator<Item = InputOffsets>, now: Now) -> Duration {
        let mut before = std::mem::take(&mut self.of);
        let mut oldest = Duration::ZERO;
        for offsets in inputs {
            let mut ages = before.remove(&offsets.input).unwrap_or_default();
            oldest = oldest.max(ages.oldest(&offsets, now));
            self.of.insert(offsets.input, ages);
        }
        oldest
    }
}

impl InputAges {
    fn oldest(&mut self, at: &InputOffsets, now: Now) -> Duration {
        // After a rewind the same records are delivered again.
        self.runs.retain(|run| run.offset < at.position);
        while self.runs.get(1).is_some_and(|next| next.offset <= at.prefix) {
            self.runs.pop_front();
        }
        if at.prefix >= at.position {
            self.runs.clear();
        }
        let is_unfetched = at.end.is_some_and(|end| end > at.position);
        let since = self.unfetched.filter(|(position, _)| *position == at.position);
        self.unfetched = is_unfetched.then(|| since.unwrap_or((at.position, now.monotonic)));
        let unfetched =
            self.unfetched.map_or(Duration::ZERO, |(_, since)| now.monotonic.saturating_sub(since));
        let held_ms = self.runs.front().map_or(0, |run| now.wall_micros / 1_000 - run.timestamp_ms);
        unfetched.max(Duration::from_millis(u64::saturating_from(held_ms)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: InputPartition = InputPartition { topic: 0, partition: 1 };
    const TWO: InputPartition = InputPartition { topic: 0, partition: 2 };

    fn at(seconds: u64) -> Now {
        let wall_micros = i64::try_from(seconds).unwrap() * 1_000_000;
        Now { monotonic: Duration::from_secs(seconds), wall_micros }
    }

    fn offsets(input: InputPartition, prefix: i64, position: i64, end: i64) -> InputOffsets {
        InputOffsets { input, prefix, position, end: Some(end) }
    }

    #[test]
    fn held_record_is_as_old_as_the_first_record_of_its_run() {
        let mut ages = RecordAges::default();
        ages.processed(ONE, 5, 10_000);
        ages.processed(ONE, 8, 14_000);
        let mut oldest = |prefix, seconds| ages.oldest([offsets(ONE, prefix, 9, 9)], at(seconds)).as_secs();
        assert_eq!(oldest(5, 20), 10);
        assert_eq!(oldest(7, 21), 11);
        assert_eq!(oldest(8, 22), 8);
        assert_eq!(oldest(9, 30), 0);
    }

    #[test]
    fn unfetched_records_age_from_their_first_observation() {
        let mut ages = RecordAges::default();
        assert_eq!(ages.oldest([offsets(ONE, 5, 5, 9)], at(100)).as_secs(), 0);
        assert_eq!(ages.oldest([offsets(ONE, 5, 5, 9)], at(160)).as_secs(), 60);
        assert_eq!(ages.oldest([offsets(ONE, 6, 6, 9)], at(170)).as_secs(), 0);
        assert_eq!(ages.oldest([offsets(ONE, 9, 9, 9)], at(900)).as_secs(), 0);
    }

    #[test]
    fn oldest_input_counts_and_revoked_inputs_are_forgotten() {
        let mut ages = RecordAges::default();
        ages.processed(ONE, 0, 0);
        ages.processed(TWO, 0, 50_000);
        let both = [offsets(ONE, 0, 1, 1), offsets(TWO, 0, 1, 1)];
        assert_eq!(ages.oldest(both, at(60)).as_secs(), 60);
        assert_eq!(ages.oldest([offsets(TWO, 0, 1, 1)], at(60)).as_secs(), 10);
        assert_eq!(ages.oldest(both, at(70)).as_secs(), 20);
    }

    #[test]
    fn runs_after_a_rewind_are_kept_once_and_are_bounded() {
        let mut ages = RecordAges::default();
        ages.processed(ONE, 5, 10_000);
        assert_eq!(ages.oldest([offsets(ONE, 5, 5, 6)], at(20)).as_secs(), 0);
        for offset in 0..5_000 {
            ages.processed(ONE, offset, 10_000);
        }
        assert_eq!(ages.of[&ONE].runs.len(), RUNS_MAX);
        assert_eq!(ages.oldest([offsets(ONE, 4_999, 5_000, 5_000)], at(20)).as_secs(), 10);
    }
}

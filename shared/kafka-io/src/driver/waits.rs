//! How long the oldest record has been waiting that a stage hasn't settled.
//!
//! Of each run of records that was judged, offset and time of the first are kept until the prefix has passed the next run: so the answer
//! is off by a run at most, and costs nothing by the record. Records that nobody has read yet have no time that is known: they
//! wait since they were first seen to.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use pipeline::{InputPartition, Now};

/// Runs remembered of a input. When there are more, the later ones count as old as the last remembered.
const RUNS_MAX: usize = 1_024;

/// Where a input stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Standing {
    pub(super) input: InputPartition,
    /// The end of what is settled.
    pub(super) prefix: i64,
    /// The end of what was fetched.
    pub(super) position: i64,
    /// The end of what there is, where it is known.
    pub(super) end: Option<i64>,
}

/// What is remembered of each input.
#[derive(Debug, Default)]
pub(super) struct Waits {
    of: BTreeMap<InputPartition, Wait>,
}

#[derive(Debug, Default)]
struct Wait {
    runs: VecDeque<Run>,
    /// The position behind which records wait unread, and since when, monotonic.
    unread: Option<(i64, Duration)>,
}

#[derive(Debug, Clone, Copy)]
struct Run {
    offset: i64,
    timestamp_ms: i64,
}

// === impl Waits ===

impl Waits {
    /// A run of records of this input was judged, and this was its first.
    pub(super) fn processed(&mut self, input: InputPartition, offset: i64, timestamp_ms: i64) {
        let runs = &mut self.of.entry(input).or_default().runs;
        if runs.len() < RUNS_MAX {
            runs.push_back(Run { offset, timestamp_ms });
        }
    }

    /// How long the oldest record waits, over all inputs; those that aren't named are forgotten.
    pub(super) fn longest(&mut self, standings: impl IntoIterator<Item = Standing>, now: Now) -> Duration {
        let mut before = std::mem::take(&mut self.of);
        let mut longest = Duration::ZERO;
        for standing in standings {
            let mut wait = before.remove(&standing.input).unwrap_or_default();
            longest = longest.max(wait.longest(&standing, now));
            self.of.insert(standing.input, wait);
        }
        longest
    }
}

impl Wait {
    fn longest(&mut self, at: &Standing, now: Now) -> Duration {
        // After a rewind the same records come again.
        self.runs.retain(|run| run.offset < at.position);
        while self.runs.get(1).is_some_and(|next| next.offset <= at.prefix) {
            self.runs.pop_front();
        }
        if at.prefix >= at.position {
            self.runs.clear();
        }
        let is_unread = at.end.is_some_and(|end| end > at.position);
        let since = self.unread.filter(|(position, _)| *position == at.position);
        self.unread = is_unread.then(|| since.unwrap_or((at.position, now.monotonic)));
        let unread = self.unread.map_or(Duration::ZERO, |(_, since)| now.monotonic.saturating_sub(since));
        let held = self.runs.front().map_or(0, |run| now.wall_micros / 1_000 - run.timestamp_ms);
        unread.max(Duration::from_millis(u64::try_from(held).unwrap_or(0)))
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

    fn standing(input: InputPartition, prefix: i64, position: i64, end: i64) -> Standing {
        Standing { input, prefix, position, end: Some(end) }
    }

    #[test]
    fn a_held_record_is_as_old_as_its_run_until_the_prefix_has_passed_it() {
        let mut waits = Waits::default();
        waits.processed(ONE, 5, 10_000);
        waits.processed(ONE, 8, 14_000);
        let mut longest =
            |prefix, seconds| waits.longest([standing(ONE, prefix, 9, 9)], at(seconds)).as_secs();
        assert_eq!(longest(5, 20), 10);
        assert_eq!(longest(7, 21), 11);
        assert_eq!(longest(8, 22), 8);
        assert_eq!(longest(9, 30), 0);
    }

    #[test]
    fn unread_records_wait_since_they_were_seen_to_and_a_move_begins_anew() {
        let mut waits = Waits::default();
        assert_eq!(waits.longest([standing(ONE, 5, 5, 9)], at(100)).as_secs(), 0);
        assert_eq!(waits.longest([standing(ONE, 5, 5, 9)], at(160)).as_secs(), 60);
        assert_eq!(waits.longest([standing(ONE, 6, 6, 9)], at(170)).as_secs(), 0);
        assert_eq!(waits.longest([standing(ONE, 9, 9, 9)], at(900)).as_secs(), 0);
    }

    #[test]
    fn the_longest_wait_of_all_counts_and_what_is_gone_is_forgotten() {
        let mut waits = Waits::default();
        waits.processed(ONE, 0, 0);
        waits.processed(TWO, 0, 50_000);
        let both = [standing(ONE, 0, 1, 1), standing(TWO, 0, 1, 1)];
        assert_eq!(waits.longest(both, at(60)).as_secs(), 60);
        assert_eq!(waits.longest([standing(TWO, 0, 1, 1)], at(60)).as_secs(), 10);
        assert_eq!(waits.longest(both, at(70)).as_secs(), 20);
    }

    #[test]
    fn runs_that_come_again_after_a_rewind_are_not_remembered_twice_and_their_number_is_bounded() {
        let mut waits = Waits::default();
        waits.processed(ONE, 5, 10_000);
        assert_eq!(waits.longest([standing(ONE, 5, 5, 6)], at(20)).as_secs(), 0);
        for offset in 0..5_000 {
            waits.processed(ONE, offset, 10_000);
        }
        assert_eq!(waits.of[&ONE].runs.len(), RUNS_MAX);
        assert_eq!(waits.longest([standing(ONE, 4_999, 5_000, 5_000)], at(20)).as_secs(), 10);
    }
}

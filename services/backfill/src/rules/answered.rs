//! What was asked for already, and how it ended.
//!
//! The same history (symbol, layer, data types, range) is fetched once in 60 min: who asks again is pointed to the first. Only a success
//! closes that window; after a failure asking again is the next attempt, at once. Each (backfill, attempt) ends once: a request for one
//! that is being worked on is the same request come twice.

use std::collections::{BTreeMap, BTreeSet};

use domain::{DataType, DedupWindows, Interval, Layer, Observation, Symbol, Timestamp};

/// 60 min, in microseconds.
pub const DEFAULT_WINDOW_MICROS: i64 = 3_600_000_000;

/// What a request asks for, whatever it is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Identity {
    symbol: Symbol,
    layer: Layer,
    /// A bit for each data type.
    data_types: u8,
    range: Interval,
}

const _: () = assert!(DataType::ALL.len() <= 8);

impl Identity {
    /// The order of the data types doesn't matter.
    #[must_use]
    pub fn new(symbol: Symbol, layer: Layer, data_types: &[DataType], range: Interval) -> Self {
        let data_types = data_types.iter().fold(0, |bits, data_type| bits | 1 << (*data_type as u8));
        Self { symbol, layer, data_types, range }
    }
}

/// One attempt at one backfill; ends once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Attempt {
    /// The UUID as a number.
    pub backfill_id: u128,
    /// 1 for the first.
    pub number: i32,
}

/// What becomes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// It is worked on, as this attempt: the one that it names, or the next when that one has ended.
    Work(Attempt),
    /// The same was fetched within the window: it ends at once, as `attempt`, pointing to `first`.
    Duplicate {
        /// The attempt that its end names.
        attempt: Attempt,
        /// The attempt that fetched it.
        first: Attempt,
    },
    /// This attempt, or a later one, is being worked on: its end answers this request too.
    Repeated,
}

/// What is remembered of the requests of all owned partitions.
#[derive(Debug)]
pub struct Answered {
    window_micros: i64,
    partition_capacity: usize,
    partitions: BTreeMap<i32, Partition>,
}

#[derive(Debug)]
struct Partition {
    running: BTreeSet<Attempt>,
    /// The last attempt of a backfill that ended, by its id; on the wall clock.
    ended: DedupWindows<u128, i32>,
    /// The attempt that fetched it; on the wall clock.
    succeeded: DedupWindows<Identity, Attempt>,
}

impl Answered {
    /// Nothing was asked yet. `window_micros` from a success on, asking again is a duplicate; a partition remembers at most
    /// `partition_capacity` ends.
    #[must_use]
    pub const fn new(window_micros: i64, partition_capacity: usize) -> Self {
        Self { window_micros, partition_capacity, partitions: BTreeMap::new() }
    }

    /// An attempt that an earlier owner of the partition has ended, at `ended_at` (wall clock). Of a backfill's attempts the last one
    /// counts, in whatever order they are told.
    pub fn restore(&mut self, partition: i32, attempt: Attempt, ended_at: Timestamp) {
        let known = self.partition(partition);
        match known.ended.observe(attempt.backfill_id, ended_at) {
            Observation::Inside { value, .. } if *value >= attempt.number => {}
            Observation::Older => {}
            Observation::New | Observation::Later | Observation::Inside { .. } => {
                known.note_end(attempt, ended_at)
            }
        }
    }

    /// Judges a request at `now` (wall clock). One that is to be worked on has to be [`Self::ended`] later.
    pub fn admit(&mut self, partition: i32, identity: Identity, asked: Attempt, now: Timestamp) -> Admission {
        let known = self.partition(partition);
        let last_number = Attempt { number: i32::MAX, ..asked };
        if known.running.range(asked..=last_number).next().is_some() {
            return Admission::Repeated;
        }
        let next = match known.ended.observe(asked.backfill_id, now) {
            Observation::Inside { value, .. } => value.saturating_add(1),
            Observation::New | Observation::Later | Observation::Older => 1,
        };
        let attempt = Attempt { number: asked.number.max(next), ..asked };
        if let Observation::Inside { value, .. } = known.succeeded.observe(identity, now) {
            let first = *value;
            known.note_end(attempt, now);
            return Admission::Duplicate { attempt, first };
        }
        known.running.insert(attempt);
        Admission::Work(attempt)
    }

    /// An attempt that was admitted has ended at `now` (wall clock).
    pub fn ended(
        &mut self,
        partition: i32,
        identity: Identity,
        attempt: Attempt,
        is_success: bool,
        now: Timestamp,
    ) {
        let known = self.partition(partition);
        known.running.remove(&attempt);
        known.note_end(attempt, now);
        if is_success && !matches!(known.succeeded.observe(identity, now), Observation::Inside { .. }) {
            known.succeeded.open(identity, now, attempt, now);
        }
    }

    /// Forgets what ended longer ago than the window, at `now` (wall clock).
    pub fn expire(&mut self, now: Timestamp) {
        for known in self.partitions.values_mut() {
            known.ended.expire(now);
            known.succeeded.expire(now);
        }
    }

    /// The partition has gone, and what was known of it.
    pub fn released(&mut self, partition: i32) {
        self.partitions.remove(&partition);
    }

    fn partition(&mut self, partition: i32) -> &mut Partition {
        let (window_micros, capacity) = (self.window_micros, self.partition_capacity);
        self.partitions.entry(partition).or_insert_with(|| Partition {
            running: BTreeSet::new(),
            ended: DedupWindows::new(window_micros, capacity),
            succeeded: DedupWindows::new(window_micros, capacity),
        })
    }
}

impl Partition {
    fn note_end(&mut self, attempt: Attempt, now: Timestamp) {
        self.ended.open(attempt.backfill_id, now, attempt.number, now);
    }
}

#[cfg(test)]
mod tests {
    use domain::{DataType, Interval, Layer, Symbol, Timestamp};

    use super::{Admission, Answered, Attempt, DEFAULT_WINDOW_MICROS, Identity};

    fn at(minutes: i64) -> Timestamp {
        Timestamp::from_micros(minutes * 60_000_000)
    }

    fn identity(types: &[DataType]) -> Identity {
        let range = Interval::new(at(0), at(1_000)).unwrap();
        Identity::new(Symbol::parse("AAPL").unwrap(), Layer::Liquid, types, range)
    }

    fn bars() -> Identity {
        identity(&[DataType::MarketData])
    }

    fn attempt(backfill_id: u128, number: i32) -> Attempt {
        Attempt { backfill_id, number }
    }

    fn answered() -> Answered {
        Answered::new(DEFAULT_WINDOW_MICROS, 100)
    }

    #[test]
    fn a_duplicate_of_a_success_points_to_the_first() {
        let mut answered = answered();
        assert_eq!(answered.admit(0, bars(), attempt(1, 1), at(0)), Admission::Work(attempt(1, 1)));
        answered.ended(0, bars(), attempt(1, 1), true, at(5));
        assert_eq!(
            answered.admit(0, bars(), attempt(2, 1), at(6)),
            Admission::Duplicate { attempt: attempt(2, 1), first: attempt(1, 1) }
        );
        // By the same name it is the next attempt, so that its end is its own.
        assert_eq!(
            answered.admit(0, bars(), attempt(1, 1), at(65)),
            Admission::Duplicate { attempt: attempt(1, 2), first: attempt(1, 1) }
        );
        assert_eq!(answered.admit(0, bars(), attempt(3, 1), at(66)), Admission::Work(attempt(3, 1)));
    }

    #[test]
    fn a_failure_does_not_block_its_own_retry() {
        let mut answered = answered();
        answered.admit(0, bars(), attempt(1, 1), at(0));
        answered.ended(0, bars(), attempt(1, 1), false, at(1));
        assert_eq!(answered.admit(0, bars(), attempt(1, 1), at(1)), Admission::Work(attempt(1, 2)));
        answered.ended(0, bars(), attempt(1, 2), false, at(2));
        assert_eq!(answered.admit(0, bars(), attempt(1, 7), at(2)), Admission::Work(attempt(1, 7)));
    }

    #[test]
    fn what_is_being_worked_on_is_not_begun_again() {
        let mut answered = answered();
        answered.admit(0, bars(), attempt(1, 1), at(0));
        assert_eq!(answered.admit(0, bars(), attempt(1, 1), at(600)), Admission::Repeated);
        assert_eq!(answered.admit(0, bars(), attempt(2, 1), at(0)), Admission::Work(attempt(2, 1)));
    }

    #[test]
    fn an_attempt_that_an_earlier_owner_ended_is_not_made_again() {
        for told in [[1, 2], [2, 1]] {
            let mut answered = answered();
            for number in told {
                answered.restore(0, attempt(1, number), at(i64::from(number)));
            }
            assert_eq!(answered.admit(0, bars(), attempt(1, 1), at(10)), Admission::Work(attempt(1, 3)));
            assert_eq!(answered.admit(0, bars(), attempt(2, 1), at(10)), Admission::Work(attempt(2, 1)));
            assert_eq!(answered.admit(0, bars(), attempt(1, 1), at(63)), Admission::Repeated);
        }
    }

    #[test]
    fn data_types_are_part_of_the_identity_and_their_order_is_not() {
        let mut answered = answered();
        answered.admit(0, bars(), attempt(1, 1), at(0));
        answered.ended(0, bars(), attempt(1, 1), true, at(0));
        let both = identity(&[DataType::News, DataType::MarketData]);
        assert_eq!(both, identity(&[DataType::MarketData, DataType::News]));
        assert_eq!(answered.admit(0, both, attempt(2, 1), at(1)), Admission::Work(attempt(2, 1)));
    }

    #[test]
    fn what_is_known_goes_by_the_clock_and_with_its_partition() {
        let mut answered = answered();
        for partition in 0..2 {
            answered.admit(partition, bars(), attempt(1, 1), at(0));
            answered.ended(partition, bars(), attempt(1, 1), true, at(0));
        }
        answered.released(0);
        assert_eq!(answered.admit(0, bars(), attempt(2, 1), at(1)), Admission::Work(attempt(2, 1)));
        answered.expire(at(65));
        let known = answered.partitions.get(&1).unwrap();
        assert!(known.succeeded.is_empty() && known.ended.is_empty() && known.running.is_empty());
    }
}

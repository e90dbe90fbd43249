//! Attempts at backfills, and the dedup window of requests.
//!
//! A range of history (symbol, layer, data types, interval) is fetched once within the dedup window: a further request for it is a
//! duplicate of the first. Only a success opens the window. A request after a failure is the next attempt, without a delay. Each attempt
//! at a backfill ends once: a request for a running attempt is a repetition.

use std::collections::{BTreeMap, BTreeSet};

use domain::{DataType, DedupWindows, Interval, Layer, Observation, Symbol, Timestamp};
use uuid::Uuid;

/// The content of a request, without its id: requests with the same identity are duplicates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Identity {
    symbol: Symbol,
    layer: Layer,
    /// One bit per data type.
    data_types: u8,
    range: Interval,
    /// The range is fetched again although it is covered.
    is_refetch: bool,
}

const _: () = assert!(DataType::ALL.len() <= 8);

impl Identity {
    /// Returns the identity. The order of the data types has no effect.
    #[must_use]
    pub fn new(symbol: Symbol, layer: Layer, data_types: &[DataType], range: Interval) -> Self {
        let data_types = data_types.iter().fold(0, |bits, data_type| bits | 1 << (*data_type as u8));
        Self { symbol, layer, data_types, range, is_refetch: false }
    }

    /// Returns the identity of the request that fetches the same again, if `refetch`.
    #[must_use]
    pub const fn refetched(self, refetch: bool) -> Self {
        Self { is_refetch: refetch, ..self }
    }
}

/// One attempt at a backfill. It ends once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Attempt {
    /// The UUID as a number.
    pub backfill_id: u128,
    /// 1 for the first attempt.
    pub number: i32,
}

impl Attempt {
    /// Returns the attempt with this id and number. `None` if the id is not a UUID.
    #[must_use]
    pub fn named(backfill_id: &str, number: i32) -> Option<Self> {
        Some(Self { backfill_id: Uuid::try_parse(backfill_id).ok()?.as_u128(), number })
    }
}

/// The result of the admission of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// The request starts this attempt: the requested one, or the next if that one has ended.
    Started(Attempt),
    /// Another request fetched the same within the dedup window. This one ends at once, as `attempt`.
    Duplicate {
        /// The attempt that the terminal event names.
        attempt: Attempt,
        /// The attempt that fetched the range.
        first: Attempt,
    },
    /// This attempt or a later one is running. Its terminal event is the one of this request as well.
    Repeated,
}

/// The running and ended attempts of all assigned partitions.
#[derive(Debug)]
pub struct Attempts {
    window_micros: i64,
    partition_ends_max: usize,
    partitions: BTreeMap<i32, PartitionAttempts>,
}

#[derive(Debug)]
struct PartitionAttempts {
    running: BTreeSet<Attempt>,
    /// The number of the last ended attempt per backfill id, by wall clock.
    ended: DedupWindows<u128, i32>,
    /// The successful attempt per identity, by wall clock.
    succeeded: DedupWindows<Identity, Attempt>,
}

impl Attempts {
    /// Upper bound of the memory of an ended attempt, in bytes.
    pub const END_BYTES_MAX: usize =
        DedupWindows::<u128, i32>::BYTES_MAX + DedupWindows::<Identity, Attempt>::BYTES_MAX;

    /// Returns an empty registry. A request is a duplicate until `window_micros` after the success. A partition keeps at most
    /// `partition_ends_max` ended attempts.
    #[must_use]
    pub const fn new(window_micros: i64, partition_ends_max: usize) -> Self {
        Self { window_micros, partition_ends_max, partitions: BTreeMap::new() }
    }

    /// Restores an attempt that a previous owner of the partition ended at `ended_at` (wall clock). The highest attempt of a backfill
    /// counts, in any order of the calls.
    pub fn restore(&mut self, partition: i32, attempt: Attempt, ended_at: Timestamp) {
        let attempts = self.partition(partition);
        match attempts.ended.observe(attempt.backfill_id, ended_at) {
            Observation::Inside { value, .. } if *value >= attempt.number => {}
            Observation::Older => {}
            Observation::New | Observation::Later | Observation::Inside { .. } => {
                attempts.record_end(attempt, ended_at)
            }
        }
    }

    /// Admits a request at `now` (wall clock). [`Self::end`] must follow for a started attempt.
    pub fn admit(
        &mut self,
        partition: i32,
        identity: Identity,
        requested: Attempt,
        now: Timestamp,
    ) -> Admission {
        let attempts = self.partition(partition);
        let last_number = Attempt { number: i32::MAX, ..requested };
        if attempts.running.range(requested..=last_number).next().is_some() {
            return Admission::Repeated;
        }
        let next = match attempts.ended.observe(requested.backfill_id, now) {
            Observation::Inside { value, .. } => value.saturating_add(1),
            Observation::New | Observation::Later | Observation::Older => 1,
        };
        let attempt = Attempt { number: requested.number.max(next), ..requested };
        if let Observation::Inside { value, .. } = attempts.succeeded.observe(identity, now) {
            let first = *value;
            attempts.record_end(attempt, now);
            return Admission::Duplicate { attempt, first };
        }
        attempts.running.insert(attempt);
        Admission::Started(attempt)
    }

    /// Records the end of a started attempt at `now` (wall clock).
    pub fn end(
        &mut self,
        partition: i32,
        identity: Identity,
        attempt: Attempt,
        is_success: bool,
        now: Timestamp,
    ) {
        let attempts = self.partition(partition);
        attempts.running.remove(&attempt);
        attempts.record_end(attempt, now);
        if is_success && !matches!(attempts.succeeded.observe(identity, now), Observation::Inside { .. }) {
            attempts.succeeded.open(identity, now, attempt, now);
        }
    }

    /// Removes the attempts that ended before the dedup window, at `now` (wall clock).
    pub fn expire(&mut self, now: Timestamp) {
        for attempts in self.partitions.values_mut() {
            attempts.ended.expire(now);
            attempts.succeeded.expire(now);
        }
    }

    /// Removes the successes of a symbol, so that a request for the same range is no duplicate: its coverage was deleted.
    pub fn remove_successes(&mut self, partition: i32, symbol: Symbol) {
        if let Some(attempts) = self.partitions.get_mut(&partition) {
            attempts.succeeded.remove_if(|identity| identity.symbol == symbol);
        }
    }

    /// Removes the attempts of a partition.
    pub fn remove(&mut self, partition: i32) {
        self.partitions.remove(&partition);
    }

    /// Returns the number of entries: running attempts, ended ones, and successes.
    #[must_use]
    pub fn held(&self) -> usize {
        let of = |kept: &PartitionAttempts| kept.running.len() + kept.ended.len() + kept.succeeded.len();
        self.partitions.values().map(of).sum()
    }

    fn partition(&mut self, partition: i32) -> &mut PartitionAttempts {
        let (window_micros, ends_max) = (self.window_micros, self.partition_ends_max);
        self.partitions.entry(partition).or_insert_with(|| PartitionAttempts {
            running: BTreeSet::new(),
            ended: DedupWindows::new(window_micros, ends_max),
            succeeded: DedupWindows::new(window_micros, ends_max),
        })
    }
}

impl PartitionAttempts {
    fn record_end(&mut self, attempt: Attempt, now: Timestamp) {
        self.ended.open(attempt.backfill_id, now, attempt.number, now);
    }
}

#[cfg(test)]
mod tests {
    use domain::{DataType, Interval, Layer, Symbol, Timestamp};

    use super::{Admission, Attempt, Attempts, Identity};

    const WINDOW_MICROS: i64 = 3_600_000_000;

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

    fn attempts() -> Attempts {
        Attempts::new(WINDOW_MICROS, 100)
    }

    #[test]
    fn duplicate_of_a_success_names_the_first_attempt() {
        let mut attempts = attempts();
        assert_eq!(attempts.admit(0, bars(), attempt(1, 1), at(0)), Admission::Started(attempt(1, 1)));
        attempts.end(0, bars(), attempt(1, 1), true, at(5));
        assert_eq!(
            attempts.admit(0, bars(), attempt(2, 1), at(6)),
            Admission::Duplicate { attempt: attempt(2, 1), first: attempt(1, 1) }
        );
        // With the same id it is the next attempt, so that it has a terminal event of its own.
        assert_eq!(
            attempts.admit(0, bars(), attempt(1, 1), at(65)),
            Admission::Duplicate { attempt: attempt(1, 2), first: attempt(1, 1) }
        );
        assert_eq!(attempts.admit(0, bars(), attempt(3, 1), at(66)), Admission::Started(attempt(3, 1)));
    }

    #[test]
    fn success_does_not_end_a_refetch() {
        let mut attempts = attempts();
        attempts.admit(0, bars(), attempt(1, 1), at(0));
        attempts.end(0, bars(), attempt(1, 1), true, at(5));
        let refetch = bars().refetched(true);
        assert_eq!(attempts.admit(0, refetch, attempt(2, 1), at(6)), Admission::Started(attempt(2, 1)));
        attempts.end(0, refetch, attempt(2, 1), true, at(7));
        let duplicate = attempts.admit(0, refetch, attempt(3, 1), at(8));
        assert_eq!(duplicate, Admission::Duplicate { attempt: attempt(3, 1), first: attempt(2, 1) });
    }

    #[test]
    fn failure_does_not_block_the_next_attempt() {
        let mut attempts = attempts();
        attempts.admit(0, bars(), attempt(1, 1), at(0));
        attempts.end(0, bars(), attempt(1, 1), false, at(1));
        assert_eq!(attempts.admit(0, bars(), attempt(1, 1), at(1)), Admission::Started(attempt(1, 2)));
        attempts.end(0, bars(), attempt(1, 2), false, at(2));
        assert_eq!(attempts.admit(0, bars(), attempt(1, 7), at(2)), Admission::Started(attempt(1, 7)));
    }

    #[test]
    fn running_attempt_is_not_started_again() {
        let mut attempts = attempts();
        attempts.admit(0, bars(), attempt(1, 1), at(0));
        assert_eq!(attempts.admit(0, bars(), attempt(1, 1), at(600)), Admission::Repeated);
        assert_eq!(attempts.admit(0, bars(), attempt(2, 1), at(0)), Admission::Started(attempt(2, 1)));
    }

    #[test]
    fn attempt_ended_by_a_previous_owner_is_not_repeated() {
        for restored in [[1, 2], [2, 1]] {
            let mut attempts = attempts();
            for number in restored {
                attempts.restore(0, attempt(1, number), at(i64::from(number)));
            }
            assert_eq!(attempts.admit(0, bars(), attempt(1, 1), at(10)), Admission::Started(attempt(1, 3)));
            assert_eq!(attempts.admit(0, bars(), attempt(2, 1), at(10)), Admission::Started(attempt(2, 1)));
            assert_eq!(attempts.admit(0, bars(), attempt(1, 1), at(63)), Admission::Repeated);
        }
    }

    #[test]
    fn identity_depends_on_data_types_but_not_their_order() {
        let mut attempts = attempts();
        attempts.admit(0, bars(), attempt(1, 1), at(0));
        attempts.end(0, bars(), attempt(1, 1), true, at(0));
        let both = identity(&[DataType::News, DataType::MarketData]);
        assert_eq!(both, identity(&[DataType::MarketData, DataType::News]));
        assert_eq!(attempts.admit(0, both, attempt(2, 1), at(1)), Admission::Started(attempt(2, 1)));
    }

    #[test]
    fn identity_depends_on_symbol_layer_and_both_ends() {
        let of = |symbol, layer, start, end| {
            let range = Interval::new(at(start), at(end)).unwrap();
            Identity::new(Symbol::parse(symbol).unwrap(), layer, &[DataType::MarketData], range)
        };
        let identity = of("AAPL", Layer::Liquid, 0, 10);
        assert_eq!(identity, of("AAPL", Layer::Liquid, 0, 10));
        let others = [
            of("MSFT", Layer::Liquid, 0, 10),
            of("AAPL", Layer::Basic, 0, 10),
            of("AAPL", Layer::Liquid, 1, 10),
            of("AAPL", Layer::Liquid, 0, 11),
        ];
        assert!(others.iter().all(|other| *other != identity), "{others:?}");
    }

    #[test]
    fn attempts_are_removed_by_clock_and_with_the_partition() {
        let mut attempts = attempts();
        for partition in 0..2 {
            attempts.admit(partition, bars(), attempt(1, 1), at(0));
            attempts.end(partition, bars(), attempt(1, 1), true, at(0));
        }
        attempts.remove(0);
        assert_eq!(attempts.admit(0, bars(), attempt(2, 1), at(1)), Admission::Started(attempt(2, 1)));
        attempts.expire(at(65));
        assert_eq!(attempts.held(), 1, "only the running attempt");
    }
}

//! Stall watchdog: detects partitions whose records are available while the client fetches none.
//!
//! A partition without fetched records is not necessarily stalled: it may be idle, or its last offsets may be transaction markers, so
//! that its committed offset stays below its end. The watchdog therefore queries the last stable offset of such a partition. If that
//! is at or below the fetch position (which counts the markers: the client reports the end of a partition after them), the partition is
//! idle. If it is above the position in two successive checks and the position has not moved between them, the partition is stalled.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::time::Duration;

use rdkafka::error::KafkaError;

/// A suspected partition is checked again after this fraction of the period.
const RECHECK_DIVISOR: u32 = 4;

/// The state of each partition that should be fetched. Times are monotonic.
pub(super) struct Watchdog<P> {
    period: Duration,
    watched: BTreeMap<P, Watched>,
}

/// A partition whose records are available and not fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stall<P> {
    pub(super) partition: P,
    /// The last stable offset.
    pub(super) stable: i64,
    /// Time since the position moved.
    pub(super) unmoved: Duration,
}

#[derive(Debug, Clone, Copy)]
struct Watched {
    position: i64,
    /// When the position moved last, or when fetching began.
    moved: Duration,
    /// When the next check is due.
    due: Duration,
    /// The last check found records after this position.
    suspected: bool,
    /// The last stable offset is below the end: a transaction is open.
    blocked: bool,
}

/// Result of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Finding {
    /// No record is available to committed readers.
    Idle,
    /// Records are available; the partition is checked again.
    Suspected,
    /// Records have been available since the check before.
    Stalled { unmoved: Duration },
}

impl<P: Copy + Ord + Debug> Watchdog<P> {
    pub(super) fn new(period: Duration) -> Self {
        Self { period, watched: BTreeMap::new() }
    }

    /// Updates the partitions that should be fetched with their current positions, and checks at most one of them: `query` returns its
    /// last stable offset and its end.
    pub(super) fn check(
        &mut self,
        fetched: impl IntoIterator<Item = (P, i64)>,
        now: impl Fn() -> Duration,
        query: impl FnOnce(P) -> Result<(i64, i64), KafkaError>,
    ) -> Option<Stall<P>> {
        self.update(fetched, now());
        let partition = self.next_due(now())?;
        match query(partition) {
            Ok((stable, end)) => match self.evaluate(partition, stable, end, now()) {
                Finding::Stalled { unmoved } => Some(Stall { partition, stable, unmoved }),
                Finding::Idle | Finding::Suspected => None,
            },
            Err(error) => {
                tracing::debug!(?partition, %error, "stall check failed: end of partition unknown");
                self.postpone(partition, now());
                None
            }
        }
    }

    /// Sets the partitions that should be fetched, with their positions; forgets all others.
    fn update(&mut self, fetched: impl IntoIterator<Item = (P, i64)>, now: Duration) {
        let mut before = std::mem::take(&mut self.watched);
        self.watched = fetched
            .into_iter()
            .map(|(input, position)| {
                let known = before.remove(&input).filter(|watched| watched.position == position);
                let new = Watched {
                    position,
                    moved: now,
                    due: now + self.period,
                    suspected: false,
                    blocked: false,
                };
                (input, known.unwrap_or(new))
            })
            .collect();
    }

    /// The partition whose check has been due longest. `None` if no check is due.
    fn next_due(&self, now: Duration) -> Option<P> {
        let due = self.watched.iter().filter(|(_, watched)| watched.due <= now);
        due.min_by_key(|(_, watched)| watched.due).map(|(input, _)| *input)
    }

    /// Postpones all checks after a failed query, and clears the suspicion. A query may block for long, and the session must keep
    /// polling the group.
    fn postpone(&mut self, input: P, now: Duration) {
        for watched in self.watched.values_mut() {
            watched.due = watched.due.max(now + self.period / RECHECK_DIVISOR);
        }
        if let Some(watched) = self.watched.get_mut(&input) {
            watched.suspected = false;
        }
    }

    /// Evaluates the last stable offset and the end of a partition.
    fn evaluate(&mut self, input: P, stable: i64, end: i64, now: Duration) -> Finding {
        let Some(watched) = self.watched.get_mut(&input) else { return Finding::Idle };
        watched.blocked = stable < end;
        if watched.position >= stable {
            watched.suspected = false;
            watched.due = now + self.period;
            return Finding::Idle;
        }
        watched.due = now + self.period / RECHECK_DIVISOR;
        if std::mem::replace(&mut watched.suspected, true) {
            return Finding::Stalled { unmoved: now.saturating_sub(watched.moved) };
        }
        Finding::Suspected
    }

    /// The number of partitions that are blocked by an open transaction.
    pub(super) fn blocked(&self) -> usize {
        self.watched.values().filter(|watched| watched.blocked).count()
    }
}

#[cfg(test)]
mod tests {
    use pipeline::InputPartition;

    use super::*;

    const ONE: InputPartition = InputPartition { topic: 0, partition: 1 };
    const TWO: InputPartition = InputPartition { topic: 0, partition: 2 };

    fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn watchdog(positions: &[(InputPartition, i64)]) -> Watchdog<InputPartition> {
        let mut watchdog = Watchdog::new(s(8));
        watchdog.update(positions.iter().copied(), s(0));
        watchdog
    }

    #[test]
    fn position_at_the_last_stable_offset_is_idle_indefinitely() {
        let mut watchdog = watchdog(&[(ONE, 7)]);
        for second in 1..100 {
            watchdog.update([(ONE, 7)], s(second));
            if watchdog.next_due(s(second)).is_some() {
                assert_eq!(watchdog.evaluate(ONE, 7, 9, s(second)), Finding::Idle);
                assert_eq!(watchdog.blocked(), 1);
            }
        }
    }

    #[test]
    fn records_after_an_unmoved_position_in_two_checks_are_a_stall() {
        let mut watchdog = watchdog(&[(ONE, 7)]);
        assert_eq!(watchdog.next_due(s(7)), None);
        assert_eq!(watchdog.next_due(s(8)), Some(ONE));
        assert_eq!(watchdog.evaluate(ONE, 8, 8, s(8)), Finding::Suspected);
        assert_eq!(watchdog.next_due(s(9)), None);
        assert_eq!(watchdog.evaluate(ONE, 9, 9, s(10)), Finding::Stalled { unmoved: s(10) });
    }

    #[test]
    fn moved_position_or_pause_restarts_the_observation() {
        let mut moved = watchdog(&[(ONE, 7)]);
        assert_eq!(moved.evaluate(ONE, 9, 9, s(8)), Finding::Suspected);
        moved.update([(ONE, 8)], s(9));
        assert_eq!(moved.next_due(s(16)), None);
        assert_eq!(moved.evaluate(ONE, 9, 9, s(17)), Finding::Suspected);
        let mut paused = watchdog(&[(ONE, 7)]);
        assert_eq!(paused.evaluate(ONE, 9, 9, s(8)), Finding::Suspected);
        paused.update([], s(9));
        paused.update([(ONE, 7)], s(50));
        assert_eq!(paused.next_due(s(57)), None);
        assert_eq!(paused.evaluate(ONE, 9, 9, s(58)), Finding::Suspected);
    }

    #[test]
    fn failed_query_clears_the_suspicion() {
        let mut watchdog = watchdog(&[(ONE, 7), (TWO, 7)]);
        assert_eq!(watchdog.evaluate(ONE, 9, 9, s(8)), Finding::Suspected);
        assert_eq!(watchdog.next_due(s(8)), Some(TWO));
        watchdog.postpone(ONE, s(10));
        assert_eq!(watchdog.next_due(s(11)), None);
        assert_eq!(watchdog.evaluate(ONE, 9, 9, s(12)), Finding::Suspected);
    }
}

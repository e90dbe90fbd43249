//! Finds partitions whose records wait while the client fetches nothing of them.
//!
//! Silence alone says nothing: an idle partition is silent, and one whose last offsets are transaction markers has a committed offset
//! below its end for ever. So a silent partition is asked for its last stable offset. At or below the fetch position (which counts the
//! markers: the client tells the end of a partition behind them): idle. Above it, twice, with an unmoved position between: stalled.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::time::Duration;

use rdkafka::error::KafkaError;

/// A suspicion is looked at again after a quarter of the period.
const AGAIN: u32 = 4;

/// What is known of each partition that should flow, by what it is called. Times are monotonic.
pub(super) struct Watchdog<P> {
    period: Duration,
    watched: BTreeMap<P, Watched>,
}

/// A partition whose records wait and aren't fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stall<P> {
    pub(super) place: P,
    /// Where its stable records end.
    pub(super) stable: i64,
    /// How long nothing of it has come.
    pub(super) silent: Duration,
}

#[derive(Debug, Clone, Copy)]
struct Watched {
    position: i64,
    /// When its position changed last, or when it began to flow.
    moved: Duration,
    /// When it is to be asked for.
    due: Duration,
    /// Records waited behind this position when it was asked for last.
    suspected: bool,
    /// Records wait behind an open transaction.
    blocked: bool,
}

/// What an answer means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Finding {
    /// Nothing waits, or not for us.
    Idle,
    /// Records wait; to be looked at again.
    Suspicious,
    /// Records have waited all the time.
    Stalled { silent: Duration },
}

impl<P: Copy + Ord + Debug> Watchdog<P> {
    pub(super) fn new(period: Duration) -> Self {
        Self { period, watched: BTreeMap::new() }
    }

    /// Looks after the partitions that should flow, given where each stands now: asks for one of them at most where its stable
    /// records end, and where all end.
    pub(super) fn look(
        &mut self,
        flowing: impl IntoIterator<Item = (P, i64)>,
        now: impl Fn() -> Duration,
        ask: impl FnOnce(P) -> Result<(i64, i64), KafkaError>,
    ) -> Option<Stall<P>> {
        self.see(flowing, now());
        let place = self.next(now())?;
        match ask(place) {
            Ok((stable, end)) => match self.answered(place, stable, end, now()) {
                Finding::Stalled { silent } => Some(Stall { place, stable, silent }),
                Finding::Idle | Finding::Suspicious => None,
            },
            Err(error) => {
                tracing::debug!(?place, %error, "the watchdog has no answer");
                self.unanswered(place, now());
                None
            }
        }
    }

    /// Where the partitions that should flow stand now; others are of no interest.
    fn see(&mut self, flowing: impl IntoIterator<Item = (P, i64)>, now: Duration) {
        let mut before = std::mem::take(&mut self.watched);
        self.watched = flowing
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

    /// The partition to ask for next, if any is due.
    fn next(&self, now: Duration) -> Option<P> {
        let due = self.watched.iter().filter(|(_, watched)| watched.due <= now);
        due.min_by_key(|(_, watched)| watched.due).map(|(input, _)| *input)
    }

    /// Nobody answered: nothing is known of this one, and no other is asked for before a while has passed. A question may take long,
    /// and the group must be heard.
    fn unanswered(&mut self, input: P, now: Duration) {
        for watched in self.watched.values_mut() {
            watched.due = watched.due.max(now + self.period / AGAIN);
        }
        if let Some(watched) = self.watched.get_mut(&input) {
            watched.suspected = false;
        }
    }

    /// Where the partition's stable records end, and where all end.
    fn answered(&mut self, input: P, stable: i64, end: i64, now: Duration) -> Finding {
        let Some(watched) = self.watched.get_mut(&input) else { return Finding::Idle };
        watched.blocked = stable < end;
        if watched.position >= stable {
            watched.suspected = false;
            watched.due = now + self.period;
            return Finding::Idle;
        }
        watched.due = now + self.period / AGAIN;
        if std::mem::replace(&mut watched.suspected, true) {
            return Finding::Stalled { silent: now.saturating_sub(watched.moved) };
        }
        Finding::Suspicious
    }

    /// Partitions in which records wait behind an open transaction.
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

    fn dog(positions: &[(InputPartition, i64)]) -> Watchdog<InputPartition> {
        let mut dog = Watchdog::new(s(8));
        dog.see(positions.iter().copied(), s(0));
        dog
    }

    #[test]
    fn a_partition_whose_position_is_at_its_stable_end_is_idle_however_long() {
        let mut dog = dog(&[(ONE, 7)]);
        for second in 1..100 {
            dog.see([(ONE, 7)], s(second));
            if dog.next(s(second)).is_some() {
                assert_eq!(dog.answered(ONE, 7, 9, s(second)), Finding::Idle);
                assert_eq!(dog.blocked(), 1);
            }
        }
    }

    #[test]
    fn records_that_wait_twice_behind_an_unmoved_position_are_a_stall() {
        let mut dog = dog(&[(ONE, 7)]);
        assert_eq!(dog.next(s(7)), None);
        assert_eq!(dog.next(s(8)), Some(ONE));
        assert_eq!(dog.answered(ONE, 8, 8, s(8)), Finding::Suspicious);
        assert_eq!(dog.next(s(9)), None);
        assert_eq!(dog.answered(ONE, 9, 9, s(10)), Finding::Stalled { silent: s(10) });
    }

    #[test]
    fn a_position_that_moves_or_a_pause_between_begins_anew() {
        let mut moved = dog(&[(ONE, 7)]);
        assert_eq!(moved.answered(ONE, 9, 9, s(8)), Finding::Suspicious);
        moved.see([(ONE, 8)], s(9));
        assert_eq!(moved.next(s(16)), None);
        assert_eq!(moved.answered(ONE, 9, 9, s(17)), Finding::Suspicious);
        let mut paused = dog(&[(ONE, 7)]);
        assert_eq!(paused.answered(ONE, 9, 9, s(8)), Finding::Suspicious);
        paused.see([], s(9));
        paused.see([(ONE, 7)], s(50));
        assert_eq!(paused.next(s(57)), None);
        assert_eq!(paused.answered(ONE, 9, 9, s(58)), Finding::Suspicious);
    }

    #[test]
    fn a_question_that_nobody_answers_is_no_stall() {
        let mut dog = dog(&[(ONE, 7), (TWO, 7)]);
        assert_eq!(dog.answered(ONE, 9, 9, s(8)), Finding::Suspicious);
        assert_eq!(dog.next(s(8)), Some(TWO));
        dog.unanswered(ONE, s(10));
        assert_eq!(dog.next(s(11)), None);
        assert_eq!(dog.answered(ONE, 9, 9, s(12)), Finding::Suspicious);
    }
}

//! Fair resume: when the partitions of a full topic may be fetched again, the least recently served ones resume first.
//!
//! A client fetches partitions that resume together always in the same order. Under lasting overload the first of them would fill
//! the bound again before a record of the last arrives.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::engine::Engine;
use crate::event::Action;
use crate::ids::{InputPartition, Now};
use crate::stage::Stage;

/// Longest time for which only the first partitions are resumed. 1.5 s: librdkafka may need a second to notice a resumed partition,
/// and by default a broker delays an empty fetch by half a second (`fetch.wait.max.ms`).
const OTHERS_WAIT_MAX: Duration = Duration::from_millis(1_500);

/// The resume rounds of one topic.
#[derive(Debug, Default)]
struct Rounds {
    /// Number of rounds so far.
    number: u64,
    /// Monotonic time at which the other partitions resume at the latest; `None` if none waits.
    others_wait_until: Option<Duration>,
}

/// The resume rounds of all topics.
#[derive(Debug, Default)]
pub(crate) struct FairResume {
    rounds: BTreeMap<u16, Rounds>,
}

impl FairResume {
    /// Returns the current round of a topic.
    pub(crate) fn number(&self, topic: u16) -> u64 {
        self.rounds.get(&topic).map_or(0, |rounds| rounds.number)
    }

    /// Returns when the next waiting partitions resume at the latest.
    pub(crate) fn next(&self) -> Option<Duration> {
        self.rounds.values().filter_map(|rounds| rounds.others_wait_until).min()
    }
}

/// The rank of a partition among those of its topic.
#[derive(Debug, Default)]
pub(crate) struct ResumeRank {
    /// The last round in which records or the end of the partition arrived.
    served: u64,
    /// Whether it was resumed before the others and nothing has arrived since.
    first: bool,
}

impl ResumeRank {
    /// Records that something of the partition arrived.
    pub(crate) fn served(&mut self, round: u64) {
        self.served = round;
        self.first = false;
    }

    /// Records that the partition is paused, so the others do not wait for it.
    pub(crate) fn paused(&mut self) {
        self.first = false;
    }
}

impl<S: Stage> Engine<S> {
    /// Resumes partitions that nothing pauses any more: `ready`, in order.
    pub(crate) fn resume_fairly(&mut self, ready: &[InputPartition], now: Now) {
        for (topic, rounds) in &mut self.fair_resume.rounds {
            if !ready.iter().any(|input| input.topic == *topic) {
                rounds.others_wait_until = None;
            }
        }
        for of_topic in ready.chunk_by(|one, other| one.topic == other.topic) {
            self.resume_topic(of_topic[0].topic, of_topic, now);
        }
    }

    fn resume_topic(&mut self, topic: u16, ready: &[InputPartition], now: Now) {
        let rounds = self.fair_resume.rounds.entry(topic).or_default();
        let all =
            InputPartition { topic, partition: i32::MIN }..=InputPartition { topic, partition: i32::MAX };
        let alone = self.ledgers.range(all.clone()).any(|(_, ledger)| ledger.rank.first);
        let first = match rounds.others_wait_until {
            Some(until) if alone && now.monotonic < until => return,
            Some(_) => None,
            None => {
                rounds.number += 1;
                ready.iter().filter_map(|input| Some(self.ledgers.get(input)?.rank.served)).min()
            }
        };
        for (_, ledger) in self.ledgers.range_mut(all) {
            // The partition had enough time, or was never paused, and nothing arrived.
            if std::mem::take(&mut ledger.rank.first) {
                ledger.rank.served = rounds.number;
            }
        }
        let mut others = false;
        for input in ready {
            let Some(ledger) = self.ledgers.get_mut(input) else { continue };
            if first.is_some_and(|oldest| ledger.rank.served > oldest) {
                others = true;
                continue;
            }
            ledger.paused = false;
            ledger.rank.first = first.is_some();
            self.actions.push_back(Action::Resume(*input));
        }
        rounds.others_wait_until = others.then(|| now.monotonic + OTHERS_WAIT_MAX);
    }
}

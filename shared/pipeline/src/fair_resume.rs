//! Who flows first when a topic's inputs may flow again: those whose turn was longest ago.
//!
//! A client fetches what is resumed together in one order, the same each time. Under lasting overload the first of them would fill
//! the room again before a record of the last has come, for ever.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::engine::Engine;
use crate::event::Action;
use crate::ids::{InputPartition, Now};
use crate::stage::Stage;

/// Longest time for which those who go first are alone. 1.5 s: librdkafka may take a second to notice that a partition flows again,
/// and by default a broker keeps a fetch that finds nothing for half of one (`fetch.wait.max.ms`).
const ALONE_MAX: Duration = Duration::from_millis(1_500);

/// The turns of one topic's inputs.
#[derive(Debug, Default)]
struct Turns {
    /// How often inputs were let flow again.
    number: u64,
    /// Monotonic time at which the others follow those who went first; none when nobody waits.
    alone_until: Option<Duration>,
}

/// The turns of all topics.
#[derive(Debug, Default)]
pub(crate) struct Topics {
    turns: BTreeMap<u16, Turns>,
}

impl Topics {
    /// The present turn of a topic.
    pub(crate) fn number(&self, topic: u16) -> u64 {
        self.turns.get(&topic).map_or(0, |turns| turns.number)
    }

    /// When inputs that wait for others are to flow at the latest.
    pub(crate) fn next(&self) -> Option<Duration> {
        self.turns.values().filter_map(|turns| turns.alone_until).min()
    }
}

/// Where a input stands in the order of its topic.
#[derive(Debug, Default)]
pub(crate) struct Place {
    /// The last turn in which its records came, or its end was reached.
    served: u64,
    /// It went first, and nothing of it has come since.
    first: bool,
}

impl Place {
    /// Something of its input has come.
    pub(crate) fn serve(&mut self, turn: u64) {
        self.served = turn;
        self.first = false;
    }

    /// Its input is paused: it goes first no more.
    pub(crate) fn leave(&mut self) {
        self.first = false;
    }
}

impl<S: Stage> Engine<S> {
    /// Lets inputs flow that are paused and that nothing pauses any more: `ready`, in order.
    pub(crate) fn take_turns(&mut self, ready: &[InputPartition], now: Now) {
        for (topic, turns) in &mut self.topics.turns {
            if !ready.iter().any(|input| input.topic == *topic) {
                turns.alone_until = None;
            }
        }
        for of_topic in ready.chunk_by(|one, other| one.topic == other.topic) {
            self.let_flow(of_topic[0].topic, of_topic, now);
        }
    }

    fn let_flow(&mut self, topic: u16, ready: &[InputPartition], now: Now) {
        let turns = self.topics.turns.entry(topic).or_default();
        let all =
            InputPartition { topic, partition: i32::MIN }..=InputPartition { topic, partition: i32::MAX };
        let alone = self.ledgers.range(all.clone()).any(|(_, ledger)| ledger.place.first);
        let first = match turns.alone_until {
            Some(until) if alone && now.monotonic < until => return,
            Some(_) => None,
            None => {
                turns.number += 1;
                ready.iter().filter_map(|input| Some(self.ledgers.get(input)?.place.served)).min()
            }
        };
        for (_, ledger) in self.ledgers.range_mut(all) {
            // It was alone for long enough, or flows all the time, and nothing came.
            if std::mem::take(&mut ledger.place.first) {
                ledger.place.served = turns.number;
            }
        }
        let mut others = false;
        for input in ready {
            let Some(ledger) = self.ledgers.get_mut(input) else { continue };
            if first.is_some_and(|oldest| ledger.place.served > oldest) {
                others = true;
                continue;
            }
            ledger.paused = false;
            ledger.place.first = first.is_some();
            self.actions.push_back(Action::Resume(*input));
        }
        turns.alone_until = others.then(|| now.monotonic + ALONE_MAX);
    }
}

//! Who flows first when a topic's sources may flow again: those whose turn was longest ago.
//!
//! A client fetches what is resumed together in one order, the same each time. Under lasting overload the first of them would fill
//! the room again before a record of the last has come, for ever.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::engine::Engine;
use crate::event::Action;
use crate::ids::{Now, Source};
use crate::stage::Stage;

/// Longest time for which those who go first are alone. 1.5 s: librdkafka may take a second to notice that a partition flows again,
/// and by default a broker keeps a fetch that finds nothing for half of one (`fetch.wait.max.ms`).
const ALONE_MAX: Duration = Duration::from_millis(1_500);

/// The turns of one topic's sources.
#[derive(Debug, Default)]
struct Turns {
    /// How often sources were let flow again.
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

    /// When sources that wait for others are to flow at the latest.
    pub(crate) fn next(&self) -> Option<Duration> {
        self.turns.values().filter_map(|turns| turns.alone_until).min()
    }
}

/// Where a source stands in the order of its topic.
#[derive(Debug, Default)]
pub(crate) struct Place {
    /// The last turn in which its records came, or its end was reached.
    served: u64,
    /// It may flow, and waits for those who go first.
    pub(crate) waits: bool,
    /// It went first, and nothing of it has come since.
    first: bool,
}

impl Place {
    /// Something of its source has come.
    pub(crate) fn serve(&mut self, turn: u64) {
        self.served = turn;
        self.first = false;
    }

    /// Its source is paused.
    pub(crate) fn leave(&mut self) {
        self.waits = false;
        self.first = false;
    }
}

impl<S: Stage> Engine<S> {
    /// Lets sources flow that nothing pauses any more.
    pub(crate) fn take_turns(&mut self, now: Now) {
        let waiting = self.ledgers.iter().filter(|(_, ledger)| ledger.place.waits);
        let topics: BTreeSet<u16> = waiting.map(|(source, _)| source.topic).collect();
        for (topic, turns) in &mut self.topics.turns {
            if !topics.contains(topic) {
                turns.alone_until = None;
            }
        }
        for topic in topics {
            self.let_flow(topic, now);
        }
    }

    fn let_flow(&mut self, topic: u16, now: Now) {
        let turns = self.topics.turns.entry(topic).or_default();
        let least = Source { topic, partition: i32::MIN };
        let most = Source { topic, partition: i32::MAX };
        let alone = self.ledgers.range(least..=most).any(|(_, ledger)| ledger.place.first);
        let first = match turns.alone_until {
            Some(until) if alone && now.monotonic < until => return,
            Some(_) => None,
            None => {
                turns.number += 1;
                let waiting = self.ledgers.range(least..=most).filter(|(_, ledger)| ledger.place.waits);
                waiting.map(|(_, ledger)| ledger.place.served).min()
            }
        };
        let mut others = false;
        for (source, ledger) in self.ledgers.range_mut(least..=most) {
            let place = &mut ledger.place;
            if std::mem::take(&mut place.first) {
                // It was alone for long enough, and there was nothing.
                place.served = turns.number;
            }
            if !place.waits {
                continue;
            }
            if first.is_some_and(|oldest| place.served > oldest) {
                others = true;
                continue;
            }
            place.waits = false;
            place.first = first.is_some();
            ledger.paused = false;
            self.actions.push_back(Action::Resume(*source));
        }
        turns.alone_until = others.then(|| now.monotonic + ALONE_MAX);
    }
}

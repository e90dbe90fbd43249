//! Proof that the simulation catches wrong originated outputs: two stages and two engines, each broken by a plausible mistake.

use std::collections::BTreeSet;

use pipeline::{Action, BatchId, Delivery as Mode, Engine, Event, InputPartition, Now, Options, Position};
use testkit::{Delivery, Failure, Kind, Origination, Output, Rules, Simulation};

/// Number of seeds within which each is caught.
const SEEDS: u64 = 1_000;

fn first_caught<D: Delivery>(make: impl Fn(Rules, Options) -> D) -> Box<Failure> {
    let run =
        |seed| Simulation { seed, mode: Mode::Transactional, in_order: false, originates: true }.run(&make);
    (0..SEEDS).find_map(|seed| run(seed).err()).expect("a broken origination is caught")
}

/// Discards the originated outputs of a partition that is being revoked, and produces the others.
struct DiscardedInDrain {
    engine: Engine<Rules>,
    revoked: BTreeSet<InputPartition>,
}

impl Delivery for DiscardedInDrain {
    fn apply(&mut self, event: Event<'_, Rules>, now: Now) {
        match &event {
            Event::Revoked(inputs) => self.revoked.extend(*inputs),
            Event::Assigned(starts) => {
                self.revoked.retain(|input| starts.iter().all(|start| start.input != *input))
            }
            _ => {}
        }
        self.engine.apply(event, now);
    }

    fn settle(&mut self, now: Now) {
        self.engine.settle(now);
    }

    fn take_action(&mut self) -> Option<Action> {
        self.engine.take_action()
    }

    fn engine(&self) -> &Engine<Rules> {
        &self.engine
    }

    fn engine_mut(&mut self) -> &mut Engine<Rules> {
        &mut self.engine
    }

    fn outputs(&self, batch: BatchId) -> Vec<Output> {
        let is_kept =
            |output: &&Output| output.kind != Kind::Originated || !self.revoked.contains(&output.input);
        self.engine.batch(batch).filter(is_kept).cloned().collect()
    }
}

/// Commits only positions that have moved, so nothing fences the outputs of an idle partition.
struct MovedPositionsOnly(Engine<Rules>);

impl Delivery for MovedPositionsOnly {
    fn apply(&mut self, event: Event<'_, Rules>, now: Now) {
        self.0.apply(event, now);
    }

    fn settle(&mut self, now: Now) {
        self.0.settle(now);
    }

    fn take_action(&mut self) -> Option<Action> {
        let mut action = self.0.take_action();
        let has_moved = |position: &Position| {
            self.0.positions(position.input).is_some_and(|(_, committed)| position.offset > committed)
        };
        if let Some(Action::Transact { positions, .. }) = &mut action {
            positions.retain(has_moved);
        }
        action
    }

    fn engine(&self) -> &Engine<Rules> {
        &self.0
    }

    fn engine_mut(&mut self) -> &mut Engine<Rules> {
        &mut self.0
    }
}

#[test]
fn origination_from_memory_alone_is_caught() {
    let make = |rules: Rules, options| Engine::new(rules.originating(Origination::FromMemory), options);
    let failure = first_caught(make);
    assert_eq!(failure.law, "doubled", "\n{failure}");
}

#[test]
fn origination_kept_over_a_revocation_is_caught() {
    let make =
        |rules: Rules, options| Engine::new(rules.originating(Origination::KeptOverRevocation), options);
    let failure = first_caught(make);
    assert_eq!(failure.law, "doubled", "\n{failure}");
}

#[test]
fn origination_discarded_in_a_drain_is_caught() {
    let make =
        |rules, options| DiscardedInDrain { engine: Engine::new(rules, options), revoked: BTreeSet::new() };
    let failure = first_caught(make);
    assert_eq!(failure.law, "lost", "\n{failure}");
}

#[test]
fn origination_without_fencing_is_caught() {
    let failure = first_caught(|rules, options| MovedPositionsOnly(Engine::new(rules, options)));
    assert_eq!(failure.law, "doubled", "\n{failure}");
}

//! Proof that the simulation can fail: it catches five engines, each broken by a plausible mistake.
//!
//! They wrap the real engine and change what goes in or comes out, so the engine itself contains no switch for it.

use std::collections::BTreeMap;

use pipeline::{
    Action, CompletedRanges, Delivery as Mode, Engine, Event, InputPartition, Now, Options, Position, Start,
};
use testkit::{Delivery, Failure, Plan, Record, Rules, Simulation};

/// Number of seeds within which each broken engine is caught.
const SEEDS: u64 = 1_000;

fn first_caught<D: Delivery>(mode: Mode, make: impl Fn(Rules, Options) -> D) -> Box<Failure> {
    let caught = (0..SEEDS)
        .find_map(|seed| Simulation { seed, mode, in_order: false, originates: false }.run(&make).err());
    caught.expect("a broken engine is caught")
}

/// The position after the last delivered record of each partition.
#[derive(Default)]
struct Delivered(BTreeMap<InputPartition, i64>);

impl Delivered {
    /// Passes the event to the engine and keeps the position after the last record that it delivers.
    fn pass(&mut self, event: Event<'_, Rules>, engine: &mut Engine<Rules>, now: Now) {
        match event {
            Event::Assigned(inputs) => {
                self.0.extend(inputs.iter().map(|start| (start.input, start.position)));
                engine.apply(Event::Assigned(inputs), now);
            }
            Event::Records(input, records) => {
                let end = self.0.entry(input).or_default();
                let mut passed = records.inspect(|(offset, _)| *end = offset + 1);
                engine.apply(Event::Records(input, &mut passed), now);
            }
            other => engine.apply(other, now),
        }
    }

    fn end(&self, position: &Position) -> i64 {
        self.0.get(&position.input).copied().unwrap_or(0).max(position.offset)
    }
}

/// Commits what was delivered instead of what is resolved.
fn past_held(delivered: &Delivered, position: Position) -> Position {
    Position { offset: delivered.end(&position), ..position }
}

/// Lists everything that was delivered as completed.
fn held_as_completed(delivered: &Delivered, position: Position) -> Position {
    let mut completed = CompletedRanges::none();
    completed.push(position.offset..delivered.end(&position));
    Position { completed, ..position }
}

/// Replaces the positions of commits.
struct ReplacedPositions {
    engine: Engine<Rules>,
    delivered: Delivered,
    how: fn(&Delivered, Position) -> Position,
}

impl Delivery for ReplacedPositions {
    fn apply(&mut self, event: Event<'_, Rules>, now: Now) {
        self.delivered.pass(event, &mut self.engine, now);
    }

    fn settle(&mut self, now: Now) {
        self.engine.settle(now);
    }

    fn take_action(&mut self) -> Option<Action> {
        let made_up = |positions: Vec<Position>| {
            positions.into_iter().map(|position| (self.how)(&self.delivered, position)).collect()
        };
        Some(match self.engine.take_action()? {
            Action::Transact { batch, positions } => {
                Action::Transact { batch, positions: made_up(positions) }
            }
            Action::Commit { positions } => Action::Commit { positions: made_up(positions) },
            other => other,
        })
    }

    fn engine(&self) -> &Engine<Rules> {
        &self.engine
    }

    fn engine_mut(&mut self) -> &mut Engine<Rules> {
        &mut self.engine
    }
}

/// Drops the held records of a partition that is revoked.
struct DropOnRevocation(Engine<Rules>);

impl Delivery for DropOnRevocation {
    fn apply(&mut self, event: Event<'_, Rules>, now: Now) {
        if let Event::Revoked(inputs) = &event {
            for mut work in self.0.stage().startable() {
                if inputs.contains(&work.id.input) {
                    work.record.plan = Plan::WorkDrop;
                    self.0.apply(Event::Completed(work), now);
                }
            }
        }
        self.0.apply(event, now);
    }

    fn settle(&mut self, now: Now) {
        self.0.settle(now);
    }

    fn take_action(&mut self) -> Option<Action> {
        self.0.take_action()
    }

    fn engine(&self) -> &Engine<Rules> {
        &self.0
    }

    fn engine_mut(&mut self) -> &mut Engine<Rules> {
        &mut self.0
    }
}

/// Ignores the ranges that an earlier owner completed.
struct IgnoredRanges(Engine<Rules>);

impl Delivery for IgnoredRanges {
    fn apply(&mut self, event: Event<'_, Rules>, now: Now) {
        if let Event::Assigned(starts) = event {
            let without_ranges =
                |start: &Start| Start { completed: CompletedRanges::none(), ..start.clone() };
            let starts: Vec<Start> = starts.iter().map(without_ranges).collect();
            return self.0.apply(Event::Assigned(&starts), now);
        }
        self.0.apply(event, now);
    }

    fn settle(&mut self, now: Now) {
        self.0.settle(now);
    }

    fn take_action(&mut self) -> Option<Action> {
        self.0.take_action()
    }

    fn engine(&self) -> &Engine<Rules> {
        &self.0
    }

    fn engine_mut(&mut self) -> &mut Engine<Rules> {
        &mut self.0
    }
}

/// Seeks back to the committed offset after an abort and processes the records again, with rules that have already counted them.
struct RulesRunAgain {
    engine: Engine<Rules>,
    delivered: BTreeMap<InputPartition, Vec<(i64, Record)>>,
}

impl RulesRunAgain {
    fn go_back(&mut self, now: Now) {
        let committed = |(input, _): (&InputPartition, _)| {
            let position = self.engine.positions(*input)?.1;
            Some(Start { input: *input, position, completed: CompletedRanges::none() })
        };
        let inputs: Vec<Start> = self.delivered.iter().filter_map(committed).collect();
        let rules = self.engine.stage().clone();
        self.engine.apply(Event::Assigned(&inputs), now);
        *self.engine.stage_mut() = rules;
        for Start { input, position: from, .. } in inputs {
            let Some(records) = self.delivered.get(&input) else { continue };
            let mut again = records.iter().copied().filter(|(offset, _)| *offset >= from);
            self.engine.apply(Event::Records(input, &mut again), now);
        }
    }
}

impl Delivery for RulesRunAgain {
    fn apply(&mut self, event: Event<'_, Rules>, now: Now) {
        match event {
            Event::Assigned(inputs) => {
                self.delivered.extend(inputs.iter().map(|start| (start.input, Vec::new())));
                self.engine.apply(Event::Assigned(inputs), now);
            }
            Event::Records(input, records) => {
                let kept = self.delivered.entry(input).or_default();
                let mut passed = records.inspect(|record| kept.push(*record));
                self.engine.apply(Event::Records(input, &mut passed), now);
            }
            Event::Aborted(batch) => {
                self.engine.apply(Event::Aborted(batch), now);
                self.go_back(now);
            }
            other => self.engine.apply(other, now),
        }
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
}

fn misplacement_is_caught(how: fn(&Delivered, Position) -> Position) {
    for mode in [Mode::Transactional, Mode::AtLeastOnce] {
        let make = |rules, options| ReplacedPositions {
            engine: Engine::new(rules, options),
            delivered: Delivered::default(),
            how,
        };
        let failure = first_caught(mode, make);
        assert_eq!(failure.law, "P2", "\n{failure}");
    }
}

#[test]
fn commit_past_a_held_record_is_caught() {
    misplacement_is_caught(past_held);
}

#[test]
fn held_record_listed_as_completed_is_caught() {
    misplacement_is_caught(held_as_completed);
}

#[test]
fn ignored_completed_ranges_are_caught() {
    for mode in [Mode::Transactional, Mode::AtLeastOnce] {
        let failure = first_caught(mode, |rules, options| IgnoredRanges(Engine::new(rules, options)));
        assert_eq!(failure.law, "doubled", "\n{failure}");
    }
}

#[test]
fn held_records_dropped_on_revocation_are_caught() {
    for mode in [Mode::Transactional, Mode::AtLeastOnce] {
        let make = |rules, options| DropOnRevocation(Engine::new(rules, options));
        let failure = first_caught(mode, make);
        assert_eq!(failure.law, "P2", "\n{failure}");
    }
}

#[test]
fn rules_run_again_after_an_abort_are_caught() {
    let make =
        |rules, options| RulesRunAgain { engine: Engine::new(rules, options), delivered: BTreeMap::new() };
    let failure = first_caught(Mode::Transactional, make);
    assert_eq!(failure.law, "P2", "\n{failure}");
}

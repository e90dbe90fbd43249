//! Originated outputs: their part of each law, over any script and in both modes, and examples.

use std::collections::BTreeMap;

use pipeline::{Action, BatchId, Delivery, Epoch, Event, InputPartition, Originated, Stop};
use proptest::prelude::*;

use crate::harness::{
    A, B, Harness, Kind, Out, What, Work, acknowledged, at, harness, harness_with, id, start, transact,
};
use crate::history::{Fact, ORIGINATED_MAX, play};
use crate::properties::modes;
use crate::reader::Reader;
use crate::script::scripts;

type Assignment = (InputPartition, Epoch);

fn originated_of(outputs: &[Out], of: Assignment) -> u64 {
    let of_assignment = |output: &&Out| output.kind == Kind::Originated && (output.input, output.epoch) == of;
    u64::try_from(outputs.iter().filter(of_assignment).count()).expect("a small number")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn p1_originated_is_acknowledged_discarded_or_in_flight(mode in modes(), script in scripts()) {
        let (mut reader, mut created, mut in_flight) = (Reader::default(), Vec::new(), Vec::new());
        let mut acknowledged = Vec::new();
        for happened in play(mode, &script) {
            match &happened {
                Fact::Created(output) => created.push(output.clone()),
                Fact::Requested { outputs, .. } => in_flight.clone_from(outputs),
                Fact::OutcomeReported { ok } => acknowledged.extend(in_flight.drain(..).filter(|_| *ok)),
                Fact::Settling { counts, epochs, all, .. } => {
                    prop_assert!(all.originated.conserve(), "{:?}", all.originated);
                    for (input, counts) in counts {
                        let (of, originated) = ((*input, epochs[input]), counts.originated);
                        prop_assert!(originated.conserve(), "{:?}: {:?}", of, originated);
                        prop_assert_eq!(originated.acknowledged, originated_of(&acknowledged, of));
                        // What is originated after a drain timeout is stale.
                        let (created, staying) = (originated_of(&created, of), reader.accounts[input].is_exact);
                        prop_assert!(originated.total == created || !staying, "{:?}: {:?}", of, originated);
                        prop_assert!(!staying || originated.discarded == 0, "{:?}: {:?}", of, originated);
                    }
                }
                _ => {}
            }
            reader.read(&happened);
        }
    }

    #[test]
    fn p4_transaction_commits_the_position_of_each_output(script in scripts()) {
        for happened in play(Delivery::Transactional, &script) {
            let Fact::Requested { positions, outputs, epochs, .. } = happened else { continue };
            for output in outputs {
                let is_fenced = positions.iter().any(|position| position.input == output.input);
                prop_assert!(is_fenced && epochs[&output.input] == output.epoch, "{:?}", output);
            }
        }
    }

    #[test]
    fn p5_full_originated_outputs_are_visible(mode in modes(), script in scripts()) {
        for happened in play(mode, &script) {
            let Fact::Settling { load, counts, .. } = happened else { continue };
            let in_flight_max = counts.values().map(|counts| counts.originated.in_flight).max().unwrap_or(0);
            prop_assert_eq!(u64::try_from(load.originated), Ok(in_flight_max));
            prop_assert!(load.originated <= ORIGINATED_MAX);
        }
    }

    /// Otherwise an output could contain the state after one that was never committed.
    #[test]
    fn p8_first_outputs_of_an_assignment_are_the_committed_ones(mode in modes(), script in scripts()) {
        let (mut created, mut committed) = (BTreeMap::<_, Vec<u64>>::new(), BTreeMap::<_, Vec<u64>>::new());
        let mut in_flight = Vec::new();
        for happened in play(mode, &script) {
            match happened {
                Fact::Created(output) => {
                    created.entry((output.input, output.epoch)).or_default().push(output.serial);
                }
                Fact::Requested { outputs, .. } => in_flight = outputs,
                Fact::OutcomeReported { ok: true } => {
                    for output in in_flight.drain(..) {
                        committed.entry((output.input, output.epoch)).or_default().push(output.serial);
                    }
                }
                _ => {}
            }
        }
        for (assignment, committed) in committed {
            prop_assert!(created[&assignment].starts_with(&committed), "{:?}: {:?}", assignment, committed);
        }
    }
}

fn originate(harness: &mut Harness, input: InputPartition, outputs: u8) -> Vec<Action> {
    let epoch = harness.engine.epoch(input).unwrap_or(Epoch(1));
    harness.apply(Event::Completed(Work::Originate { input, epoch, outputs }))
}

fn originated(harness: &Harness) -> Originated {
    harness.engine.counts().originated
}

#[test]
fn idle_partition_commits_its_start_position_with_an_output() {
    let mut harness = Harness::new(pipeline::Options::new(Delivery::Transactional));
    harness.apply(Event::Assigned(&[start(A, 7), start(B, 3)]));
    harness.apply(Event::Tick);
    assert_eq!(originate(&mut harness, A, 2), [transact(0, &[at(A, 7)])]);
    assert_eq!(harness.outputs(BatchId(0)).len(), 2);
    assert_eq!(harness.apply(Event::Committed(BatchId(0))), []);
    let all = Originated { total: 2, acknowledged: 2, discarded: 0, in_flight: 0 };
    assert_eq!((originated(&harness), harness.engine.counts().received), (all, 0));
}

#[test]
fn held_record_keeps_its_position_at_an_originated_output() {
    let mut harness = harness();
    harness.records(A, &[(0, What::Hold)]);
    harness.apply(Event::Tick);
    assert_eq!(originate(&mut harness, A, 1), [transact(0, &[at(A, 0)])]);
    harness.apply(Event::Committed(BatchId(0)));
    assert_eq!((harness.engine.counts().held, harness.engine.positions(A)), (1, Some((0, 0))));
}

#[test]
fn aborted_originated_output_is_produced_again() {
    let mut harness = harness();
    harness.apply(Event::Tick);
    originate(&mut harness, A, 1);
    let before = harness.outputs(BatchId(0));
    assert_eq!(harness.apply(Event::Aborted(BatchId(0))), [transact(1, &[at(A, 0)])]);
    assert_eq!(harness.outputs(BatchId(1)), before);
    assert_eq!(originated(&harness).in_flight, 1);
}

#[test]
fn revocation_waits_for_originated_outputs() {
    let mut harness = harness();
    harness.apply(Event::Tick);
    originate(&mut harness, A, 1);
    assert_eq!(harness.apply(Event::Revoked(&[A])), [Action::Pause(A)]);
    assert_eq!(harness.apply(Event::Committed(BatchId(0))), [acknowledged(A, 0)]);
    assert_eq!(originated(&harness).acknowledged, 1);
}

#[test]
fn drain_timeout_discards_originated_outputs() {
    let mut harness = harness();
    harness.apply(Event::Tick);
    originate(&mut harness, A, 1);
    originate(&mut harness, A, 2);
    harness.apply(Event::Revoked(&[A]));
    harness.now_ms += 5_000;
    assert_eq!(harness.apply(Event::Tick), [], "the batch in flight is awaited");
    let discarded = Originated { total: 3, acknowledged: 0, discarded: 2, in_flight: 1 };
    assert_eq!(originated(&harness), discarded);
    assert_eq!(harness.apply(Event::Aborted(BatchId(0))), [acknowledged(A, 0)], "and not tried again");
    assert_eq!(originated(&harness), Originated { discarded: 3, in_flight: 0, ..discarded });
}

#[test]
fn lost_partition_discards_originated_outputs() {
    let mut harness = harness();
    harness.apply(Event::Tick);
    originate(&mut harness, A, 1);
    originate(&mut harness, A, 1);
    assert_eq!(harness.apply(Event::Lost(&[A])), []);
    assert_eq!(originated(&harness), Originated { total: 2, acknowledged: 0, discarded: 2, in_flight: 0 });
    harness.apply(Event::Assigned(&[start(A, 0)]));
    harness.apply(Event::Aborted(BatchId(0)));
    assert_eq!(originate(&mut harness, A, 1), [transact(1, &[at(A, 0)])], "of the new epoch alone");
    assert_eq!(harness.outputs(BatchId(1)).len(), 1);
}

#[test]
fn recreated_clients_discard_originated_outputs() {
    let mut harness = harness();
    harness.apply(Event::Tick);
    originate(&mut harness, A, 1);
    originate(&mut harness, B, 1);
    harness.apply(Event::ClientsRecreated);
    assert_eq!(originated(&harness).discarded, 2);
    harness.apply(Event::Assigned(&[start(A, 0)]));
    assert_eq!(harness.apply(Event::Tick), []);
}

#[test]
fn output_for_an_ended_assignment_is_stale() {
    let mut harness = harness();
    harness.apply(Event::Lost(&[A]));
    harness.apply(Event::Assigned(&[start(A, 0)]));
    let work = Work::Originate { input: A, epoch: Epoch(1), outputs: 2 };
    assert_eq!(harness.apply(Event::Completed(work)), []);
    assert_eq!(harness.apply(Event::Tick), []);
    assert_eq!((harness.engine.counts().stale_effects, originated(&harness).total), (1, 0));
    assert_eq!(harness.engine.load().originated, 0);
}

#[test]
fn bound_of_a_partition_is_visible_to_the_stage() {
    let mut harness = harness_with(|options| options.originated_outputs_max = 3);
    harness.apply(Event::Tick);
    originate(&mut harness, A, 2);
    originate(&mut harness, A, 2);
    originate(&mut harness, B, 3);
    assert_eq!((harness.engine.stage().without_room, harness.engine.load().originated), (1, 3));
    harness.apply(Event::Committed(BatchId(0)));
    originate(&mut harness, A, 3);
    assert_eq!(harness.engine.stage().without_room, 1);
}

#[test]
fn full_outputs_leave_no_room_to_originate() {
    let mut harness = harness_with(|options| options.outputs_max = 3);
    harness.records(A, &[(0, What::Emit(4)), (1, What::Hold)]);
    originate(&mut harness, A, 1);
    assert_eq!((harness.engine.stage().without_room, originated(&harness).total), (1, 0));
}

#[test]
fn stage_that_ignores_its_room_is_stopped() {
    let mut harness = harness_with(|options| options.originated_outputs_max = 3);
    harness.engine.stage_mut().ignores_room = true;
    let actions = originate(&mut harness, A, 4);
    assert!(matches!(actions.as_slice(), [Action::Stop(Stop::Failed(_))]), "{actions:?}");
    assert_eq!(harness.engine.violations(), [0; 8]);
}

#[test]
fn originated_outputs_leave_in_order_with_others() {
    let mut harness = harness();
    harness.records(A, &[(0, What::Hold)]);
    originate(&mut harness, A, 1);
    harness.apply(Event::Completed(Work::Append { id: id(A, 1, 0), outputs: 1 }));
    originate(&mut harness, A, 1);
    harness.apply(Event::Tick);
    let kinds: Vec<Kind> = harness.outputs(BatchId(0)).iter().map(|output| output.kind).collect();
    assert_eq!(kinds, [Kind::Originated, Kind::OfRecords, Kind::Originated]);
}

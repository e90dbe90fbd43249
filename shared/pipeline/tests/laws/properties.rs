//! One property a law, over any script, in both modes.

use std::collections::{BTreeMap, BTreeSet};

use pipeline::{BatchId, Delivery, InputPartition, RecordId};
use proptest::prelude::*;
use proptest::strategy::ValueTree;

use crate::history::{Happened, POLL_MAX, options, play};
use crate::reader::Reader;
use crate::rig::{Out, Said};
use crate::script::{Step, scripts};

fn modes() -> impl Strategy<Value = Delivery> {
    prop_oneof![Just(Delivery::Transactional), Just(Delivery::AtLeastOnce)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn p1_every_received_record_is_emitted_dropped_rejected_or_held(mode in modes(), script in scripts()) {
        let mut reader = Reader::default();
        for happened in play(mode, &script) {
            reader.read(&happened);
            let Happened::Settled { counts, all, .. } = &happened else { continue };
            prop_assert!(all.conserve(), "{:?}", all);
            for (input, counts) in counts {
                let judged = reader.accounts[input].judged.len() as u64;
                prop_assert!(counts.conserve() && counts.received == judged, "{:?}: {} {:?}", input, judged, counts);
            }
        }
    }

    #[test]
    fn p2_a_position_is_the_end_of_the_contiguous_resolved_prefix(mode in modes(), script in scripts()) {
        let mut reader = Reader::default();
        for happened in play(mode, &script) {
            if let Happened::Asked { positions, outputs, .. } = &happened {
                for position in positions {
                    let prefix = reader.prefix(position.input, outputs);
                    prop_assert!(position.offset <= prefix, "{:?} beyond {}", position, prefix);
                    let exact = reader.accounts[&position.input].flows;
                    prop_assert!(!exact || position.offset == prefix, "{:?} short of {}", position, prefix);
                }
            }
            reader.read(&happened);
        }
    }

    #[test]
    fn p2_what_is_said_to_be_finished_is_and_all_that_was_emitted_is_said(mode in modes(), script in scripts()) {
        let mut reader = Reader::default();
        for happened in play(mode, &script) {
            if let Happened::Asked { positions, outputs, .. } = &happened {
                for position in positions {
                    let account = &reader.accounts[&position.input];
                    for offset in reader.appended.get(&position.input).into_iter().flat_map(|o| o.range(position.offset..)) {
                        let said = position.completed.contains(*offset);
                        let id = account.judged.get(offset);
                        let before = account.start.completed.contains(*offset);
                        let done = before || id.is_some_and(|id| reader.is_done(id, outputs));
                        prop_assert!(done || !said, "{:?} says {}", position, offset);
                        let emitted = before || id.is_some_and(|id| reader.is_emitted(id, outputs));
                        prop_assert!(said || !emitted, "{:?} doesn't say {}", position, offset);
                    }
                }
            }
            reader.read(&happened);
        }
    }

    #[test]
    fn nothing_that_was_committed_is_done_again(mode in modes(), script in scripts()) {
        let (mut reader, mut ended, mut in_flight) = (Reader::default(), BTreeSet::new(), Vec::new());
        for happened in play(mode, &script) {
            match &happened {
                Happened::Judged(id, _) => {
                    let start = &reader.accounts[&id.input].start;
                    prop_assert!(id.offset >= start.position && !start.completed.contains(id.offset), "{:?}", id);
                }
                Happened::Asked { outputs, .. } => in_flight.clone_from(outputs),
                Happened::Answered { ok: true } if mode == Delivery::Transactional => {
                    let ids: BTreeSet<_> = in_flight.drain(..).flat_map(|output: Out| output.ends).collect();
                    for id in ids {
                        prop_assert!(ended.insert((id.input, id.offset)), "{:?} shows twice", id);
                    }
                }
                _ => {}
            }
            reader.read(&happened);
        }
    }

    #[test]
    fn no_record_is_taken_before_those_in_front_of_it(mode in modes(), script in scripts()) {
        let mut reader = Reader::default();
        for happened in play(mode, &script) {
            let taken = match &happened {
                Happened::Judged(id, _) => Some((id.input, id.offset)),
                Happened::PassedOver(input, offset) => Some((*input, *offset)),
                _ => None,
            };
            if let Some((input, offset)) = taken {
                let account = &reader.accounts[&input];
                let due = reader.appended[&input].range(account.taken..).next();
                prop_assert_eq!(due, Some(&offset), "of {:?}", input);
            }
            reader.read(&happened);
        }
    }

    #[test]
    fn p3_a_position_never_goes_back_within_an_assignment(mode in modes(), script in scripts()) {
        let mut last: BTreeMap<InputPartition, i64> = BTreeMap::new();
        let mut asked = Vec::new();
        for happened in play(mode, &script) {
            match happened {
                Happened::Assigned(start) => drop(last.insert(start.input, start.position)),
                Happened::Asked { positions, .. } => {
                    for position in &positions {
                        prop_assert!(position.offset >= last[&position.input], "{:?} after {:?}", position, last);
                    }
                    asked = positions;
                }
                Happened::Answered { ok: true } => {
                    last.extend(asked.drain(..).map(|position| (position.input, position.offset)));
                }
                _ => {}
            }
        }
    }

    #[test]
    fn p4_nothing_leaves_for_a_partition_that_has_gone(mode in modes(), script in scripts()) {
        let mut reader = Reader::default();
        let mut epochs = BTreeMap::new();
        for happened in play(mode, &script) {
            match &happened {
                Happened::Judged(id, _) => drop(epochs.insert(id.input, id.epoch)),
                Happened::Asked { positions, outputs, .. } => {
                    let of_outputs = outputs.iter().map(|output| output.input);
                    for input in positions.iter().map(|position| position.input).chain(of_outputs) {
                        prop_assert!(reader.accounts.contains_key(&input), "{:?} has gone", input);
                    }
                    for id in outputs.iter().flat_map(|output| &output.ends) {
                        prop_assert_eq!(id.epoch, epochs[&id.input], "work of an older epoch");
                    }
                }
                _ => {}
            }
            reader.read(&happened);
        }
    }

    #[test]
    fn p5_what_is_above_its_bound_pauses_every_source(mode in modes(), script in scripts()) {
        let held_max = options(mode).held_records_max + u64::try_from(POLL_MAX).expect("small");
        for happened in play(mode, &script) {
            let Happened::Settled { load, .. } = happened else { continue };
            prop_assert!(load.held <= held_max, "{:?}", load);
            let full = load.held > load.held_max || load.outputs > load.outputs_max;
            prop_assert!(!full || load.paused == load.inputs, "{:?}", load);
        }
    }

    #[test]
    fn p6_a_dead_letter_is_acknowledged_before_its_offset_or_with_it(mode in modes(), script in scripts()) {
        let mut reader = Reader::default();
        for happened in play(mode, &script) {
            if let Happened::Asked { positions, outputs, .. } = &happened {
                for position in positions {
                    let passed = |id: &&RecordId| {
                        let said = id.offset < position.offset || position.completed.contains(id.offset);
                        id.input == position.input && said
                    };
                    for id in reader.rejected.iter().filter(passed) {
                        let now = outputs.iter().any(|output| output.dead_letter && output.ends.contains(id));
                        let of_now = reader.accounts[&id.input].delivered.iter().any(|(known, _)| *known == Some(*id));
                        let known = reader.dead_lettered.contains(id);
                        prop_assert!(known || now || !of_now, "{:?} passes {:?}", position, id);
                    }
                }
            }
            reader.read(&happened);
        }
    }

    #[test]
    fn p7_the_same_script_gives_the_same_history(mode in modes(), script in scripts()) {
        prop_assert_eq!(play(mode, &script), play(mode, &script));
    }

    #[test]
    fn p8_outputs_leave_in_the_order_in_which_they_were_made(mode in modes(), script in scripts()) {
        let (mut last, mut batch, mut refused): (u64, Vec<Out>, Vec<Out>) = (0, Vec::new(), Vec::new());
        // A input that has spent its drain budget is not tried again, so those that leave are left out of the comparison.
        let mut leaving = BTreeSet::new();
        for happened in play(mode, &script) {
            let staying = |outputs: &[Out]| -> Vec<Out> {
                outputs.iter().filter(|output| !leaving.contains(&output.input)).cloned().collect()
            };
            match happened {
                Happened::Asked { batch: Some(_), outputs, .. } => {
                    let serials: Vec<u64> = outputs.iter().map(|output| output.serial).collect();
                    prop_assert!(serials.is_sorted() && serials.first().is_none_or(|first| *first > last));
                    let (now, before) = (staying(&outputs), staying(&refused));
                    prop_assert!(now.starts_with(&before), "{:?} leave before {:?}", now, before);
                    (batch, refused) = (outputs, Vec::new());
                }
                Happened::Answered { ok: true } => last = batch.drain(..).next_back().map_or(last, |o| o.serial),
                Happened::Answered { ok: false } => refused.append(&mut batch),
                Happened::Revoked(input) => drop(leaving.insert(input)),
                Happened::Gone(input) => {
                    refused.retain(|output| output.input != input);
                    batch.retain(|output| output.input != input);
                }
                Happened::Acknowledged(inputs) => {
                    leaving.retain(|input| !inputs.contains(input));
                    refused.retain(|output| !inputs.contains(&output.input));
                }
                _ => {}
            }
        }
    }
}

#[test]
fn scripts_reach_what_the_laws_are_about() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut seen: BTreeMap<&str, u32> = BTreeMap::new();
    for _ in 0..200 {
        let script: Vec<Step> = scripts().new_tree(&mut runner).expect("a script").current();
        for happened in play(Delivery::Transactional, &script) {
            let what = match &happened {
                Happened::Asked { batch: Some(BatchId(_)), .. } => "batch",
                Happened::Asked { batch: None, .. } => "commit",
                Happened::Answered { ok: false } => "refused",
                Happened::Acknowledged(_) => "acknowledged",
                Happened::Paused(_, true) => "paused",
                Happened::Paused(_, false) => "resumed",
                Happened::Settled { all, .. } if all.stale_effects > 0 => "stale effect",
                Happened::PassedOver(..) => "passed over",
                Happened::Rewound(_) => "went back",
                Happened::Said(Said::Release(_)) => "given back",
                Happened::Settled { all, .. } if all.returned > 0 => "returned",
                _ => continue,
            };
            *seen.entry(what).or_default() += 1;
        }
    }
    assert!(seen.len() == 11 && seen.values().all(|count| *count >= 20), "{seen:?}");
}

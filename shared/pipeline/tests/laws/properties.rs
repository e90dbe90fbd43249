//! One property for each law, over any script, in both modes.

use std::collections::{BTreeMap, BTreeSet};

use pipeline::{BatchId, Delivery, InputPartition, RecordId};
use proptest::prelude::*;
use proptest::strategy::ValueTree;

use crate::harness::{Kind, Out, Work};
use crate::history::{Fact, POLL_MAX, options, play};
use crate::reader::Reader;
use crate::script::{Step, scripts};

pub(crate) fn modes() -> impl Strategy<Value = Delivery> {
    prop_oneof![Just(Delivery::Transactional), Just(Delivery::AtLeastOnce)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn p1_received_is_emitted_dropped_rejected_or_held(mode in modes(), script in scripts()) {
        let mut reader = Reader::default();
        for happened in play(mode, &script) {
            reader.read(&happened);
            let Fact::Settling { counts, all, .. } = &happened else { continue };
            prop_assert!(all.conserve(), "{:?}", all);
            for (input, counts) in counts {
                let processed = reader.accounts[input].processed.len() as u64;
                prop_assert!(counts.conserve() && counts.received == processed, "{:?}: {} {:?}", input, processed, counts);
            }
        }
    }

    #[test]
    fn p2_position_is_the_end_of_the_resolved_prefix(mode in modes(), script in scripts()) {
        let mut reader = Reader::default();
        for happened in play(mode, &script) {
            if let Fact::Requested { positions, outputs, .. } = &happened {
                for position in positions {
                    let prefix = reader.prefix(position.input, outputs);
                    prop_assert!(position.offset <= prefix, "{:?} beyond {}", position, prefix);
                    let exact = reader.accounts[&position.input].is_exact;
                    prop_assert!(!exact || position.offset == prefix, "{:?} short of {}", position, prefix);
                }
            }
            reader.read(&happened);
        }
    }

    #[test]
    fn p2_completed_ranges_are_exactly_the_emitted_records(mode in modes(), script in scripts()) {
        let mut reader = Reader::default();
        for happened in play(mode, &script) {
            if let Fact::Requested { positions, outputs, .. } = &happened {
                for position in positions {
                    let account = &reader.accounts[&position.input];
                    for offset in reader.appended.get(&position.input).into_iter().flat_map(|o| o.range(position.offset..)) {
                        let is_listed = position.completed.contains(*offset);
                        let id = account.processed.get(offset);
                        let before = account.start.completed.contains(*offset);
                        let done = before || id.is_some_and(|id| reader.is_done(id, outputs));
                        prop_assert!(done || !is_listed, "{:?} lists {}", position, offset);
                        let emitted = before || id.is_some_and(|id| reader.is_emitted(id, outputs));
                        prop_assert!(is_listed || !emitted, "{:?} does not list {}", position, offset);
                    }
                }
            }
            reader.read(&happened);
        }
    }

    #[test]
    fn committed_records_are_not_processed_again(mode in modes(), script in scripts()) {
        let (mut reader, mut ended, mut in_flight) = (Reader::default(), BTreeSet::new(), Vec::new());
        for happened in play(mode, &script) {
            match &happened {
                Fact::Processed(id, _) => {
                    let start = &reader.accounts[&id.input].start;
                    prop_assert!(id.offset >= start.position && !start.completed.contains(id.offset), "{:?}", id);
                }
                Fact::Requested { outputs, .. } => in_flight.clone_from(outputs),
                Fact::OutcomeReported { ok: true } if mode == Delivery::Transactional => {
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
    fn records_are_processed_in_delivery_order(mode in modes(), script in scripts()) {
        let mut reader = Reader::default();
        for happened in play(mode, &script) {
            let taken = match &happened {
                Fact::Processed(id, _) => Some((id.input, id.offset)),
                Fact::Skipped(input, offset) => Some((*input, *offset)),
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
    fn p3_position_never_decreases_within_an_assignment(mode in modes(), script in scripts()) {
        let mut last: BTreeMap<InputPartition, i64> = BTreeMap::new();
        let mut requested = Vec::new();
        for happened in play(mode, &script) {
            match happened {
                Fact::Assigned(start) => drop(last.insert(start.input, start.position)),
                Fact::Requested { positions, .. } => {
                    for position in &positions {
                        prop_assert!(position.offset >= last[&position.input], "{:?} after {:?}", position, last);
                    }
                    requested = positions;
                }
                Fact::OutcomeReported { ok: true } => {
                    last.extend(requested.drain(..).map(|position| (position.input, position.offset)));
                }
                _ => {}
            }
        }
    }

    #[test]
    fn p4_nothing_is_sent_for_an_unassigned_partition(mode in modes(), script in scripts()) {
        let mut reader = Reader::default();
        let mut epochs = BTreeMap::new();
        for happened in play(mode, &script) {
            match &happened {
                Fact::Processed(id, _) => drop(epochs.insert(id.input, id.epoch)),
                Fact::Requested { positions, outputs, .. } => {
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
    fn p5_exceeded_bound_pauses_every_partition(mode in modes(), script in scripts()) {
        let held_max = options(mode).held_records_max + u64::try_from(POLL_MAX).expect("small");
        for happened in play(mode, &script) {
            let Fact::Settling { load, .. } = happened else { continue };
            prop_assert!(load.held <= held_max, "{:?}", load);
            let are_outputs_full =
                load.outputs > load.outputs_max || load.outputs_bytes > load.outputs_bytes_max;
            let full = load.held > load.held_max || are_outputs_full;
            prop_assert!(!full || load.paused == load.inputs, "{:?}", load);
        }
    }

    #[test]
    fn p6_dead_letter_is_acknowledged_before_or_with_its_offset(mode in modes(), script in scripts()) {
        let mut reader = Reader::default();
        for happened in play(mode, &script) {
            if let Fact::Requested { positions, outputs, .. } = &happened {
                for position in positions {
                    let passed = |id: &&RecordId| {
                        let is_listed = id.offset < position.offset || position.completed.contains(id.offset);
                        id.input == position.input && is_listed
                    };
                    for id in reader.rejected.iter().filter(passed) {
                        let now = outputs.iter().any(|output| output.kind == Kind::DeadLetter && output.ends.contains(id));
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
    fn p7_same_script_gives_the_same_history(mode in modes(), script in scripts()) {
        prop_assert_eq!(play(mode, &script), play(mode, &script));
    }

    #[test]
    fn p8_outputs_leave_in_the_order_of_creation(mode in modes(), script in scripts()) {
        let (mut last, mut batch, mut failed): (u64, Vec<Out>, Vec<Out>) = (0, Vec::new(), Vec::new());
        // A partition whose drain timed out is not retried, so draining ones are not compared.
        let mut leaving = BTreeSet::new();
        for happened in play(mode, &script) {
            let staying = |outputs: &[Out]| -> Vec<Out> {
                outputs.iter().filter(|output| !leaving.contains(&output.input)).cloned().collect()
            };
            match happened {
                Fact::Requested { batch: Some(_), outputs, .. } => {
                    let serials: Vec<u64> = outputs.iter().map(|output| output.serial).collect();
                    prop_assert!(serials.is_sorted() && serials.first().is_none_or(|first| *first > last));
                    let (now, before) = (staying(&outputs), staying(&failed));
                    prop_assert!(now.starts_with(&before), "{:?} leave before {:?}", now, before);
                    (batch, failed) = (outputs, Vec::new());
                }
                Fact::OutcomeReported { ok: true } => last = batch.drain(..).next_back().map_or(last, |o| o.serial),
                Fact::OutcomeReported { ok: false } => failed.append(&mut batch),
                Fact::Revoked(input) => drop(leaving.insert(input)),
                Fact::Gone(input) => {
                    failed.retain(|output| output.input != input);
                    batch.retain(|output| output.input != input);
                }
                Fact::Acknowledged(inputs) => {
                    leaving.retain(|input| !inputs.contains(input));
                    failed.retain(|output| !inputs.contains(&output.input));
                }
                _ => {}
            }
        }
    }
}

#[test]
fn scripts_reach_the_cases_of_the_laws() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut reached: BTreeMap<&str, u32> = BTreeMap::new();
    for _ in 0..200 {
        let script: Vec<Step> = scripts().new_tree(&mut runner).expect("a script").current();
        for happened in play(Delivery::Transactional, &script) {
            let what = match &happened {
                Fact::Requested { batch: Some(BatchId(_)), .. } => "batch",
                Fact::Requested { batch: None, .. } => "commit",
                Fact::OutcomeReported { ok: false } => "failed",
                Fact::Acknowledged(_) => "acknowledged",
                Fact::Paused(_, true) => "paused",
                Fact::Paused(_, false) => "resumed",
                Fact::Settling { all, .. } if all.stale_effects > 0 => "stale effect",
                Fact::Skipped(..) => "passed over",
                Fact::Rewound(_) => "went back",
                Fact::WorkCompleted(Work::Release(_)) => "released",
                Fact::Settling { all, .. } if all.redelivered > 0 => "redelivered",
                Fact::Settling { all, .. } if all.originated.discarded > 0 => "discarded",
                Fact::Settling { all, .. } if all.originated.acknowledged > 0 => "originated",
                _ => continue,
            };
            *reached.entry(what).or_default() += 1;
        }
    }
    assert!(reached.len() == 13 && reached.values().all(|count| *count >= 20), "{reached:?}");
}

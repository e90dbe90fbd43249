//! One property a law, over any script, in both modes.

use std::collections::{BTreeMap, BTreeSet};

use pipeline::{BatchId, Delivery, RecordId, Source};
use proptest::prelude::*;
use proptest::strategy::ValueTree;

use crate::history::{Happened, POLL_MAX, Step, options, play, scripts};
use crate::rig::{Out, Said, What};

fn modes() -> impl Strategy<Value = Delivery> {
    prop_oneof![Just(Delivery::Transactional), Just(Delivery::AtLeastOnce)]
}

/// What the history says of one assignment.
#[derive(Debug, Default)]
struct Account {
    start: i64,
    /// In delivery order: a record or a reached end, and the position behind it.
    delivered: Vec<(Option<RecordId>, i64)>,
    judged: u64,
    /// Not asked back and not stopped for its rejects: then positions are exact, not merely safe.
    flows: bool,
}

/// Reads a history up to any point.
#[derive(Debug, Default)]
struct Reader {
    accounts: BTreeMap<Source, Account>,
    resolved: BTreeSet<RecordId>,
    rejected: BTreeSet<RecordId>,
    dead_lettered: BTreeSet<RecordId>,
    in_flight: Vec<Out>,
}

impl Reader {
    fn read(&mut self, happened: &Happened) {
        match happened {
            Happened::Assigned(source, start) => {
                self.accounts.insert(*source, Account { start: *start, flows: true, ..Account::default() });
            }
            Happened::Judged(id, what) => {
                if let Some(account) = self.accounts.get_mut(&id.source) {
                    account.judged += 1;
                    account.delivered.push((Some(*id), id.offset + 1));
                }
                match what {
                    What::Drop => drop(self.resolved.insert(*id)),
                    What::Reject => drop(self.rejected.insert(*id)),
                    What::Emit(_) | What::Hold | What::Fail => {}
                }
            }
            Happened::Ended(source, position) => {
                if let Some(account) = self.accounts.get_mut(source).filter(|account| account.flows) {
                    account.delivered.push((None, *position));
                }
            }
            Happened::Said(Said::Drop(id)) => drop(self.resolved.insert(*id)),
            Happened::Said(Said::Reject(id)) => drop(self.rejected.insert(*id)),
            Happened::Said(Said::Emit { .. } | Said::Append { .. }) => {}
            Happened::Revoked(source) | Happened::Poisoned(source) => {
                if let Some(account) = self.accounts.get_mut(source) {
                    account.flows = false;
                }
            }
            Happened::Gone(source) => drop(self.accounts.remove(source)),
            Happened::Acknowledged(sources) => self.accounts.retain(|source, _| !sources.contains(source)),
            Happened::Asked { outputs, .. } => self.in_flight.clone_from(outputs),
            Happened::Answered { ok } => {
                for output in std::mem::take(&mut self.in_flight) {
                    if *ok {
                        self.resolved.extend(&output.ends);
                        self.dead_lettered.extend(output.ends.iter().filter(|_| output.dead_letter));
                    }
                }
            }
            Happened::Paused(..) | Happened::Settled { .. } => {}
        }
    }

    /// The end of the contiguous prefix that is resolved, or will be with these outputs.
    fn prefix(&self, source: Source, outputs: &[Out]) -> i64 {
        let account = &self.accounts[&source];
        let done = |id: &RecordId| self.resolved.contains(id) || outputs.iter().any(|o| o.ends.contains(id));
        let prefix = account.delivered.iter().take_while(|(id, _)| id.as_ref().is_none_or(done));
        prefix.map(|(_, end)| *end).max().unwrap_or(account.start)
    }
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
            for (source, counts) in counts {
                let judged = reader.accounts[source].judged;
                prop_assert!(counts.conserve() && counts.received == judged, "{:?}: {} {:?}", source, judged, counts);
            }
        }
    }

    #[test]
    fn p2_a_position_is_the_end_of_the_contiguous_resolved_prefix(mode in modes(), script in scripts()) {
        let mut reader = Reader::default();
        for happened in play(mode, &script) {
            if let Happened::Asked { positions, outputs, .. } = &happened {
                for position in positions {
                    let prefix = reader.prefix(position.source, outputs);
                    prop_assert!(position.offset <= prefix, "{:?} beyond {}", position, prefix);
                    let exact = reader.accounts[&position.source].flows;
                    prop_assert!(!exact || position.offset == prefix, "{:?} short of {}", position, prefix);
                }
            }
            reader.read(&happened);
        }
    }

    #[test]
    fn p3_a_position_never_goes_back_within_an_assignment(mode in modes(), script in scripts()) {
        let mut last: BTreeMap<Source, i64> = BTreeMap::new();
        let mut asked = Vec::new();
        for happened in play(mode, &script) {
            match happened {
                Happened::Assigned(source, start) => drop(last.insert(source, start)),
                Happened::Asked { positions, .. } => {
                    for position in &positions {
                        prop_assert!(position.offset >= last[&position.source], "{:?} after {:?}", position, last);
                    }
                    asked = positions;
                }
                Happened::Answered { ok: true } => {
                    last.extend(asked.drain(..).map(|position| (position.source, position.offset)));
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
                Happened::Judged(id, _) => drop(epochs.insert(id.source, id.epoch)),
                Happened::Asked { positions, outputs, .. } => {
                    let of_outputs = outputs.iter().map(|output| output.source);
                    for source in positions.iter().map(|position| position.source).chain(of_outputs) {
                        prop_assert!(reader.accounts.contains_key(&source), "{:?} has gone", source);
                    }
                    for id in outputs.iter().flat_map(|output| &output.ends) {
                        prop_assert_eq!(id.epoch, epochs[&id.source], "work of an older epoch");
                    }
                }
                _ => {}
            }
            reader.read(&happened);
        }
    }

    #[test]
    fn p5_what_is_above_its_bound_pauses_every_source(mode in modes(), script in scripts()) {
        let held_max = options(mode).held_max_records + u64::try_from(POLL_MAX).expect("small");
        for happened in play(mode, &script) {
            let Happened::Settled { load, .. } = happened else { continue };
            prop_assert!(load.held <= held_max, "{:?}", load);
            let full = load.held > load.held_max || load.outputs > load.outputs_max;
            prop_assert!(!full || load.paused == load.sources, "{:?}", load);
        }
    }

    #[test]
    fn p6_a_dead_letter_is_acknowledged_before_its_offset_or_with_it(mode in modes(), script in scripts()) {
        let mut reader = Reader::default();
        for happened in play(mode, &script) {
            if let Happened::Asked { positions, outputs, .. } = &happened {
                for position in positions {
                    let passed = |id: &&RecordId| id.source == position.source && id.offset < position.offset;
                    for id in reader.rejected.iter().filter(passed) {
                        let now = outputs.iter().any(|output| output.dead_letter && output.ends.contains(id));
                        let of_now = reader.accounts[&id.source].delivered.iter().any(|(known, _)| *known == Some(*id));
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
        // A source that has spent its drain budget is not tried again, so those that leave are left out of the comparison.
        let mut leaving = BTreeSet::new();
        for happened in play(mode, &script) {
            let staying = |outputs: &[Out]| -> Vec<Out> {
                outputs.iter().filter(|output| !leaving.contains(&output.source)).cloned().collect()
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
                Happened::Revoked(source) => drop(leaving.insert(source)),
                Happened::Gone(source) => {
                    refused.retain(|output| output.source != source);
                    batch.retain(|output| output.source != source);
                }
                Happened::Acknowledged(sources) => {
                    leaving.retain(|source| !sources.contains(source));
                    refused.retain(|output| !sources.contains(&output.source));
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
                Happened::Settled { all, .. } if all.returned > 0 => "returned",
                _ => continue,
            };
            *seen.entry(what).or_default() += 1;
        }
    }
    assert!(seen.len() == 8 && seen.values().all(|count| *count >= 20), "{seen:?}");
}

//! What a history says of each assignment, read up to any point.

use std::collections::{BTreeMap, BTreeSet};

use pipeline::{InputPartition, RecordId, Start};

use crate::history::Happened;
use crate::rig::{Out, Said, What};

/// What the history says of one assignment.
#[derive(Debug)]
pub(crate) struct Account {
    pub(crate) start: Start,
    /// In delivery order: a record, or one that was passed over or a reached end; and the position behind it.
    pub(crate) delivered: Vec<(Option<RecordId>, i64)>,
    /// By offset.
    pub(crate) judged: BTreeMap<i64, RecordId>,
    /// The position behind all that was delivered.
    pub(crate) taken: i64,
    /// Not asked back and not stopped for its rejects: then positions are exact, not merely safe.
    pub(crate) flows: bool,
}

impl Account {
    fn take(&mut self, id: Option<RecordId>, end: i64) {
        self.delivered.push((id, end));
        self.taken = self.taken.max(end);
    }
}

/// Reads a history up to any point.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    pub(crate) accounts: BTreeMap<InputPartition, Account>,
    /// What each log holds.
    pub(crate) appended: BTreeMap<InputPartition, BTreeSet<i64>>,
    resolved: BTreeSet<RecordId>,
    /// Those of the resolved that outputs ended.
    emitted: BTreeSet<RecordId>,
    pub(crate) rejected: BTreeSet<RecordId>,
    pub(crate) dead_lettered: BTreeSet<RecordId>,
    in_flight: Vec<Out>,
}

impl Reader {
    pub(crate) fn read(&mut self, happened: &Happened) {
        match happened {
            Happened::Assigned(start) => {
                let (delivered, judged) = (Vec::new(), BTreeMap::new());
                let account =
                    Account { start: start.clone(), delivered, judged, taken: start.position, flows: true };
                self.accounts.insert(start.input, account);
            }
            Happened::Appended(input, offset) => {
                self.appended.entry(*input).or_default().insert(*offset);
            }
            Happened::PassedOver(input, offset) => {
                if let Some(account) = self.accounts.get_mut(input) {
                    account.take(None, offset + 1);
                }
            }
            Happened::Judged(id, what) => {
                if let Some(account) = self.accounts.get_mut(&id.input) {
                    account.judged.insert(id.offset, *id);
                    account.take(Some(*id), id.offset + 1);
                }
                match what {
                    What::Drop => drop(self.resolved.insert(*id)),
                    What::Reject => drop(self.rejected.insert(*id)),
                    What::Emit(_) | What::Hold | What::Defer | What::DeferHaving(_) | What::Fail => {}
                }
            }
            Happened::Ended(input, position) => {
                if let Some(account) = self.accounts.get_mut(input).filter(|account| account.flows) {
                    account.take(None, *position);
                }
            }
            Happened::Said(Said::Drop(id)) => drop(self.resolved.insert(*id)),
            Happened::Said(Said::Reject(id)) => drop(self.rejected.insert(*id)),
            Happened::Said(Said::Emit { .. } | Said::Append { .. } | Said::Release(_)) => {}
            Happened::Revoked(input) | Happened::Poisoned(input) => {
                if let Some(account) = self.accounts.get_mut(input) {
                    account.flows = false;
                }
            }
            Happened::Gone(input) => drop(self.accounts.remove(input)),
            Happened::Acknowledged(inputs) => self.accounts.retain(|input, _| !inputs.contains(input)),
            Happened::Asked { outputs, .. } => self.in_flight.clone_from(outputs),
            Happened::Answered { ok } => {
                for output in std::mem::take(&mut self.in_flight) {
                    if *ok {
                        self.resolved.extend(&output.ends);
                        self.emitted.extend(&output.ends);
                        self.dead_lettered.extend(output.ends.iter().filter(|_| output.dead_letter));
                    }
                }
            }
            Happened::Paused(..) | Happened::Rewound(_) | Happened::Settled { .. } => {}
        }
    }

    /// Whether a record needs no more than these outputs.
    pub(crate) fn is_done(&self, id: &RecordId, outputs: &[Out]) -> bool {
        self.resolved.contains(id) || outputs.iter().any(|output| output.ends.contains(id))
    }

    /// Whether it was ended by outputs, or will be by these.
    pub(crate) fn is_emitted(&self, id: &RecordId, outputs: &[Out]) -> bool {
        self.emitted.contains(id) || outputs.iter().any(|output| output.ends.contains(id))
    }

    /// The end of the contiguous prefix that is resolved, or will be with these outputs.
    pub(crate) fn prefix(&self, input: InputPartition, outputs: &[Out]) -> i64 {
        let account = &self.accounts[&input];
        let done = |(id, _): &&(Option<RecordId>, i64)| id.is_none_or(|id| self.is_done(&id, outputs));
        let prefix = account.delivered.iter().take_while(done);
        prefix.map(|(_, end)| *end).max().unwrap_or(account.start.position)
    }
}

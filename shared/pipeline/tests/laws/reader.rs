//! Reader of a history: the state of each assignment at any point.

use std::collections::{BTreeMap, BTreeSet};

use pipeline::{InputPartition, RecordId, Start};

use crate::harness::{Kind, Out, What, Work};
use crate::history::Fact;

/// The state of one assignment.
#[derive(Debug)]
pub(crate) struct Account {
    pub(crate) start: Start,
    /// In delivery order: a record, or `None` for a skipped one or a reached end; with the position after it.
    pub(crate) delivered: Vec<(Option<RecordId>, i64)>,
    /// By offset.
    pub(crate) processed: BTreeMap<i64, RecordId>,
    /// The position after everything that was delivered.
    pub(crate) taken: i64,
    /// Neither revoked nor stopped for its dead letters: then positions are exact, not only safe.
    pub(crate) is_exact: bool,
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
    /// The offsets of each log.
    pub(crate) appended: BTreeMap<InputPartition, BTreeSet<i64>>,
    resolved: BTreeSet<RecordId>,
    /// The resolved records that outputs resolved.
    emitted: BTreeSet<RecordId>,
    pub(crate) rejected: BTreeSet<RecordId>,
    pub(crate) dead_lettered: BTreeSet<RecordId>,
    in_flight: Vec<Out>,
}

impl Reader {
    pub(crate) fn read(&mut self, happened: &Fact) {
        match happened {
            Fact::Assigned(start) => {
                let (delivered, processed) = (Vec::new(), BTreeMap::new());
                let account = Account {
                    start: start.clone(),
                    delivered,
                    processed,
                    taken: start.position,
                    is_exact: true,
                };
                self.accounts.insert(start.input, account);
            }
            Fact::Appended(input, offset) => {
                self.appended.entry(*input).or_default().insert(*offset);
            }
            Fact::Skipped(input, offset) => {
                if let Some(account) = self.accounts.get_mut(input) {
                    account.take(None, offset + 1);
                }
            }
            Fact::Processed(id, what) => {
                if let Some(account) = self.accounts.get_mut(&id.input) {
                    account.processed.insert(id.offset, *id);
                    account.take(Some(*id), id.offset + 1);
                }
                match what {
                    What::Drop => drop(self.resolved.insert(*id)),
                    What::Reject => drop(self.rejected.insert(*id)),
                    What::Emit(_) | What::Hold | What::Defer | What::DeferHaving(_) | What::Fail => {}
                }
            }
            Fact::Ended(input, position) => {
                if let Some(account) = self.accounts.get_mut(input).filter(|account| account.is_exact) {
                    account.take(None, *position);
                }
            }
            Fact::WorkCompleted(Work::Drop(id)) => drop(self.resolved.insert(*id)),
            Fact::WorkCompleted(Work::Reject(id)) => drop(self.rejected.insert(*id)),
            Fact::WorkCompleted(
                Work::Emit { .. } | Work::Append { .. } | Work::Release(_) | Work::Originate { .. },
            ) => {}
            Fact::Revoked(input) | Fact::Stopped(input) => {
                if let Some(account) = self.accounts.get_mut(input) {
                    account.is_exact = false;
                }
            }
            Fact::Gone(input) => drop(self.accounts.remove(input)),
            Fact::Acknowledged(inputs) => self.accounts.retain(|input, _| !inputs.contains(input)),
            Fact::Requested { outputs, .. } => self.in_flight.clone_from(outputs),
            Fact::OutcomeReported { ok } => {
                for output in std::mem::take(&mut self.in_flight) {
                    if *ok {
                        self.resolved.extend(&output.ends);
                        self.emitted.extend(&output.ends);
                        self.dead_lettered
                            .extend(output.ends.iter().filter(|_| output.kind == Kind::DeadLetter));
                    }
                }
            }
            Fact::Created(_) | Fact::Paused(..) | Fact::Rewound(_) | Fact::Settling { .. } => {}
        }
    }

    /// Returns whether these outputs resolve a record, if it is not resolved yet.
    pub(crate) fn is_done(&self, id: &RecordId, outputs: &[Out]) -> bool {
        self.resolved.contains(id) || outputs.iter().any(|output| output.ends.contains(id))
    }

    /// Returns whether outputs resolved a record, or these will.
    pub(crate) fn is_emitted(&self, id: &RecordId, outputs: &[Out]) -> bool {
        self.emitted.contains(id) || outputs.iter().any(|output| output.ends.contains(id))
    }

    /// Returns the end of the contiguous prefix that is resolved, or will be with these outputs.
    pub(crate) fn prefix(&self, input: InputPartition, outputs: &[Out]) -> i64 {
        let account = &self.accounts[&input];
        let done = |(id, _): &&(Option<RecordId>, i64)| id.is_none_or(|id| self.is_done(&id, outputs));
        let prefix = account.delivered.iter().take_while(done);
        prefix.map(|(_, end)| *end).max().unwrap_or(account.start.position)
    }
}

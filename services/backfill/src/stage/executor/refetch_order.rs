//! Order of refetches: a symbol has one at a time, and a restart continues with the one that was running.
//!
//! A series has one note of a refetch. If a second one began before the first had ended, it would replace the note, and after a restart the
//! first would take its range out of the coverage again ([`super::refetching`]). Redelivered requests do not return in the order in which
//! they began, so a request also waits for the attempt of a note that may not be redelivered yet.

use std::collections::BTreeMap;
use std::time::Duration;

use domain::Symbol;
use pipeline::RecordId;

use super::ExecutorStage;
use super::request::Request;
use crate::rules::series::Series;

/// The refetches that have passed the coverage gate.
#[derive(Debug, Default)]
pub(super) struct RefetchOrder {
    /// Those that wait for their turn, in the order of arrival.
    waiting: Vec<RecordId>,
    /// The one of each symbol that is fetched.
    running: BTreeMap<Symbol, RecordId>,
}

impl RefetchOrder {
    /// Adds a request to those that wait.
    pub(super) fn add(&mut self, id: RecordId) {
        self.waiting.push(id);
    }

    /// Removes the requests that are no longer held.
    pub(super) fn retain(&mut self, is_held: impl Fn(&RecordId) -> bool) {
        self.waiting.retain(&is_held);
        self.running.retain(|_, id| is_held(id));
    }

    /// Removes a request that has ended.
    pub(super) fn ended(&mut self, request: &Request) {
        if self.running.get(&request.symbol) == Some(&request.id) {
            self.running.remove(&request.symbol);
        } else {
            self.waiting.retain(|id| *id != request.id);
        }
    }

    /// Returns the number of requests that wait for their turn.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }
}

impl ExecutorStage {
    /// Passes to the fetches each waiting refetch whose turn it is.
    pub(super) fn start_refetches(&mut self, now: Duration) {
        let mut waiting = std::mem::take(&mut self.refetches.waiting);
        waiting.retain(|id| {
            let Some(request) = self.requests.get(id) else { return false };
            if self.waits_for_another(request) {
                return true;
            }
            self.refetches.running.insert(request.symbol, *id);
            self.coalescer.add(&request.demand(), now);
            false
        });
        self.refetches.waiting = waiting;
    }

    /// Returns `true` if another refetch of the symbol runs, or has begun before a restart and is not known to have ended.
    fn waits_for_another(&self, request: &Request) -> bool {
        if self.refetches.running.contains_key(&request.symbol) {
            return true;
        }
        let partition = request.id.input.partition;
        // A full stage reads no requests, so the redelivered one might never arrive.
        let may_be_redelivered = !self.keeping.is_caught_up(partition) && !self.has_many_waiting();
        let of_another = |series: Series| {
            let noted = self.table.refetch_notes.of(partition, &series)?;
            (noted.backfill_id != request.attempt.backfill_id).then_some(noted)
        };
        request.series().filter_map(of_another).any(|noted| {
            may_be_redelivered
                || self
                    .requests
                    .values()
                    .any(|held| held.id.input == request.id.input && held.attempt == noted)
        })
    }
}

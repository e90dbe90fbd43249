//! Order of refetches: a symbol has one at a time, and a restart continues with the one that was running.
//!
//! A series has one note of a refetch. If a second one began before the first had ended, it would replace the note, and after a restart the
//! first would take its range out of the coverage again ([`super::refetching`]). Redelivered requests do not return in the order in which
//! they began, so a request also waits for the attempt of a note that may not be redelivered yet.

use std::collections::BTreeMap;

use domain::Symbol;
use pipeline::RecordId;

use super::request::Request;

/// The refetches that have passed the coverage gate.
#[derive(Debug, Default)]
pub(super) struct RefetchOrder {
    /// Those that wait for their turn, in the order of arrival.
    pub(super) waiting: Vec<RecordId>,
    /// The one of each symbol that is fetched.
    pub(super) running: BTreeMap<Symbol, RecordId>,
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

//! An edge for tests.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::edge_client::{EdgeError, ItemResult, PostLines, Posted};
use crate::cluster::EdgeAddress;

/// Returns these responses in order, and then `failed` for each finding.
pub(crate) struct ScriptedEdge {
    responses: Mutex<VecDeque<Posted>>,
    requests: Mutex<Vec<Vec<String>>>,
}

impl ScriptedEdge {
    pub(crate) fn new(responses: Vec<Posted>) -> Self {
        Self { responses: Mutex::new(responses.into()), requests: Mutex::default() }
    }

    pub(crate) fn requests(&self) -> Vec<Vec<String>> {
        locked(&self.requests).clone()
    }
}

impl PostLines for ScriptedEdge {
    async fn post(&self, lines: &[&str]) -> Posted {
        locked(&self.requests).push(lines.iter().map(|line| (*line).to_owned()).collect());
        let response = locked(&self.responses).pop_front();
        let failed = || Posted { results: vec![result("failed"); lines.len()], ..Posted::default() };
        response.unwrap_or_else(failed)
    }
}

/// Returns a result with this outcome and a cause that names it.
pub(crate) fn result(outcome: &str) -> ItemResult {
    ItemResult { outcome: outcome.to_owned(), ..ItemResult::invalid(format!("cause of {outcome}")) }
}

pub(crate) fn busy() -> EdgeError {
    EdgeError::Rejected { edge: edge(), status: 503, body: "full".to_owned() }
}

/// Returns an error after which the findings may have been accepted.
pub(crate) fn unreachable() -> EdgeError {
    EdgeError::Rejected { edge: edge(), status: 502, body: "gateway".to_owned() }
}

fn edge() -> EdgeAddress {
    SocketAddr::from(([127, 0, 0, 1], 1)).into()
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

//! Calls from a driver's thread into the process that runs it.

use super::hung_clients::HungClients;
use crate::broker_monitor::ReachabilityHook;

/// Calls from the driver into the process around it, from its own thread unless stated otherwise. They must not block.
pub struct Hooks {
    /// Called once per iteration of the loop, and while it waits for a transactional call, as a sign of life: about ten times a second
    /// when idle. An iteration may block in queries to the cluster, each within the query timeout.
    pub heartbeat: Box<dyn FnMut() + Send>,
    /// Called when the readiness changes: `None` if the stage is ready, otherwise the reason why it is not.
    pub ready: Box<Readiness>,
    /// Called when the degradation changes, ready or not: `None` if all data is complete, otherwise what is missing.
    pub degraded: Box<Readiness>,
    /// Called when no broker is reachable any more, with the cause, and with `None` when one is again. From a thread of a client: the
    /// driver's thread may wait in a call to the cluster.
    pub unreachable: Box<ReachabilityHook>,
    /// Shared by all drivers of the process: with the third hung client, a driver ends.
    pub hung_clients: HungClients,
    /// Whether to abort the open transaction at this step. For tests of aborted transactions; never by default.
    pub abort: Box<AbortHook>,
}

/// A step of a transaction that is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransactionStep {
    /// The transaction is open and empty.
    Begun,
    /// The outputs are in the client's queue.
    Sent,
    /// The offsets are in the transaction: only the commit is left.
    OffsetsSent,
}

/// Decides whether a transaction is aborted at a step.
pub type AbortHook = dyn FnMut(TransactionStep) -> bool + Send;

/// Receives the reason why a stage is not ready or is degraded. `None` if there is none.
pub type Readiness = dyn FnMut(Option<&str>) + Send;

impl Default for Hooks {
    /// Does nothing. Counts the hung clients of this driver alone.
    fn default() -> Self {
        Self {
            heartbeat: Box::new(|| {}),
            ready: Box::new(|_| {}),
            degraded: Box::new(|_| {}),
            unreachable: Box::new(|_| {}),
            hung_clients: HungClients::default(),
            abort: Box::new(|_| false),
        }
    }
}

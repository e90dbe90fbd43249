//! State of each connection, read by the accept loop to select the one to close.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::limits::ConnectionLimits;
use crate::lock::locked;

/// The time without progress after which a response is abandoned during a drain.
const STALLED_RESPONSE: Duration = Duration::from_secs(1);

/// The state of a connection.
///
/// ```text
/// Head ──complete head──► Busy ──response──► Writing ──written──► Idle ──first byte──► Head
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Waiting for a complete request head. The first one is expected from the start of the connection.
    Head { has_bytes: bool },
    /// A handler runs.
    Busy,
    /// The response is being written.
    Writing { is_body_complete: bool },
    /// Between two requests.
    Idle,
}

/// The activity of one connection.
#[derive(Debug)]
pub(super) struct Activity {
    state: Mutex<State>,
    /// Notified to close the connection in favour of another.
    pub(super) close: Notify,
}

#[derive(Debug, Clone, Copy)]
struct State {
    phase: Phase,
    /// The start of the phase, or the last progress in it.
    since: Instant,
}

/// The open connections of a server.
#[derive(Debug, Default)]
pub(super) struct Connections {
    open: Mutex<HashMap<u64, Arc<Activity>>>,
}

// === impl Activity ===

impl Activity {
    pub(super) fn new() -> Self {
        let state = State { phase: Phase::Head { has_bytes: false }, since: Instant::now() };
        Self { state: Mutex::new(state), close: Notify::new() }
    }

    pub(super) fn phase(&self) -> Phase {
        locked(&self.state).phase
    }

    pub(super) fn received_bytes(&self) {
        let mut state = locked(&self.state);
        match state.phase {
            Phase::Idle => *state = State { phase: Phase::Head { has_bytes: true }, since: Instant::now() },
            Phase::Head { .. } => state.phase = Phase::Head { has_bytes: true },
            Phase::Busy | Phase::Writing { .. } => {}
        }
    }

    pub(super) fn received_head(&self) {
        self.enter(Phase::Busy);
    }

    pub(super) fn responded(&self) {
        self.enter(Phase::Writing { is_body_complete: false });
    }

    pub(super) fn sent_bytes(&self) {
        let mut state = locked(&self.state);
        if matches!(state.phase, Phase::Writing { .. }) {
            state.since = Instant::now();
        }
    }

    /// The HTTP library has the whole body; the rest of it may still be in its buffer.
    pub(super) fn completed_body(&self) {
        let mut state = locked(&self.state);
        if matches!(state.phase, Phase::Writing { .. }) {
            state.phase = Phase::Writing { is_body_complete: true };
        }
    }

    /// The buffer of the HTTP library is empty.
    pub(super) fn flushed(&self) {
        if self.phase() == (Phase::Writing { is_body_complete: true }) {
            self.enter(Phase::Idle);
        }
    }

    /// No further request is read.
    pub(super) fn lingers(&self) {
        self.enter(Phase::Idle);
    }

    /// Returns the time at which the connection must be closed. `None` while a handler runs.
    pub(super) fn deadline(&self, limits: &ConnectionLimits, is_draining: bool) -> Option<Instant> {
        let State { phase, since } = *locked(&self.state);
        let timeout = match phase {
            Phase::Busy => return None,
            Phase::Head { .. } | Phase::Idle if is_draining => Duration::ZERO,
            Phase::Head { .. } => limits.head_timeout,
            Phase::Writing { .. } if is_draining => STALLED_RESPONSE.min(limits.idle_timeout),
            Phase::Writing { .. } | Phase::Idle => limits.idle_timeout,
        };
        Some(since + timeout)
    }

    fn enter(&self, phase: Phase) {
        *locked(&self.state) = State { phase, since: Instant::now() };
    }

    /// Returns the time since which it has had no complete request. `None` if it has one.
    pub(super) fn waiting_since(&self) -> Option<Instant> {
        let State { phase, since } = *locked(&self.state);
        matches!(phase, Phase::Head { .. } | Phase::Idle).then_some(since)
    }
}

// === impl Connections ===

impl Connections {
    pub(super) fn add(&self, id: u64, activity: Arc<Activity>) {
        locked(&self.open).insert(id, activity);
    }

    pub(super) fn remove(&self, id: u64) {
        locked(&self.open).remove(&id);
    }

    pub(super) fn count(&self) -> usize {
        locked(&self.open).len()
    }

    /// Closes the connection that has waited longest for a complete request. Returns `false` if each connection has one.
    pub(super) fn close_oldest_waiting(&self) -> bool {
        let mut open = locked(&self.open);
        let waiting = open.iter().filter_map(|(id, activity)| Some((activity.waiting_since()?, *id)));
        let Some((_, id)) = waiting.min() else { return false };
        // Removed at once, so that the next call selects another.
        if let Some(activity) = open.remove(&id) {
            activity.close.notify_one();
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: ConnectionLimits = ConnectionLimits {
        connections_max: 2,
        head_timeout: Duration::from_secs(10),
        idle_timeout: Duration::from_secs(60),
    };

    /// Returns the seconds until the connection is closed.
    fn closes_in(activity: &Activity, is_draining: bool) -> Option<u64> {
        activity
            .deadline(&LIMITS, is_draining)
            .map(|at| at.saturating_duration_since(Instant::now()).as_secs())
    }

    #[tokio::test(start_paused = true)]
    async fn deadline_follows_the_phase() {
        let activity = Activity::new();
        assert_eq!(closes_in(&activity, false), Some(10));
        tokio::time::advance(Duration::from_secs(4)).await;
        activity.received_bytes();
        assert_eq!(closes_in(&activity, false), Some(6), "more bytes do not extend the time for a head");
        assert_eq!(closes_in(&activity, true), Some(0));
        activity.received_head();
        assert_eq!((closes_in(&activity, false), closes_in(&activity, true)), (None, None));
        activity.responded();
        activity.flushed();
        assert_eq!((closes_in(&activity, false), closes_in(&activity, true)), (Some(60), Some(1)));
        tokio::time::advance(Duration::from_secs(4)).await;
        activity.sent_bytes();
        assert_eq!(closes_in(&activity, false), Some(60), "each progress extends the time of a response");
        activity.completed_body();
        activity.flushed();
        assert_eq!((closes_in(&activity, false), closes_in(&activity, true)), (Some(60), Some(0)));
        activity.received_bytes();
        assert_eq!(closes_in(&activity, false), Some(10));
    }

    #[tokio::test(start_paused = true)]
    async fn oldest_waiting_connection_is_selected() {
        let connections = Connections::default();
        let [busy, old, young] = [(); 3].map(|()| Arc::new(Activity::new()));
        busy.received_head();
        for (id, activity) in [&busy, &young, &old].into_iter().enumerate() {
            connections.add(id as u64, Arc::clone(activity));
        }
        tokio::time::advance(Duration::from_secs(1)).await;
        young.received_head();
        young.responded();
        young.completed_body();
        young.flushed();
        assert!(connections.close_oldest_waiting());
        old.close.notified().await;
        assert!(connections.close_oldest_waiting());
        young.close.notified().await;
        assert!(!connections.close_oldest_waiting(), "the other has a request");
        assert_eq!(connections.count(), 1);
    }
}

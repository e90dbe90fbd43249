//! State of each connection, read by the accept loop to select the one to close.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::limits::ConnectionLimits;
use crate::lock::locked;

/// The time within which a response must be read, if the idle timeout is not shorter: as a body that is received, it is in memory until
/// then. 30 s is enough for the results of 10,000 findings at 0.5 Mbit/s.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(30);

/// The same during a drain, from its beginning. A quarter of the default drain budget.
const DRAINED_RESPONSE: Duration = Duration::from_secs(5);

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
    /// A request had arrived when it was to be closed, so it closes after the response.
    serves_last: AtomicBool,
}

#[derive(Debug, Clone, Copy)]
struct State {
    phase: Phase,
    /// The start of the phase.
    since: Instant,
    /// The last time at which a part of the response was sent, or the start of the phase.
    progress: Instant,
}

/// The connections of a server.
#[derive(Debug, Default)]
pub(super) struct Connections {
    by_id: Mutex<ById>,
}

#[derive(Debug, Default)]
struct ById {
    open: HashMap<u64, Arc<Activity>>,
    /// Those that are being closed in favour of others.
    closing: HashMap<u64, Arc<Activity>>,
}

// === impl Activity ===

impl Activity {
    pub(super) fn new() -> Self {
        Self {
            state: Mutex::new(State::from(Phase::Head { has_bytes: false })),
            close: Notify::new(),
            serves_last: AtomicBool::new(false),
        }
    }

    pub(super) fn phase(&self) -> Phase {
        locked(&self.state).phase
    }

    pub(super) fn received_bytes(&self) {
        let mut state = locked(&self.state);
        match state.phase {
            Phase::Idle => *state = State::from(Phase::Head { has_bytes: true }),
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
            state.progress = Instant::now();
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

    /// Returns the time at which the connection must be closed. `None` while a handler runs. `drain` is the beginning of the drain.
    pub(super) fn deadline(&self, limits: &ConnectionLimits, drain: Option<Instant>) -> Option<Instant> {
        let State { phase, since, progress } = *locked(&self.state);
        let timeout = match phase {
            Phase::Busy => return None,
            Phase::Head { .. } | Phase::Idle if drain.is_some() => Duration::ZERO,
            Phase::Head { .. } => limits.head_timeout,
            Phase::Writing { .. } => limits.idle_timeout.min(RESPONSE_TIMEOUT),
            Phase::Idle => limits.idle_timeout,
        };
        let deadline = since + timeout;
        Some(match (phase, drain) {
            (Phase::Writing { .. }, Some(begun)) => {
                deadline.min(since.max(begun) + DRAINED_RESPONSE).min(progress.max(begun) + STALLED_RESPONSE)
            }
            _ => deadline,
        })
    }

    fn enter(&self, phase: Phase) {
        *locked(&self.state) = State::from(phase);
    }

    /// Its request arrived before it was closed.
    pub(super) fn serves_last(&self) {
        self.serves_last.store(true, Ordering::Relaxed);
    }

    /// Returns the time since which it has had no complete request. `None` if it has one.
    pub(super) fn waiting_since(&self) -> Option<Instant> {
        let State { phase, since, .. } = *locked(&self.state);
        matches!(phase, Phase::Head { .. } | Phase::Idle).then_some(since)
    }
}

// === impl State ===

impl From<Phase> for State {
    fn from(phase: Phase) -> Self {
        let now = Instant::now();
        Self { phase, since: now, progress: now }
    }
}

// === impl Connections ===

impl Connections {
    pub(super) fn add(&self, id: u64, activity: Arc<Activity>) {
        locked(&self.by_id).open.insert(id, activity);
    }

    pub(super) fn remove(&self, id: u64) {
        let mut by_id = locked(&self.by_id);
        by_id.open.remove(&id);
        by_id.closing.remove(&id);
    }

    /// Returns the number of open connections, apart from those that are being closed.
    pub(super) fn count(&self) -> usize {
        locked(&self.by_id).open.len()
    }

    /// Returns `true` if a connection is being closed that has no request: it ends as soon as its task runs.
    pub(super) fn any_ends_soon(&self) -> bool {
        locked(&self.by_id).closing.values().any(|activity| !activity.serves_last.load(Ordering::Relaxed))
    }

    /// Closes the connection that has waited longest for a complete request. Returns `false` if each connection has one.
    pub(super) fn close_oldest_waiting(&self) -> bool {
        let mut by_id = locked(&self.by_id);
        let waiting = by_id.open.iter().filter_map(|(id, activity)| Some((activity.waiting_since()?, *id)));
        let Some((_, id)) = waiting.min() else { return false };
        // Removed at once, so that the next call selects another.
        if let Some(activity) = by_id.open.remove(&id) {
            activity.close.notify_one();
            by_id.closing.insert(id, activity);
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

    /// Returns the seconds until the connection is closed, if the drain begins now or not.
    fn closes_in(activity: &Activity, is_draining: bool) -> Option<u64> {
        closes_in_drain(activity, is_draining.then(Instant::now))
    }

    fn closes_in_drain(activity: &Activity, drain: Option<Instant>) -> Option<u64> {
        activity.deadline(&LIMITS, drain).map(|at| at.saturating_duration_since(Instant::now()).as_secs())
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
        assert_eq!((closes_in(&activity, false), closes_in(&activity, true)), (Some(30), Some(1)));
        tokio::time::advance(Duration::from_secs(4)).await;
        activity.sent_bytes();
        assert_eq!(closes_in(&activity, false), Some(26), "progress does not extend the time of a response");
        activity.completed_body();
        activity.flushed();
        assert_eq!((closes_in(&activity, false), closes_in(&activity, true)), (Some(60), Some(0)));
        activity.received_bytes();
        assert_eq!(closes_in(&activity, false), Some(10));
    }

    #[tokio::test(start_paused = true)]
    async fn progress_extends_a_drain_by_5_s_in_all() {
        let activity = Activity::new();
        activity.received_head();
        activity.responded();
        tokio::time::advance(Duration::from_secs(3)).await;
        let begun = Instant::now();
        let drain = Some(begun);
        assert_eq!(closes_in_drain(&activity, drain), Some(1), "it has made no progress yet");
        for (at_ms, closes_in_ms) in [(900, 1_000), (1_800, 1_000), (4_500, 500), (5_000, 0)] {
            tokio::time::advance(begun + Duration::from_millis(at_ms) - Instant::now()).await;
            activity.sent_bytes();
            let left = activity.deadline(&LIMITS, drain).unwrap() - Instant::now();
            assert_eq!(left, Duration::from_millis(closes_in_ms), "{at_ms} ms");
        }
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
        assert!(connections.any_ends_soon());
        old.serves_last();
        assert!(!connections.any_ends_soon());
        assert!(connections.close_oldest_waiting());
        young.close.notified().await;
        assert!(!connections.close_oldest_waiting(), "the other has a request");
        assert_eq!(connections.count(), 1);
        assert!(connections.any_ends_soon());
        connections.remove(1);
        assert!(!connections.any_ends_soon());
    }
}

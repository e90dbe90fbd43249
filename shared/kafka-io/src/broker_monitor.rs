//! Observation of the connections of a client to its brokers (ADR 061).
//!
//! A producer emits librdkafka's statistics every [`STATISTICS_INTERVAL_MS`] from a thread of its own, so they arrive while the driver
//! waits in a call to the cluster. They hold the state of each broker. All monitors of the process share one log: a line per change,
//! and a summary while brokers are unreachable.

mod changes;
mod reach;
mod statistics;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use metrics::Gauge;

use self::changes::BrokerLog;
use self::reach::{Confirmation, Reach};
use self::statistics::Sample;
use crate::metric_names as names;

/// `statistics.interval.ms` of a producer. A loss needs two samples, so the loss of closed connections is reported within 4 s, before the
/// 10 s after which callers of the edge receive an error. Brokers that vanish without closing them are noticed later (ADR 061).
pub(crate) const STATISTICS_INTERVAL_MS: u32 = 2_000;

static NEXT_ID: AtomicU64 = AtomicU64::new(0);

static LOG: Mutex<BrokerLog> = Mutex::new(BrokerLog::new());

/// Receives the cause when no broker is reachable any more, and `None` when one is again. Called from a thread of the client.
pub type ReachabilityHook = dyn FnMut(Option<&str>) + Send;

/// The brokers that a client can reach. Clones share it; it outlives the client, which may be recreated.
#[derive(Clone)]
pub struct BrokerMonitor(Arc<Shared>);

struct Shared {
    id: u64,
    reachable: Gauge,
    is_unreachable: AtomicBool,
    state: Mutex<State>,
}

struct State {
    confirmation: Confirmation,
    /// The last failed connection since all brokers were reachable. Empty if there is none.
    cause: String,
    /// The last argument of the hook.
    reported: Option<String>,
    hook: Box<ReachabilityHook>,
    /// Gauges whose values come from the brokers.
    dependent: Vec<Gauge>,
}

// === impl BrokerMonitor ===

impl BrokerMonitor {
    /// Creates the monitor of a client of `service`. `client` is its name in metrics.
    #[must_use]
    pub fn new(service: &'static str, client: &'static str, hook: Box<ReachabilityHook>) -> Self {
        Self::with_dependent(service, client, hook, Vec::new())
    }

    /// As [`new`](Self::new). Sets the `dependent` gauges to NaN, unknown, when an outage begins: the thread that owns them may wait in a
    /// call to the cluster.
    #[expect(
        clippy::disallowed_macros,
        reason = "metric_names is the catalogue, and the handle is created once"
    )]
    pub(crate) fn with_dependent(
        service: &'static str,
        client: &'static str,
        hook: Box<ReachabilityHook>,
        dependent: Vec<Gauge>,
    ) -> Self {
        let reachable = metrics::gauge!(names::REACHABLE_BROKERS, "service" => service, "client" => client);
        Self::create(reachable, hook, dependent)
    }

    fn create(reachable: Gauge, hook: Box<ReachabilityHook>, dependent: Vec<Gauge>) -> Self {
        reachable.set(f64::NAN);
        lock(&LOG).add_monitor();
        let state = State {
            confirmation: Confirmation::default(),
            cause: String::new(),
            reported: None,
            hook,
            dependent,
        };
        Self(Arc::new(Shared {
            id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
            reachable,
            is_unreachable: AtomicBool::new(false),
            state: Mutex::new(state),
        }))
    }

    /// Returns whether no broker is reachable.
    pub(crate) fn is_unreachable(&self) -> bool {
        self.0.is_unreachable.load(Ordering::SeqCst)
    }

    /// Takes the statistics of the client.
    pub(crate) fn statistics(&self, json: &[u8]) {
        match Sample::of_statistics(json) {
            Ok(sample) => self.observe(sample, Instant::now()),
            Err(error) => tracing::debug!(%error, "unreadable statistics ignored"),
        }
    }

    /// Takes a failed connection of the client.
    pub(crate) fn failed(&self, cause: &str) {
        cause.clone_into(&mut lock(&self.0.state).cause);
    }

    fn observe(&self, sample: Sample, now: Instant) {
        let shared = &*self.0;
        let mut state = lock(&shared.state);
        if sample.disconnected.is_empty() {
            state.cause.clear();
        }
        let Some(reach) = state.confirmation.take(sample) else {
            return;
        };
        shared.reachable.set(f64::from(u32::try_from(reach.reachable).unwrap_or(u32::MAX)));
        let is_unreachable = reach.reachable == 0;
        // Before the gauges: a thread that sets them later reads this first.
        shared.is_unreachable.store(is_unreachable, Ordering::SeqCst);
        let reported = is_unreachable.then(|| state.text(reach));
        if reported.is_some() {
            state.dependent.iter().for_each(|gauge| gauge.set(f64::NAN));
        }
        if reported != state.reported {
            (state.hook)(reported.as_deref());
            state.reported = reported;
        }
        drop(state);
        let line = lock(&LOG).report(shared.id, reach, now);
        line.iter().for_each(changes::Line::log);
    }
}

impl State {
    fn text(&self, reach: Reach) -> String {
        let Reach { reachable, known } = reach;
        match self.cause.as_str() {
            "" => format!("kafka: {reachable} of {known} brokers reachable"),
            cause => format!("kafka: {reachable} of {known} brokers reachable: {cause}"),
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        lock(&LOG).remove_monitor(self.id);
        self.reachable.set(f64::NAN);
    }
}

/// Counts and logs a failed connection or request of any client of the process; an empty cause is unknown. A process with a monitor logs the changes of
/// reachability instead, and the number of failures with them.
pub(crate) fn connection_failed(cause: &str) {
    tracing::debug!(target: "librdkafka", cause, "connection failed");
    let line = lock(&LOG).failed(cause, Instant::now());
    line.iter().for_each(changes::Line::log);
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;

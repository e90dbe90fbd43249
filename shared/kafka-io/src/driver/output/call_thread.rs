//! The thread that owns a transactional producer and makes its calls.
//!
//! librdkafka can hang in such a call without limit when a coordinator goes away. Then the thread and its client are left running: a
//! client whose call has not returned can be neither used nor destroyed. If the call does return, the thread destroys the client.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::error::RDKafkaErrorCode;

use super::calls::{Call, TransactionalCalls};
use crate::call_error::CallError;
use crate::driver::error::DriverError;
use crate::driver::hung_clients::ClientState;

/// Interval of the heartbeat while the driver waits for a response.
const BEAT_INTERVAL: Duration = Duration::from_millis(100);

/// The longest step of the time that counts as waited: the rest passed while the process was paused, and so was the call.
const WAIT_STEP_MAX: Duration = Duration::from_secs(1);

/// The time by which deadlines are measured.
pub(in crate::driver) type Clock = Arc<dyn Fn() -> Instant + Send + Sync>;

/// Called while the driver waits.
pub(in crate::driver) type Beat<'a> = &'a mut (dyn FnMut() + Send);

type Response = Result<(), CallError>;

/// The driver's side of the thread.
pub(super) struct CallThread {
    /// The number of the client among those of its driver.
    client: u32,
    /// `None` once the client is being destroyed.
    calls: Option<SyncSender<Call>>,
    /// The responses of this client alone: a late one of an abandoned client has no receiver.
    responses: Receiver<Response>,
    state: ClientState,
    deadline: Duration,
    clock: Clock,
}

/// Bounds of the calls of a client.
pub(super) struct Bounds {
    /// Passed to librdkafka.
    pub(super) timeout: Duration,
    /// After it, a call that has not returned is stuck.
    pub(super) deadline: Duration,
    pub(super) clock: Clock,
}

impl CallThread {
    /// Starts the thread. Reports of the client are ignored once it is abandoned.
    pub(super) fn start(
        client: u32,
        producer: Box<dyn TransactionalCalls>,
        state: ClientState,
        bounds: Bounds,
    ) -> Result<Self, DriverError> {
        let (calls, received) = sync_channel(1);
        let (responded, responses) = sync_channel(1);
        let Bounds { timeout, deadline, clock } = bounds;
        let serving = Serving { client, timeout, state: state.clone() };
        thread::Builder::new()
            .name("transactions".to_owned())
            .spawn(move || serving.serve(producer, received, responded))
            .map_err(|error| DriverError::Fatal { cause: Box::new(error) })?;
        Ok(Self { client, calls: Some(calls), responses, state, deadline, clock })
    }

    /// Makes a call and waits for its response, with heartbeats. After the deadline the client is abandoned, and the error is
    /// [abandoned](CallError::abandoned): whether the call took effect is unknown.
    pub(super) fn call(&self, call: Call, beat: Beat<'_>) -> Response {
        let name = call.name();
        if self.calls.as_ref().is_none_or(|calls| calls.try_send(call).is_err()) {
            return Err(ended(name));
        }
        self.wait(name, beat).unwrap_or_else(|| Err(ended(name)))
    }

    /// Destroys the client and waits until it is, with heartbeats and the deadline of a call.
    pub(super) fn close(mut self, beat: Beat<'_>) -> Response {
        if self.state.is_abandoned() {
            return Ok(());
        }
        self.calls = None;
        self.wait("destroy", beat).unwrap_or(Ok(()))
    }

    /// `None` if the thread has ended.
    fn wait(&self, name: &'static str, beat: Beat<'_>) -> Option<Response> {
        let (mut waited, mut last) = (Duration::ZERO, (self.clock)());
        loop {
            beat();
            match self.responses.recv_timeout(BEAT_INTERVAL.min(self.deadline.saturating_sub(waited))) {
                Ok(response) => return Some(response),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return None,
            }
            let now = (self.clock)();
            waited += now.saturating_duration_since(last).min(WAIT_STEP_MAX);
            last = now;
            if waited >= self.deadline {
                return self.state.abandon().then(|| Err(CallError::abandoned(name, self.client, waited)));
            }
        }
    }
}

/// The thread's side.
struct Serving {
    client: u32,
    timeout: Duration,
    state: ClientState,
}

impl Serving {
    /// Makes the calls until the driver drops its side, then destroys the client.
    fn serve(
        self,
        mut producer: Box<dyn TransactionalCalls>,
        calls: Receiver<Call>,
        responses: SyncSender<Response>,
    ) {
        while let Ok(call) = calls.recv() {
            let response = call.make(&mut *producer, self.timeout);
            if self.state.is_abandoned() {
                let (client, call, failed) = (self.client, call.name(), response.is_err());
                tracing::info!(client, call, failed, "call of an abandoned client returned: ignored");
                break;
            }
            if responses.send(response).is_err() {
                break;
            }
        }
        drop(producer);
        self.state.destroyed();
        drop(responses);
    }
}

/// The thread has panicked.
fn ended(call: &'static str) -> CallError {
    CallError::fatal(RDKafkaErrorCode::Fail, format!("{call}: the thread of the producer has ended"))
}

#[cfg(test)]
mod tests;

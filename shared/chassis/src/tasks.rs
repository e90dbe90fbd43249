//! Supervised tasks and threads, each with a name and a declared end policy. Every end is logged, panics are caught, and the first failure
//! determines the exit code.
//!
//! | end policy | end before the shutdown | end after it |
//! |---|---|---|
//! | [`EndPolicy::MustRun`] | a failure, even without an error | normal, unless with an error |
//! | [`EndPolicy::MayEnd`] | normal, unless with an error | normal, unless with an error |
//! | [`EndPolicy::UntilShutdown`] | a failure, even without an error | the task is dropped when the shutdown begins |
//!
//! A failure begins the shutdown. [`Tasks::join`] waits for the other tasks within a budget.

use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use metrics::Counter;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tracing::Instrument;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::panics;
use crate::shutdown::{Cause, Shutdown};
use crate::telemetry::catalogue::Metric;
use crate::telemetry::handles::Scope;

/// The meaning of a task's end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndPolicy {
    /// The process can't work without the task. At shutdown it drains and ends.
    MustRun,
    /// The task may end at any time.
    MayEnd,
    /// The task supports others and has nothing to drain. A future is dropped when the shutdown begins; a thread checks the token and
    /// ends.
    UntilShutdown,
}

/// The tasks and threads of one service. Clones share them.
#[derive(Clone)]
pub struct Tasks {
    inner: Arc<Inner>,
}

/// The result of [`Tasks::join`].
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub struct JoinOutcome {
    /// The failed tasks, in the order of their failures.
    pub failed: Vec<TaskFailure>,
    /// The tasks that were still running when the budget had elapsed.
    pub unfinished: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskFailure {
    pub task: String,
    pub exit: Exit,
    pub error: String,
}

pub const ENDS: Metric =
    Metric::counter("chassis_ended_tasks_total", "tasks", "Tasks and threads that ended, by outcome.")
        .labelled(&[("outcome", &["fine", "failed"])]);

struct Inner {
    service: &'static str,
    runtime: Handle,
    shutdown: Shutdown,
    state: watch::Sender<TaskTable>,
    fine: Counter,
    failed: Counter,
}

#[derive(Default)]
struct TaskTable {
    next_id: u64,
    running: BTreeMap<u64, String>,
    failed: Vec<TaskFailure>,
}

// === impl Tasks ===

impl Tasks {
    /// Creates an empty set of tasks that run on `runtime`. A failure begins `shutdown`.
    #[must_use]
    pub fn new(service: &'static str, runtime: Handle, shutdown: Shutdown, scope: &Scope) -> Self {
        let fine = scope.counter(&ENDS, &[("outcome", "fine")]);
        let failed = scope.counter(&ENDS, &[("outcome", "failed")]);
        let state = watch::Sender::new(TaskTable::default());
        Self { inner: Arc::new(Inner { service, runtime, shutdown, state, fine, failed }) }
    }

    /// Runs a future on the runtime.
    pub fn spawn<F>(&self, name: impl Into<String>, policy: EndPolicy, future: F)
    where
        F: Future<Output = Result<(), Failure>> + Send + 'static,
    {
        let name = name.into();
        let id = self.enter(&name);
        let span = tracing::info_span!("task", service = self.inner.service, task = name);
        let tasks = self.clone();
        let work = async move {
            let result = tasks.watched(policy, future).await;
            tasks.leave(id, &name, policy, result);
        };
        drop(self.inner.runtime.spawn(work.instrument(span)));
    }

    /// Runs blocking work on its own thread.
    pub fn thread<W>(&self, name: impl Into<String>, policy: EndPolicy, work: W)
    where
        W: FnOnce() -> Result<(), Failure> + Send + 'static,
    {
        let name = name.into();
        let id = self.enter(&name);
        let (tasks, task) = (self.clone(), name.clone());
        let span = tracing::info_span!("task", service = self.inner.service, task);
        let body = move || {
            let _entered = span.enter();
            let result = catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| Err(panicked(&*panic)));
            tasks.leave(id, &task, policy, result);
        };
        if let Err(error) = std::thread::Builder::new().name(name.clone()).spawn(body) {
            self.leave(id, &name, policy, Err(Failure::from(error)));
        }
    }

    /// Waits until all tasks have ended, for at most `budget`. To be called after the shutdown has begun.
    pub async fn join(&self, budget: Duration) -> JoinOutcome {
        let mut state = self.inner.state.subscribe();
        let ended = state.wait_for(|state| state.running.is_empty());
        let in_time = matches!(tokio::time::timeout(budget, ended).await, Ok(Ok(_)));
        let state = self.inner.state.borrow();
        let unfinished = if in_time { Vec::new() } else { state.running.values().cloned().collect() };
        for task in &unfinished {
            tracing::error!(
                service = self.inner.service,
                task,
                ?budget,
                "drain timeout exceeded: task still running"
            );
        }
        JoinOutcome { failed: state.failed.clone(), unfinished }
    }

    /// Returns the names of the running tasks.
    #[must_use]
    pub fn running(&self) -> Vec<String> {
        self.inner.state.borrow().running.values().cloned().collect()
    }

    /// Polls the future and catches panics. Drops a future of [`EndPolicy::UntilShutdown`] when the shutdown begins.
    async fn watched<F>(&self, policy: EndPolicy, future: F) -> Result<(), Failure>
    where
        F: Future<Output = Result<(), Failure>>,
    {
        let mut future = pin!(future);
        let work = poll_fn(|context| {
            catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context)))
                .unwrap_or_else(|panic| std::task::Poll::Ready(Err(panicked(&*panic))))
        });
        if policy != EndPolicy::UntilShutdown {
            return work.await;
        }
        tokio::select! {
            result = work => result,
            () = self.inner.shutdown.begun() => Ok(()),
        }
    }

    fn enter(&self, name: &str) -> u64 {
        let mut id = 0;
        self.inner.state.send_modify(|state| {
            id = state.next_id;
            state.next_id += 1;
            state.running.insert(id, name.to_owned());
        });
        id
    }

    fn leave(&self, id: u64, name: &str, policy: EndPolicy, result: Result<(), Failure>) {
        let service = self.inner.service;
        let failure = match result {
            Err(failure) => Some(failure),
            Ok(()) if policy != EndPolicy::MayEnd && !self.inner.shutdown.is_begun() => {
                Some(Failure::text("task ended before the shutdown"))
            }
            Ok(()) => None,
        };
        match &failure {
            Some(error) => {
                tracing::error!(service, task = name, %error, "task failed");
                self.inner.failed.increment(1);
            }
            None => {
                tracing::debug!(service, task = name, "task ended");
                self.inner.fine.increment(1);
            }
        }
        // The failure is recorded before the shutdown begins: whatever the shutdown wakes can read it.
        let failed = failure.is_some();
        self.inner.state.send_modify(|state| {
            state.running.remove(&id);
            state.failed.extend(failure.map(|failure| TaskFailure {
                task: name.to_owned(),
                exit: failure.exit(),
                error: failure.to_string(),
            }));
        });
        if failed {
            self.inner.shutdown.begin(Cause::TaskFailed(name.to_owned()));
        }
    }
}

impl std::fmt::Debug for Tasks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tasks").field("running", &self.running()).finish_non_exhaustive()
    }
}

// === impl JoinOutcome ===

impl JoinOutcome {
    /// Appends another outcome.
    pub fn and(mut self, other: Self) -> Self {
        self.failed.extend(other.failed);
        self.unfinished.extend(other.unfinished);
        self
    }

    /// Returns the exit code of the first failure; without failures [`Exit::DrainTimedOut`] if a task is still running.
    pub fn exit(&self) -> Exit {
        match (self.failed.first(), self.unfinished.is_empty()) {
            (Some(failure), _) => failure.exit,
            (None, false) => Exit::DrainTimedOut,
            (None, true) => Exit::Ok,
        }
    }
}

fn panicked(payload: &(dyn std::any::Any + Send)) -> Failure {
    Failure::text(format!("panicked: {}", panics::message(payload)))
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::sync_channel;

    use super::*;

    const BUDGET: Duration = Duration::from_secs(60);

    fn tasks() -> (Tasks, Shutdown) {
        let shutdown = Shutdown::new();
        (Tasks::new("test", Handle::current(), shutdown.clone(), &Scope::nowhere()), shutdown)
    }

    /// Runs one task that ends before any shutdown. Returns whether it began the shutdown, and the exit code.
    async fn end_of(policy: EndPolicy, result: Result<(), Failure>) -> (bool, Exit) {
        let (tasks, shutdown) = tasks();
        tasks.spawn("stage", policy, async move { result });
        let outcome = tasks.join(BUDGET).await;
        (shutdown.is_begun(), outcome.exit())
    }

    #[tokio::test]
    async fn end_policy_determines_the_meaning_of_an_early_end() {
        assert_eq!(end_of(EndPolicy::MustRun, Ok(())).await, (true, Exit::Failed));
        assert_eq!(end_of(EndPolicy::UntilShutdown, Ok(())).await, (true, Exit::Failed));
        assert_eq!(end_of(EndPolicy::MayEnd, Ok(())).await, (false, Exit::Ok));
        for policy in [EndPolicy::MustRun, EndPolicy::MayEnd, EndPolicy::UntilShutdown] {
            let fenced = Err(Failure::with(Exit::Fenced, "another owner"));
            assert_eq!(end_of(policy, fenced).await, (true, Exit::Fenced));
        }
    }

    #[tokio::test]
    async fn panic_is_caught_and_reported_with_its_task() {
        let (tasks, shutdown) = tasks();
        tasks.spawn("stage", EndPolicy::MayEnd, async { panic!("bar {} is invalid", 7) });
        tasks.thread("driver", EndPolicy::MayEnd, || panic!("no partition"));
        let outcome = tasks.join(BUDGET).await;
        let mut failed: Vec<_> =
            outcome.failed.iter().map(|failure| (failure.task.as_str(), failure.error.as_str())).collect();
        failed.sort_unstable();
        assert_eq!(failed, [("driver", "panicked: no partition"), ("stage", "panicked: bar 7 is invalid")]);
        assert!(shutdown.is_begun());
    }

    #[tokio::test]
    async fn task_failure_at_shutdown_determines_the_outcome() {
        let (tasks, shutdown) = tasks();
        let until = shutdown.clone();
        tasks.spawn("committer", EndPolicy::MustRun, async move {
            until.begun().await;
            Err(Failure::with(Exit::Unreachable, "the last commit failed"))
        });
        let until = shutdown.clone();
        tasks.spawn("drained", EndPolicy::MustRun, async move {
            until.begun().await;
            Ok(())
        });
        shutdown.begin(Cause::Requested);
        let outcome = tasks.join(BUDGET).await;
        assert_eq!(outcome.failed.len(), 1);
        assert_eq!(outcome.failed[0].task, "committer");
        assert_eq!(outcome.failed[0].error, "the last commit failed");
        assert_eq!(outcome.exit(), Exit::Unreachable);
    }

    #[tokio::test]
    async fn task_past_the_drain_timeout_is_unfinished() {
        let (tasks, shutdown) = tasks();
        let (release, hang) = sync_channel::<()>(0);
        tasks.thread("driver", EndPolicy::MustRun, move || {
            hang.recv().unwrap();
            Ok(())
        });
        tasks.spawn("helper", EndPolicy::UntilShutdown, std::future::pending());
        shutdown.begin(Cause::Requested);
        let outcome = tasks.join(Duration::from_millis(50)).await;
        assert_eq!(outcome.unfinished, ["driver"]);
        assert_eq!(outcome.exit(), Exit::DrainTimedOut);
        release.send(()).unwrap();
        assert_eq!(tasks.join(BUDGET).await.exit(), Exit::Ok);
    }
}

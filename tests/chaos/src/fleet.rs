//! All instances, and the supervisor that restarts an instance after its exit.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use integration::{Metrics, wait_until};

use crate::clock::Clock;
use crate::instance::{self, ExitCause, Instance, InstanceSettings};
use crate::report;
use crate::service::{Extent, Service, Target};

/// Interval of the supervisor's checks; it restarts instances about as fast as a supervisor in a cluster.
const POLL_INTERVAL: Duration = Duration::from_millis(500);
/// For a start on a machine that is busy with brokers.
const READY_LIMIT: Duration = Duration::from_secs(180);
/// Maximum duration of an exit: the drain budget of 10 s and more.
const END_LIMIT: Duration = Duration::from_secs(60);

/// Exit codes after which a restart is useless: invalid configuration, and an offset that is no longer in the log.
const FATAL_EXITS: [ExitCause; 2] = [ExitCause::Code(2), ExitCause::Code(6)];

pub struct Fleet {
    settings: InstanceSettings,
    shared: Arc<Shared>,
    supervisor: Option<JoinHandle<()>>,
}

struct Shared {
    is_finished: AtomicBool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    instances: Vec<Instance>,
    /// The number of exits by service, cause, and whether the storm stopped the instance.
    exits: BTreeMap<(Service, ExitCause, bool), u32>,
    fatal_error: Option<String>,
}

// === impl Fleet ===

impl Fleet {
    /// Starts all instances; the last one of each service connects to the brokers through the proxies. With a clock library, the
    /// clock of each instance can be changed.
    ///
    /// # Errors
    /// An instance cannot be started or is not ready in time.
    pub fn start(
        settings: InstanceSettings,
        extent: Extent,
        clock_library: Option<&PathBuf>,
    ) -> io::Result<Self> {
        let mut instances = Vec::new();
        for service in Service::ALL {
            let count = extent.of(service);
            for ordinal in 0..count {
                let target = Target { service, ordinal };
                let file = settings.folder.join(format!("{target}.clock"));
                let clock = clock_library.map(|library| Clock::new(library.clone(), file));
                let is_proxied = ordinal + 1 == count;
                let mut instance = Instance::new(&settings, target, is_proxied, clock)?;
                instance.start()?;
                instances.push(instance);
            }
        }
        let shared = Arc::new(Shared {
            is_finished: AtomicBool::new(false),
            state: Mutex::new(State { instances, ..State::default() }),
        });
        let watched = Arc::clone(&shared);
        let supervise = move || {
            while !watched.is_finished.load(Ordering::Acquire) {
                watched.state().check_instances();
                thread::park_timeout(POLL_INTERVAL);
            }
        };
        let supervisor = thread::Builder::new().name("supervisor".to_owned()).spawn(supervise)?;
        let fleet = Self { settings, shared, supervisor: Some(supervisor) };
        fleet.wait_until_ready()?;
        Ok(fleet)
    }

    /// Sends a signal to an instance; the supervisor restarts it after an exit.
    pub fn signal(&self, target: Target, signal: &str) {
        // It may be between an exit and a start.
        wait_until(END_LIMIT, || self.with(target, |instance| instance.is_running()).unwrap_or(true));
        self.with(target, |instance| {
            instance.is_stopped_by_storm |= matches!(signal, "TERM" | "KILL");
            instance.signal(signal);
        });
    }

    /// Starts an additional instance of a service.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn scale_out(&self, service: Service) -> io::Result<Target> {
        let mut state = self.shared.state();
        let count = state.instances.iter().filter(|instance| instance.target.service == service).count();
        let target = Target { service, ordinal: u32::try_from(count).unwrap_or(u32::MAX) };
        let mut instance = Instance::new(&self.settings, target, false, None)?;
        instance.start()?;
        state.instances.push(instance);
        Ok(target)
    }

    /// Stops an additional instance and removes it.
    pub fn scale_in(&self, target: Target) {
        self.with(target, |instance| {
            instance.is_wanted = false;
            instance.is_stopped_by_storm = true;
            instance.signal("TERM");
        });
        wait_until(END_LIMIT, || self.with(target, |instance| !instance.is_running()).unwrap_or(true));
        self.shared.state().instances.retain(|instance| instance.target != target);
    }

    /// Restarts an instance with its log on a full disk, or no longer there.
    pub fn set_full_log_disk(&self, target: Target, is_full: bool) {
        self.with(target, |instance| instance.has_full_log_disk = is_full);
        self.signal(target, "TERM");
    }

    /// Sets an instance's clock forward; its next start resets it.
    ///
    /// # Errors
    /// The offset file cannot be written.
    pub fn jump(&self, target: Target, seconds: i64) -> io::Result<()> {
        self.with(target, |instance| instance.jump(seconds)).unwrap_or(Ok(()))
    }

    /// Waits until every instance is ready.
    ///
    /// # Errors
    /// An instance is not ready in time, with the end of its log, or exits with a fatal error.
    pub fn wait_until_ready(&self) -> io::Result<()> {
        for (target, admin) in self.admins() {
            let is_ready =
                wait_until(READY_LIMIT, || instance::is_ready(admin) || self.fatal_error().is_some());
            if let Some(fatal_error) = self.fatal_error() {
                return Err(io::Error::other(fatal_error));
            }
            if !is_ready {
                let log = self.with(target, |instance| instance.log_excerpt()).unwrap_or_default();
                return Err(io::Error::other(format!(
                    "{target} was not ready within {READY_LIMIT:?}\n{log}"
                )));
            }
        }
        Ok(())
    }

    /// Returns the metrics of a service's instances that respond.
    #[must_use]
    pub fn metrics(&self, service: Service) -> Vec<Metrics> {
        let admins = self.admins();
        let of_service = admins.into_iter().filter(|(target, _)| target.service == service);
        of_service.filter_map(|(_, admin)| instance::metrics(admin).ok()).collect()
    }

    /// Returns the first fatal error of an instance: invalid configuration, a missing offset, or a failed start.
    #[must_use]
    pub fn fatal_error(&self) -> Option<String> {
        self.shared.state().fatal_error.clone()
    }

    /// Stops all instances by SIGTERM, and by SIGKILL after a timeout. Returns a summary of all exits.
    pub fn end(mut self) -> String {
        for instance in &mut self.shared.state().instances {
            instance.is_wanted = false;
            instance.is_stopped_by_storm = true;
            instance.signal("TERM");
        }
        let runs = || self.shared.state().instances.iter().any(Instance::is_running);
        if !wait_until(END_LIMIT, || !runs()) {
            for instance in &self.shared.state().instances {
                instance.signal("KILL");
            }
            wait_until(END_LIMIT, || !runs());
        }
        self.stop_supervisor();
        summary(&self.shared.state().exits)
    }

    fn admins(&self) -> Vec<(Target, u16)> {
        self.shared.state().instances.iter().map(|instance| (instance.target, instance.admin())).collect()
    }

    fn with<T>(&self, target: Target, act: impl FnOnce(&mut Instance) -> T) -> Option<T> {
        let mut state = self.shared.state();
        state.instances.iter_mut().find(|instance| instance.target == target).map(act)
    }

    fn stop_supervisor(&mut self) {
        self.shared.is_finished.store(true, Ordering::Release);
        if let Some(supervisor) = self.supervisor.take() {
            supervisor.thread().unpark();
            // It panics only if another thread panicked with the lock, which has no effect at the end.
            supervisor.join().ok();
        }
    }
}

impl Drop for Fleet {
    /// The processes end with the supervisor, the last owner of the state.
    fn drop(&mut self) {
        self.stop_supervisor();
    }
}

// === impl Shared ===

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl State ===

impl State {
    fn check_instances(&mut self) {
        for instance in &mut self.instances {
            if let Some((cause, log)) = instance.ended() {
                let key = (instance.target.service, cause, instance.is_stopped_by_storm);
                *self.exits.entry(key).or_default() += 1;
                let is_fatal = FATAL_EXITS.contains(&cause);
                if !instance.is_stopped_by_storm {
                    report::line(format_args!(
                        "            {} exited unexpectedly: {cause}\n{log}",
                        instance.target
                    ));
                }
                if is_fatal {
                    self.fatal_error =
                        Some(format!("{} exited with a fatal error: {cause}", instance.target));
                    instance.is_wanted = false;
                }
            }
            if instance.is_wanted
                && !instance.is_running()
                && let Err(error) = instance.start()
            {
                self.fatal_error = Some(format!("{} failed to start: {error}", instance.target));
            }
        }
    }
}

fn summary(exits: &BTreeMap<(Service, ExitCause, bool), u32>) -> String {
    let mut text = String::new();
    for ((service, cause, is_expected), count) in exits {
        let origin = if *is_expected { "requested" } else { "unexpected" };
        // Writing to a string does not fail.
        writeln!(text, "  {count:4} × {} {cause}, {origin}", service.name()).ok();
    }
    text
}

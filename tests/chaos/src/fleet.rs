//! All instances, and the supervisor that starts one again when it has ended.

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
use crate::instance::{self, Ending, Instance, Setting};
use crate::plan::{Extent, Service, Target};

/// How soon a supervisor sees that an instance has ended, and starts it again: as soon as one of a cluster would.
const LOOK: Duration = Duration::from_millis(500);
/// A start on a machine that is busy with brokers.
const READY_LIMIT: Duration = Duration::from_secs(180);
/// What a drain may take beside its budget of 10 s.
const END_LIMIT: Duration = Duration::from_secs(60);

/// Exit codes with which starting again is no use: wrong configuration, and an offset that is gone.
const REFUSALS: [Ending; 2] = [Ending::Code(2), Ending::Code(6)];

/// The instances.
pub struct Fleet {
    setting: Setting,
    shared: Arc<Shared>,
    supervisor: Option<JoinHandle<()>>,
}

struct Shared {
    is_over: AtomicBool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    instances: Vec<Instance>,
    /// How often instances of a service ended how, and whether the storm did it.
    endings: BTreeMap<(Service, Ending, bool), u32>,
    refusal: Option<String>,
}

// === impl Fleet ===

impl Fleet {
    /// Starts all instances; the last one of each service talks to the brokers through the proxies. With a clock library each
    /// instance has a clock that can be moved.
    ///
    /// # Errors
    /// When one can't be started or isn't ready in time.
    pub fn start(setting: Setting, extent: Extent, clock_library: Option<&PathBuf>) -> io::Result<Self> {
        let mut instances = Vec::new();
        for (service, count) in [(Service::Bridge, extent.bridges), (Service::Feature, extent.features)] {
            for ordinal in 0..count {
                let target = Target { service, ordinal };
                let file = setting.folder.join(format!("{target}.clock"));
                let clock = clock_library.map(|library| Clock::new(library.clone(), file));
                let is_proxied = ordinal + 1 == count;
                let mut instance = Instance::new(&setting, target, is_proxied, clock)?;
                instance.start()?;
                instances.push(instance);
            }
        }
        let shared = Arc::new(Shared {
            is_over: AtomicBool::new(false),
            state: Mutex::new(State { instances, ..State::default() }),
        });
        let watched = Arc::clone(&shared);
        let supervise = move || {
            while !watched.is_over.load(Ordering::Acquire) {
                watched.state().look();
                thread::park_timeout(LOOK);
            }
        };
        let supervisor = thread::Builder::new().name("supervisor".to_owned()).spawn(supervise)?;
        let fleet = Self { setting, shared, supervisor: Some(supervisor) };
        fleet.wait_until_ready()?;
        Ok(fleet)
    }

    /// Sends a signal to an instance; when that ends it, it is started again.
    pub fn signal(&self, target: Target, signal: &str) {
        // It may just be between an end and a start.
        wait_until(END_LIMIT, || self.with(target, |instance| instance.is_running()).unwrap_or(true));
        self.with(target, |instance| {
            instance.is_ending |= matches!(signal, "TERM" | "KILL");
            instance.signal(signal);
        });
    }

    /// One more instance of a service.
    ///
    /// # Errors
    /// When it can't be started.
    pub fn scale_out(&self, service: Service) -> io::Result<Target> {
        let mut state = self.shared.state();
        let count = state.instances.iter().filter(|instance| instance.target.service == service).count();
        let target = Target { service, ordinal: u32::try_from(count).unwrap_or(u32::MAX) };
        let mut instance = Instance::new(&self.setting, target, false, None)?;
        instance.start()?;
        state.instances.push(instance);
        Ok(target)
    }

    /// The instance that came last of a service ends for good.
    pub fn scale_in(&self, target: Target) {
        self.with(target, |instance| {
            instance.is_wanted = false;
            instance.is_ending = true;
            instance.signal("TERM");
        });
        wait_until(END_LIMIT, || self.with(target, |instance| !instance.is_running()).unwrap_or(true));
        self.shared.state().instances.retain(|instance| instance.target != target);
    }

    /// From its next start on, which is now, its log goes to a full disk, or no longer does.
    pub fn set_log_full(&self, target: Target, is_full: bool) {
        self.with(target, |instance| instance.is_log_full = is_full);
        self.signal(target, "TERM");
    }

    /// Moves an instance's clock forward; its next start sets it right.
    ///
    /// # Errors
    /// When its file can't be written.
    pub fn jump(&self, target: Target, seconds: i64) -> io::Result<()> {
        self.with(target, |instance| instance.jump(seconds)).unwrap_or(Ok(()))
    }

    /// Waits until every instance says that it is ready.
    ///
    /// # Errors
    /// When one isn't in time, with the end of its log, or when one refuses to work.
    pub fn wait_until_ready(&self) -> io::Result<()> {
        for (target, admin) in self.admins() {
            let is_ready = wait_until(READY_LIMIT, || instance::is_ready(admin) || self.refusal().is_some());
            if let Some(refusal) = self.refusal() {
                return Err(io::Error::other(refusal));
            }
            if !is_ready {
                let log = self.with(target, |instance| instance.log_excerpt()).unwrap_or_default();
                return Err(io::Error::other(format!("{target} is not ready within {READY_LIMIT:?}\n{log}")));
            }
        }
        Ok(())
    }

    /// What the instances of a service count; none of those that don't answer.
    #[must_use]
    pub fn metrics(&self, service: Service) -> Vec<Metrics> {
        let admins = self.admins();
        let of_service = admins.into_iter().filter(|(target, _)| target.service == service);
        of_service.filter_map(|(_, admin)| instance::metrics(admin).ok()).collect()
    }

    /// An instance that can't work: its configuration is wrong, or an offset is missing.
    #[must_use]
    pub fn refusal(&self) -> Option<String> {
        self.shared.state().refusal.clone()
    }

    /// Ends all instances by SIGTERM, and those that don't end by SIGKILL; says how all endings were.
    pub fn end(mut self) -> String {
        for instance in &mut self.shared.state().instances {
            instance.is_wanted = false;
            instance.is_ending = true;
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
        told(&self.shared.state().endings)
    }

    fn admins(&self) -> Vec<(Target, u16)> {
        self.shared.state().instances.iter().map(|instance| (instance.target, instance.admin())).collect()
    }

    fn with<T>(&self, target: Target, act: impl FnOnce(&mut Instance) -> T) -> Option<T> {
        let mut state = self.shared.state();
        state.instances.iter_mut().find(|instance| instance.target == target).map(act)
    }

    fn stop_supervisor(&mut self) {
        self.shared.is_over.store(true, Ordering::Release);
        if let Some(supervisor) = self.supervisor.take() {
            supervisor.thread().unpark();
            // It only panics with a poisoned lock, which nobody minds at the end.
            supervisor.join().ok();
        }
    }
}

impl Drop for Fleet {
    /// The processes end when the last to know them, the supervisor, has ended.
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
    fn look(&mut self) {
        for instance in &mut self.instances {
            if let Some((ending, log)) = instance.ended() {
                let key = (instance.target.service, ending, instance.is_ending);
                *self.endings.entry(key).or_default() += 1;
                let is_access_denied = REFUSALS.contains(&ending);
                if !instance.is_ending {
                    println!("            {} ended by itself: {ending}\n{log}", instance.target);
                }
                if is_access_denied {
                    self.refusal = Some(format!("{} refuses to work: {ending}", instance.target));
                    instance.is_wanted = false;
                }
            }
            if instance.is_wanted
                && !instance.is_running()
                && let Err(error) = instance.start()
            {
                self.refusal = Some(format!("{} can't be started: {error}", instance.target));
            }
        }
    }
}

fn told(endings: &BTreeMap<(Service, Ending, bool), u32>) -> String {
    let mut text = String::new();
    for ((service, ending, is_ours), count) in endings {
        let whose = if *is_ours { "asked for" } else { "by itself" };
        // Writing to a string doesn't fail.
        writeln!(text, "  {count:4} × {} {ending}, {whose}", service.name()).ok();
    }
    text
}

//! Producer and watcher as child processes. A client that crashes when a broker restarts ends only its own process, which is
//! started again at the position that it had reached.

use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::numbers::Numbers;
use crate::report;
use crate::signals;
use crate::timeline::Timeline;
use crate::watcher_process;

/// Delay before a child is started again.
const RESTART_DELAY: Duration = Duration::from_millis(500);

/// The settings of both children.
#[derive(Debug, Clone)]
pub struct Wiring {
    /// The path of this program.
    pub program: PathBuf,
    /// The folder of their logs.
    pub folder: PathBuf,
    /// Bootstrap servers without a proxy.
    pub brokers: String,
    /// The registry's id of the alert schema.
    pub schema_id: u32,
    /// Partitions of every topic.
    pub partitions: i32,
    /// The input.
    pub numbers: Numbers,
}

/// A child and the thread that reads its output.
struct Follower {
    child: Arc<Mutex<Option<Child>>>,
    is_finished: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

pub struct Producer {
    follower: Follower,
    sent: Arc<AtomicU64>,
    pace: Arc<AtomicU64>,
    stdin: Arc<Mutex<Option<ChildStdin>>>,
    slots: u64,
}

pub struct Watcher {
    _follower: Follower,
}

/// Returns the time in the unit of record timestamps: milliseconds since 1970-01-01 UTC.
#[must_use]
pub fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(0)
}

// === impl Producer ===

impl Producer {
    /// Starts to send at this pace, in records per second.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub fn start(wiring: &Wiring, pace: f64) -> io::Result<Self> {
        let sent = Arc::<AtomicU64>::default();
        let (pace, stdin) =
            (Arc::new(AtomicU64::new(pace.to_bits())), Arc::<Mutex<Option<ChildStdin>>>::default());
        let (from, paced, wired) = (Arc::clone(&sent), Arc::clone(&pace), wiring.clone());
        let command = move || {
            let Numbers { count, symbols, base_micros, seed } = wired.numbers;
            let mut command = Command::new(&wired.program);
            command.arg("produce").args(["--brokers", &wired.brokers]);
            let numbers = [
                ("--schema-id", wired.schema_id.to_string()),
                ("--partitions", wired.partitions.to_string()),
                ("--count", count.to_string()),
                ("--symbols", symbols.to_string()),
                ("--base-micros", base_micros.to_string()),
                ("--seed", seed.to_string()),
                ("--from", from.load(Ordering::Acquire).to_string()),
                ("--pace", f64::from_bits(paced.load(Ordering::Acquire)).to_string()),
            ];
            for (name, value) in numbers {
                command.args([name, &value]);
            }
            command
        };
        let (acknowledged, held) = (Arc::clone(&sent), Arc::clone(&stdin));
        let on_line = move |line: &str| {
            if let Ok(slot) = line.parse() {
                acknowledged.store(slot, Ordering::Release);
            }
        };
        let keep = move |child: &mut Child| *lock(&held) = child.stdin.take();
        let follower = Follower::start("producer", wiring, command, keep, on_line)?;
        Ok(Self { follower, sent, pace, stdin, slots: wiring.numbers.slots() })
    }

    /// Sets the pace, in records per second.
    pub fn set_pace(&self, pace: f64) {
        self.pace.store(pace.to_bits(), Ordering::Release);
        if let Some(stdin) = lock(&self.stdin).as_mut() {
            // A child that has ended is started again with the new pace.
            writeln!(stdin, "{pace}").ok();
        }
    }

    /// Returns the counts of acknowledged slots and of all slots.
    #[must_use]
    pub fn acknowledged(&self) -> (u64, u64) {
        (self.sent.load(Ordering::Acquire), self.slots)
    }

    /// Returns whether everything is acknowledged.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.follower.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }
}

// === impl Watcher ===

impl Watcher {
    /// Starts to read committed vectors.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub fn start(wiring: &Wiring, timeline: Arc<Mutex<Timeline>>) -> io::Result<Self> {
        let wired = wiring.clone();
        let command = move || {
            let mut command = Command::new(&wired.program);
            command.arg("watch").args(["--brokers", &wired.brokers]);
            command
        };
        let on_line = move |line: &str| {
            if let Some(sample) = watcher_process::parse(line) {
                lock(&timeline).record(now_ms(), sample);
            }
        };
        Ok(Self { _follower: Follower::start("watcher", wiring, command, |_| (), on_line)? })
    }
}

// === impl Follower ===

impl Follower {
    fn start(
        name: &'static str,
        wiring: &Wiring,
        command: impl Fn() -> Command + Send + 'static,
        keep: impl Fn(&mut Child) + Send + 'static,
        mut on_line: impl FnMut(&str) + Send + 'static,
    ) -> io::Result<Self> {
        let (child, is_finished) = (Arc::<Mutex<Option<Child>>>::default(), Arc::<AtomicBool>::default());
        let (held, over, log) =
            (Arc::clone(&child), Arc::clone(&is_finished), wiring.folder.join(format!("{name}.log")));
        let follow = move || {
            while !over.load(Ordering::Acquire) {
                match run(command(), &log, &held, &keep, &mut on_line) {
                    Ok(status) if status.success() => return,
                    Ok(status) if !over.load(Ordering::Acquire) => {
                        report::line(format_args!(
                            "            {name} exited unexpectedly ({status}), restarting it"
                        ));
                    }
                    Ok(_) => {}
                    Err(error) => {
                        report::line(format_args!("            failed to start the {name}: {error}"))
                    }
                }
                thread::park_timeout(RESTART_DELAY);
            }
        };
        let thread = Some(thread::Builder::new().name(name.to_owned()).spawn(follow)?);
        Ok(Self { child, is_finished, thread })
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.is_finished.store(true, Ordering::Release);
        if let Some(child) = lock(&self.child).as_mut() {
            // Fails if it has already ended.
            child.kill().ok();
        }
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            thread.join().ok();
        }
    }
}

/// Runs a child until it exits.
fn run(
    mut command: Command,
    log: &PathBuf,
    held: &Mutex<Option<Child>>,
    keep: &impl Fn(&mut Child),
    on_line: &mut impl FnMut(&str),
) -> io::Result<ExitStatus> {
    signals::check_not_interrupted()?;
    let log = std::fs::File::options().create(true).append(true).open(log)?;
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log).process_group(0).spawn()?;
    keep(&mut child);
    let output = child.stdout.take();
    *lock(held) = Some(child);
    for line in output.into_iter().flat_map(|output| BufReader::new(output).lines()).map_while(Result::ok) {
        on_line(&line);
    }
    // Its output is closed: it has exited or is about to.
    let ended = lock(held).take();
    ended.map_or_else(
        || Err(io::Error::other("the child process was already removed")),
        |mut child| child.wait(),
    )
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

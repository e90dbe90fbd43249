//! Producer and watcher as children of the storm. A client that crashes when a broker comes back takes its own process down and
//! nothing else; it is started again where it was.

use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::ending;
use crate::numbers::Numbers;
use crate::timeline::Timeline;
use crate::watch;

/// Before a child is started again.
const AGAIN_AFTER: Duration = Duration::from_millis(500);

/// What both children need.
#[derive(Debug, Clone)]
pub struct Wiring {
    /// This program.
    pub program: PathBuf,
    /// Where what they say to people goes.
    pub folder: PathBuf,
    /// Bootstrap servers without a proxy.
    pub brokers: String,
    /// The registry's id of the alert's schema.
    pub schema_id: u32,
    /// Partitions of every topic.
    pub partitions: i32,
    /// What is sent.
    pub numbers: Numbers,
}

/// A child and the thread that listens to it.
struct Follower {
    child: Arc<Mutex<Option<Child>>>,
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// The producer.
pub struct Producer {
    follower: Follower,
    sent: Arc<AtomicU64>,
    pace: Arc<AtomicU64>,
    stdin: Arc<Mutex<Option<ChildStdin>>>,
    turns: u64,
}

/// The watcher.
pub struct Watcher {
    _follower: Follower,
}

/// Now, as the brokers stamp records: milliseconds since 1970-01-01 UTC.
#[must_use]
pub fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(0)
}

// === impl Producer ===

impl Producer {
    /// Begins to send at this pace, in records a second.
    ///
    /// # Errors
    /// When no thread can be started.
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
        let (told, held) = (Arc::clone(&sent), Arc::clone(&stdin));
        let hear = move |line: &str| {
            if let Ok(turn) = line.parse() {
                told.store(turn, Ordering::Release);
            }
        };
        let keep = move |child: &mut Child| *lock(&held) = child.stdin.take();
        let follower = Follower::start("producer", wiring, command, keep, hear)?;
        Ok(Self { follower, sent, pace, stdin, turns: wiring.numbers.turns() })
    }

    /// From now on at this pace.
    pub fn set_pace(&self, pace: f64) {
        self.pace.store(pace.to_bits(), Ordering::Release);
        if let Some(stdin) = lock(&self.stdin).as_mut() {
            // A child that has gone is started again at the new pace.
            writeln!(stdin, "{pace}").ok();
        }
    }

    /// How many turns are acknowledged, and how many there are.
    #[must_use]
    pub fn acknowledged(&self) -> (u64, u64) {
        (self.sent.load(Ordering::Acquire), self.turns)
    }

    /// Whether everything is acknowledged.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.follower.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }
}

// === impl Watcher ===

impl Watcher {
    /// Begins to watch.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn start(wiring: &Wiring, timeline: Arc<Mutex<Timeline>>) -> io::Result<Self> {
        let wired = wiring.clone();
        let command = move || {
            let mut command = Command::new(&wired.program);
            command.arg("watch").args(["--brokers", &wired.brokers]);
            command
        };
        let hear = move |line: &str| {
            if let Some(seen) = watch::parse(line) {
                lock(&timeline).saw(now_ms(), seen);
            }
        };
        Ok(Self { _follower: Follower::start("watcher", wiring, command, |_| (), hear)? })
    }
}

// === impl Follower ===

impl Follower {
    fn start(
        name: &'static str,
        wiring: &Wiring,
        command: impl Fn() -> Command + Send + 'static,
        keep: impl Fn(&mut Child) + Send + 'static,
        mut hear: impl FnMut(&str) + Send + 'static,
    ) -> io::Result<Self> {
        let (child, is_over) = (Arc::<Mutex<Option<Child>>>::default(), Arc::<AtomicBool>::default());
        let (held, over, log) =
            (Arc::clone(&child), Arc::clone(&is_over), wiring.folder.join(format!("{name}.log")));
        let follow = move || {
            while !over.load(Ordering::Acquire) {
                match run(command(), &log, &held, &keep, &mut hear) {
                    Ok(status) if status.success() => return,
                    Ok(status) if !over.load(Ordering::Acquire) => {
                        println!("            the {name} ended by itself ({status}) and is started again");
                    }
                    Ok(_) => {}
                    Err(error) => println!("            the {name} can't be run: {error}"),
                }
                thread::park_timeout(AGAIN_AFTER);
            }
        };
        let thread = Some(thread::Builder::new().name(name.to_owned()).spawn(follow)?);
        Ok(Self { child, is_over, thread })
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Release);
        if let Some(child) = lock(&self.child).as_mut() {
            // Ended already is as good.
            child.kill().ok();
        }
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            thread.join().ok();
        }
    }
}

/// Runs a child to its end.
fn run(
    mut command: Command,
    log: &PathBuf,
    held: &Mutex<Option<Child>>,
    keep: &impl Fn(&mut Child),
    hear: &mut impl FnMut(&str),
) -> io::Result<ExitStatus> {
    ending::refuse_after_signal()?;
    let log = std::fs::File::options().create(true).append(true).open(log)?;
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log).process_group(0).spawn()?;
    keep(&mut child);
    let said = child.stdout.take();
    *lock(held) = Some(child);
    for line in said.into_iter().flat_map(|said| BufReader::new(said).lines()).map_while(Result::ok) {
        hear(&line);
    }
    // Its output has ended, so it has, or is about to.
    let ended = lock(held).take();
    ended.map_or_else(|| Err(io::Error::other("it is gone")), |mut child| child.wait())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

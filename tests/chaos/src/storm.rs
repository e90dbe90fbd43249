//! A whole run: starts all processes, injects the faults of the plan during steady input, drains and counts.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use contracts::{Alert, Topic, partition_for};
use integration::{Process, Registry};
use kafka_io::{KafkaConfig, admin};

use crate::audit;
use crate::child_processes::{Producer, Watcher, Wiring, now_ms};
use crate::cli::{PlanName, RunArgs};
use crate::cluster::Cluster;
use crate::distribution;
use crate::fleet::Fleet;
use crate::injection::System;
use crate::instance::InstanceSettings;
use crate::numbers::Numbers;
use crate::oracle::Count;
use crate::plan::{Extent, Plan, Service, Step, Target};
use crate::proxy::Proxy;
use crate::report;
use crate::timeline::Timeline;

/// Rounds of the symbols in a run.
const ROUNDS: u64 = 6;
/// Maximum number of symbols: more symbols do not make the test harder.
const SYMBOLS_MAX: u64 = 20_000;
/// Interval between two checks of recovery; the pace is set as often.
const POLL_INTERVAL: Duration = Duration::from_millis(200);
/// Time of input before the first fault.
const WARM_UP: Duration = Duration::from_secs(5);
/// Maximum wait for a recovery: the next fault follows in any case.
const RECOVERY_TIMEOUT: Duration = Duration::from_secs(60);
/// Maximum time without progress: after it, the remaining records are counted as lost.
const STALL_TIMEOUT: Duration = Duration::from_secs(180);
/// Minimum pace, alerts per second: two remaining records that are spread over the rest of a plan would exceed every timeout.
const PACE_MIN: f64 = 50.0;
/// Minimum ratio of the plan's actual to its estimated duration: early in a run a single step decides it.
const SPEED_FACTOR_MIN: f64 = 0.5;
/// Minimum time over which the remaining input is spread: the last step may take longer than estimated.
const SPREAD_MIN: Duration = Duration::from_secs(10);
/// Time without output and without lag after which the run is drained.
const IDLE_TIME: Duration = Duration::from_secs(3);
/// Timeout of `tapeline verify`, which reads every topic again.
const VERIFY_TIMEOUT: Duration = Duration::from_secs(1_800);

/// The result of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The counts; the higher ones of the two oracles.
    pub count: Count,
    /// Numbers of the input.
    pub records: u64,
    /// Injected faults.
    pub faults: usize,
    /// The longest time without output during input.
    pub longest_gap: Duration,
    /// `true` if `tapeline verify` found no difference. `None` if it printed no summary.
    pub is_verified: Option<bool>,
}

/// Returns the plan for these arguments.
#[must_use]
pub fn plan_of(args: &RunArgs) -> Plan {
    let extent = extent_of(args);
    let mut plan = match args.plan {
        PlanName::Short => Plan::short(args.seed, extent),
        PlanName::Long => Plan::long(args.seed, extent),
        PlanName::Coordinators => Plan::coordinators(args.seed, extent),
    };
    plan.steps.truncate(args.faults.unwrap_or(usize::MAX));
    plan
}

/// Runs a storm with its logs and data in `folder`.
///
/// # Errors
/// A process that cannot be started, or a topic that cannot be counted.
pub fn run(args: &RunArgs, folder: &Path) -> io::Result<Outcome> {
    let started = Instant::now();
    let plan = plan_of(args);
    let numbers = numbers_of(args)?;
    let cluster = Cluster::start(folder)?;
    let registry = Registry::start(folder)?;
    print_progress(started, "three brokers and the registry are ready");
    apply_topics(&cluster.direct(), args.partitions())?;
    let schema_id = audit::register::<Alert>(registry.port())?;
    let registry_proxy = Proxy::start(registry.port())?;
    let settings = instance_settings(args, folder, &cluster, &registry_proxy)?;
    let fleet = Fleet::start(settings.clone(), extent_of(args), args.clock.as_ref())?;
    print_progress(
        started,
        &format!("{} bridges and {} features are ready", args.bridges(), args.features()),
    );
    let mut system = System { cluster, fleet, registry: registry_proxy };

    let wiring = Wiring {
        program: std::env::current_exe()?,
        folder: folder.to_owned(),
        brokers: system.cluster.direct(),
        schema_id,
        partitions: args.partitions(),
        numbers,
    };
    let timeline = Arc::new(Mutex::new(Timeline::new(now_ms(), partitions_of(&numbers, args.partitions()))));
    let watcher = Watcher::start(&wiring, Arc::clone(&timeline))?;
    let producer = Producer::start(&wiring, pace(numbers.slots(), plan.takes(0) + WARM_UP))?;
    let mut run = PlanRun {
        system: &mut system,
        producer: &producer,
        timeline: &timeline,
        plan: &plan,
        numbers: numbers.count,
        started: Instant::now(),
        step: None,
    };
    run.inject_all()?;
    run.drain(args.partitions())?;
    print_progress(started, "drained");
    drop((watcher, producer));
    let System { cluster, fleet, .. } = system;
    report::line(format_args!("exits of instances:\n{}", fleet.end().trim_end()));

    let mut count = audit::count(&cluster.direct(), registry.port(), numbers)?;
    for text in &count.details {
        report::line(format_args!("  {text}"));
    }
    report::line(format_args!(
        "counted: {} numbers in the input ({} sent again by the producer), {} failed requests",
        count.raised, count.resent, count.failures
    ));
    let is_verified = verify(&settings, &cluster.direct(), &registry.url(), &mut count)?;
    print_progress(started, "counted");
    let timeline = lock(&timeline);
    print_distributions(&timeline);
    report::line(format_args!(
        "{} clients abandoned",
        distribution::abandoned_clients(folder, &instances_of(args))?
    ));
    report::line(format_args!(
        "longest gap in output {:.1} s, at {:.1} s",
        timeline.longest_gap().as_secs_f64(),
        timeline.longest_gap_start().as_secs_f64()
    ));
    Ok(Outcome {
        count,
        records: numbers.count,
        faults: plan.steps.len(),
        longest_gap: timeline.longest_gap(),
        is_verified,
    })
}

/// The execution of a plan during steady input.
struct PlanRun<'a> {
    system: &'a mut System,
    producer: &'a Producer,
    timeline: &'a Mutex<Timeline>,
    plan: &'a Plan,
    numbers: u64,
    started: Instant,
    /// The current step and its start.
    step: Option<(usize, Instant)>,
}

// === impl PlanRun ===

impl PlanRun<'_> {
    fn inject_all(&mut self) -> io::Result<()> {
        self.pause(WARM_UP, false)?;
        for (index, step) in self.plan.steps.iter().enumerate() {
            self.step = Some((index, Instant::now()));
            self.system.prepare(step.fault)?;
            self.inject(step)?;
        }
        Ok(())
    }

    fn inject(&mut self, step: &Step) -> io::Result<()> {
        lock(self.timeline).begin(now_ms(), step.fault.to_string());
        let (active, detail) = self.system.begin(step.fault)?;
        if !detail.is_empty() {
            report::line(format_args!("            {}: {detail}", step.fault));
        }
        self.pause(step.hold, false)?;
        self.system.end(active)?;
        lock(self.timeline).end(now_ms());
        self.pause(step.rest, step.until_recovered)
    }

    /// Sets the pace at which the input ends with the plan, on machines that are slower or faster than the plan's estimate too.
    fn set_pace(&self) {
        let (acknowledged, slots) = self.producer.acknowledged();
        let elapsed = self.started.elapsed();
        let (whole, passed) = (self.plan.takes(0) + WARM_UP, self.passed());
        let slowness = (elapsed.as_secs_f64() / passed.as_secs_f64()).max(SPEED_FACTOR_MIN);
        let left = whole.saturating_sub(passed).mul_f64(slowness);
        self.producer.set_pace(pace(slots - acknowledged.min(slots), left).max(PACE_MIN));
    }

    /// Returns the plan's elapsed time by its own estimate. A step that exceeds its estimate counts as its estimate.
    fn passed(&self) -> Duration {
        let Some((step, since)) = self.step else { return self.started.elapsed().min(WARM_UP) };
        let (from, after) = (self.plan.takes(step), self.plan.takes(step + 1));
        WARM_UP + self.plan.takes(0).saturating_sub(from) + since.elapsed().min(from.saturating_sub(after))
    }

    /// Waits at least this long and prints each fault after its recovery.
    fn pause(&self, at_least: Duration, until_recovered: bool) -> io::Result<()> {
        let started = Instant::now();
        loop {
            // After the last number only repeated alerts follow, which have no output.
            if self.producer.acknowledged().0 >= self.numbers {
                lock(self.timeline).end_input(now_ms());
            }
            if !self.producer.is_done() {
                self.set_pace();
            }
            for line in lock(self.timeline).finished_lines(false) {
                report::line(format_args!("{line}"));
            }
            if let Some(fatal_error) = self.system.fleet.fatal_error() {
                return Err(io::Error::other(fatal_error));
            }
            let passed = started.elapsed();
            // Without input no output is required; `drain` waits for the rest.
            let is_enough = !until_recovered
                || self.producer.is_done()
                || lock(self.timeline).is_recovered()
                || passed > RECOVERY_TIMEOUT;
            if passed >= at_least && is_enough {
                return Ok(());
            }
            std::thread::park_timeout(POLL_INTERVAL);
        }
    }

    /// Waits until all input is written and no stage has lag or held records.
    fn drain(&mut self, partitions: i32) -> io::Result<()> {
        let (mut progress, mut at) = ((0, 0), Instant::now());
        let mut idle_since: Option<Instant> = None;
        while idle_since.is_none_or(|since| since.elapsed() < IDLE_TIME) {
            self.pause(Duration::from_millis(500), false)?;
            let now = (self.producer.acknowledged().0, lock(self.timeline).total());
            let has_moved = now != progress;
            if has_moved {
                (progress, at) = (now, Instant::now());
            }
            if at.elapsed() > STALL_TIMEOUT {
                report::line(format_args!(
                    "            no progress for {STALL_TIMEOUT:?} with records left: counting nevertheless"
                ));
                break;
            }
            // The feature service reads two topics, the bridge one.
            let owned = f64::from(partitions);
            let is_idle = self.producer.is_done()
                && !has_moved
                && self.system.is_idle(Service::Bridge, owned)
                && self.system.is_idle(Service::Feature, 2.0 * owned);
            idle_since = is_idle.then(|| idle_since.unwrap_or_else(Instant::now));
        }
        for line in lock(self.timeline).finished_lines(true) {
            report::line(format_args!("{line}"));
        }
        Ok(())
    }
}

fn print_distributions(timeline: &Timeline) {
    for (what, durations) in [
        ("gap in output after a fault", timeline.gaps()),
        ("output of all partitions after the start of a fault", timeline.recovery_times()),
    ] {
        if let Some(text) = distribution::describe(durations) {
            report::line(format_args!("{what}: {text}"));
        }
    }
}

/// Returns the names of the instances, without those that a fault adds for some time.
fn instances_of(args: &RunArgs) -> Vec<String> {
    let of =
        |service: Service, count: u32| (0..count).map(move |ordinal| Target { service, ordinal }.to_string());
    of(Service::Bridge, args.bridges()).chain(of(Service::Feature, args.features())).collect()
}

fn extent_of(args: &RunArgs) -> Extent {
    Extent { bridges: args.bridges(), features: args.features(), clocks: args.clock.is_some() }
}

fn numbers_of(args: &RunArgs) -> io::Result<Numbers> {
    let records = args.records();
    let now_micros = i64::try_from(now_ms()).map_err(io::Error::other)? * 1_000;
    Ok(Numbers::new(records, (records / ROUNDS).clamp(100, SYMBOLS_MAX), now_micros, args.seed))
}

fn partitions_of(numbers: &Numbers, partitions: i32) -> BTreeSet<i32> {
    (0..numbers.symbols).map(|n| partition_for(numbers.symbol(n).as_bytes(), partitions)).collect()
}

/// Spreads the remaining input over the remaining time of the plan.
#[expect(clippy::cast_precision_loss, reason = "a pace needs no more than a few digits")]
fn pace(slots: u64, left: Duration) -> f64 {
    slots as f64 / left.max(SPREAD_MIN).as_secs_f64()
}

fn instance_settings(
    args: &RunArgs,
    folder: &Path,
    cluster: &Cluster,
    registry: &Proxy,
) -> io::Result<InstanceSettings> {
    let program = std::env::current_exe()?;
    Ok(InstanceSettings {
        binaries: program.parent().map(PathBuf::from).unwrap_or_default(),
        folder: folder.to_owned(),
        brokers: cluster.direct(),
        proxied: cluster.proxied(),
        registry: format!("http://127.0.0.1:{}{}", registry.port(), Registry::API),
        partitions: args.partitions(),
    })
}

fn apply_topics(brokers: &str, partitions: i32) -> io::Result<()> {
    let kafka = KafkaConfig {
        brokers: brokers.to_owned(),
        partitions,
        query_timeout_ms: 60_000.into(),
        ..KafkaConfig::default()
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime
        .block_on(admin::topics_apply(&kafka, Topic::ALL, 3))
        .map_err(|error| io::Error::other(kafka_io::ErrorChain(&error).to_string()))?;
    Ok(())
}

/// Runs `tapeline verify`, whose exit code is 0 only if it finds no difference, and adopts its higher counts. `None` if it printed
/// no summary.
fn verify(
    settings: &InstanceSettings,
    brokers: &str,
    registry: &str,
    count: &mut Count,
) -> io::Result<Option<bool>> {
    let mut command = Command::new(settings.binaries.join("tapeline"));
    command.args(["verify", "--brokers", brokers, "--registry", registry]);
    command.args(["--timeout-s", &VERIFY_TIMEOUT.as_secs().to_string()]);
    let mut process = Process::start("verify", command, &settings.folder)?;
    let status = process.wait(2 * VERIFY_TIMEOUT)?;
    let printed = process.printed()?;
    report::line(format_args!("tapeline verify ({status}):\n{}", printed.trim_end()));
    let Some(summary) = printed.lines().find_map(|line| line.strip_prefix("verify: ")) else {
        return Ok(None);
    };
    count.lost = count.lost.max(number_after(summary, "lost"));
    count.doubled = count.doubled.max(number_after(summary, "doubled"));
    count.reordered = count.reordered.max(number_after(summary, "reordered"));
    Ok(Some(status.success()))
}

/// Returns the number that follows a word.
fn number_after(text: &str, word: &str) -> u64 {
    let mut words = text.split(' ').skip_while(|it| *it != word);
    words.nth(1).and_then(|number| number.parse().ok()).unwrap_or(0)
}

fn print_progress(started: Instant, what: &str) {
    report::line(format_args!("{:7.1} s  {what}", started.elapsed().as_secs_f64()));
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::number_after;

    #[test]
    fn counts_follow_their_words() {
        let line = "NOT OK: lost 3 doubled 20 reordered 0 gaps 1 of 9 records";
        let counts = ["lost", "doubled", "reordered", "else"].map(|word| number_after(line, word));
        assert_eq!(counts, [3, 20, 0, 0]);
    }
}

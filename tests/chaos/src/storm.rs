//! A whole run: start everything, let the plan happen while numbers flow, drain, count.

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
use crate::cli::{PlanName, RunArgs};
use crate::cluster::Cluster;
use crate::faults::Scene;
use crate::fleet::Fleet;
use crate::flow::{Producer, Watcher, Wiring, now_ms};
use crate::instance::Setting;
use crate::numbers::Numbers;
use crate::oracle::Count;
use crate::plan::{Extent, Plan, Service, Step};
use crate::proxy::Proxy;
use crate::timeline::Timeline;

/// Rounds of the symbols in a run.
const ROUNDS: u64 = 6;
/// More symbols than these are no harder.
const SYMBOLS_MAX: u64 = 20_000;
/// How often it is looked what has recovered, and the pace set.
const LOOK: Duration = Duration::from_millis(200);
/// Before the first fault: numbers flow.
const CALM: Duration = Duration::from_secs(5);
/// How long a recovery is waited for before the next fault comes all the same.
const RECOVERY_PATIENCE: Duration = Duration::from_secs(60);
/// Without any progress for so long, what is left will not come.
const STANDSTILL: Duration = Duration::from_secs(180);
/// Alerts a second at least: a rest of two, spread over the rest of a plan, would outlast every patience.
const PACE_MIN: f64 = 50.0;
/// How much less time than it thinks a plan may take: early on a single step decides about it.
const FASTEST: f64 = 0.5;
/// What is left is spread over so much time at least: a last step may take longer than the plan thinks.
const SPREAD_MIN: Duration = Duration::from_secs(10);
/// Nothing new for so long, and nothing waits: the run is drained.
const QUIET: Duration = Duration::from_secs(3);
/// `tapeline verify` reads everything again.
const VERIFY_LIMIT: Duration = Duration::from_secs(1_800);

/// What a run comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// What was counted; of the two oracles the higher numbers.
    pub count: Count,
    /// Numbers of the input.
    pub records: u64,
    /// Faults that were done.
    pub faults: usize,
    /// The longest time without output while there was input.
    pub longest_gap: Duration,
    /// Whether `tapeline verify` found everything in order; none when it could not be asked.
    pub is_verified: Option<bool>,
}

/// The plan that the arguments ask for.
#[must_use]
pub fn plan_of(args: &RunArgs) -> Plan {
    let extent = extent_of(args);
    let mut plan = match args.plan {
        PlanName::Short => Plan::short(args.seed, extent),
        PlanName::Long => Plan::long(args.seed, extent),
    };
    plan.steps.truncate(args.faults.unwrap_or(usize::MAX));
    plan
}

/// Runs a storm in `folder`.
///
/// # Errors
/// When something can't be started or counted.
pub fn run(args: &RunArgs, folder: &Path) -> io::Result<Outcome> {
    let begun = Instant::now();
    let plan = plan_of(args);
    let numbers = numbers_of(args)?;
    let cluster = Cluster::start(folder)?;
    let registry = Registry::start(folder)?;
    tell(begun, "three brokers and the registry run");
    apply_topics(&cluster.direct(), args.partitions())?;
    let schema_id = audit::register::<Alert>(registry.port())?;
    let front = Proxy::start(registry.port())?;
    let setting = setting(args, folder, &cluster, &front)?;
    let fleet = Fleet::start(setting.clone(), extent_of(args), args.clock.as_ref())?;
    tell(begun, &format!("{} bridges and {} features are ready", args.bridges(), args.features()));
    let mut scene = Scene { cluster, fleet, registry: front };

    let wiring = Wiring {
        program: std::env::current_exe()?,
        folder: folder.to_owned(),
        brokers: scene.cluster.direct(),
        schema_id,
        partitions: args.partitions(),
        numbers,
    };
    let timeline = Arc::new(Mutex::new(Timeline::new(now_ms(), partitions_of(&numbers, args.partitions()))));
    let watcher = Watcher::start(&wiring, Arc::clone(&timeline))?;
    let producer = Producer::start(&wiring, pace(numbers.turns(), plan.takes(0) + CALM))?;
    let mut weather = Weather {
        scene: &mut scene,
        producer: &producer,
        timeline: &timeline,
        plan: &plan,
        numbers: numbers.count,
        begun: Instant::now(),
        step: None,
    };
    weather.blow()?;
    weather.calm_down(args.partitions())?;
    tell(begun, "drained");
    drop((watcher, producer));
    let Scene { cluster, fleet, .. } = scene;
    println!("how instances ended:\n{}", fleet.end().trim_end());

    let mut count = audit::count(&cluster.direct(), registry.port(), numbers)?;
    for text in &count.told {
        println!("  {text}");
    }
    println!(
        "counted: {} numbers in the input ({} sent again by the producer), {} ends are failures",
        count.raised, count.resent, count.failures
    );
    let is_verified = verify(&setting, &cluster.direct(), &registry.url(), &mut count)?;
    tell(begun, "counted");
    let timeline = lock(&timeline);
    println!(
        "longest gap in output {:.1} s, at {:.1} s",
        timeline.longest_gap().as_secs_f64(),
        timeline.longest_gap_at().as_secs_f64()
    );
    Ok(Outcome {
        count,
        records: numbers.count,
        faults: plan.steps.len(),
        longest_gap: timeline.longest_gap(),
        is_verified,
    })
}

/// What happens while numbers flow.
struct Weather<'a> {
    scene: &'a mut Scene,
    producer: &'a Producer,
    timeline: &'a Mutex<Timeline>,
    plan: &'a Plan,
    numbers: u64,
    begun: Instant,
    /// The step that is under way, and since when.
    step: Option<(usize, Instant)>,
}

// === impl Weather ===

impl Weather<'_> {
    fn blow(&mut self) -> io::Result<()> {
        self.pause(CALM, false)?;
        for (index, step) in self.plan.steps.iter().enumerate() {
            self.step = Some((index, Instant::now()));
            self.scene.prepare(step.fault)?;
            self.happen(step)?;
        }
        Ok(())
    }

    fn happen(&mut self, step: &Step) -> io::Result<()> {
        lock(self.timeline).begin(now_ms(), step.fault.to_string());
        let (held, told) = self.scene.begin(step.fault)?;
        if !told.is_empty() {
            println!("            {}: {told}", step.fault);
        }
        self.pause(step.hold, false)?;
        self.scene.mend(held)?;
        lock(self.timeline).end(now_ms());
        self.pause(step.rest, step.until_recovered)
    }

    /// The pace with which the input lasts until the plan's end, also on a machine that is slower or faster than the plan thinks.
    fn set_pace(&self) {
        let (acknowledged, turns) = self.producer.acknowledged();
        let elapsed = self.begun.elapsed();
        let (whole, passed) = (self.plan.takes(0) + CALM, self.passed());
        let slowness = (elapsed.as_secs_f64() / passed.as_secs_f64()).max(FASTEST);
        let left = whole.saturating_sub(passed).mul_f64(slowness);
        self.producer.set_pace(pace(turns - acknowledged.min(turns), left).max(PACE_MIN));
    }

    /// How much of the plan's time is over, by the plan's own clock: a step that takes longer than it thinks stands still at its end.
    fn passed(&self) -> Duration {
        let Some((step, since)) = self.step else { return self.begun.elapsed().min(CALM) };
        let (from, after) = (self.plan.takes(step), self.plan.takes(step + 1));
        CALM + self.plan.takes(0).saturating_sub(from) + since.elapsed().min(from.saturating_sub(after))
    }

    /// Waits, at least this long, and tells what recovered meanwhile.
    fn pause(&self, at_least: Duration, until_recovered: bool) -> io::Result<()> {
        let begun = Instant::now();
        loop {
            // What comes after the last number are repetitions, which have no output.
            if self.producer.acknowledged().0 >= self.numbers {
                lock(self.timeline).input_over(now_ms());
            }
            if !self.producer.is_done() {
                self.set_pace();
            }
            for line in lock(self.timeline).news(false) {
                println!("{line}");
            }
            if let Some(refusal) = self.scene.fleet.refusal() {
                return Err(io::Error::other(refusal));
            }
            let passed = begun.elapsed();
            // Without input nothing needs to come; what is left is waited for at the end.
            let is_enough = !until_recovered
                || self.producer.is_done()
                || lock(self.timeline).is_recovered()
                || passed > RECOVERY_PATIENCE;
            if passed >= at_least && is_enough {
                return Ok(());
            }
            std::thread::park_timeout(LOOK);
        }
    }

    /// Waits until all input is written and nothing waits any more.
    fn calm_down(&mut self, partitions: i32) -> io::Result<()> {
        let (mut progress, mut at) = ((0, 0), Instant::now());
        let mut quiet_since: Option<Instant> = None;
        while quiet_since.is_none_or(|since| since.elapsed() < QUIET) {
            self.pause(Duration::from_millis(500), false)?;
            let now = (self.producer.acknowledged().0, lock(self.timeline).total());
            let has_moved = now != progress;
            if has_moved {
                (progress, at) = (now, Instant::now());
            }
            if at.elapsed() > STANDSTILL {
                println!(
                    "            nothing moves for {STANDSTILL:?}, and something still waits: counted as it is"
                );
                break;
            }
            // The feature service reads two topics, the bridge one.
            let owned = f64::from(partitions);
            let is_idle = self.producer.is_done()
                && !has_moved
                && self.scene.is_idle(Service::Bridge, owned)
                && self.scene.is_idle(Service::Feature, 2.0 * owned);
            quiet_since = is_idle.then(|| quiet_since.unwrap_or_else(Instant::now));
        }
        for line in lock(self.timeline).news(true) {
            println!("{line}");
        }
        Ok(())
    }
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

/// What is left of the input spread over what is left of the plan's time.
#[expect(clippy::cast_precision_loss, reason = "a pace needs no more than a few digits")]
fn pace(turns: u64, left: Duration) -> f64 {
    turns as f64 / left.max(SPREAD_MIN).as_secs_f64()
}

fn setting(args: &RunArgs, folder: &Path, cluster: &Cluster, registry: &Proxy) -> io::Result<Setting> {
    let program = std::env::current_exe()?;
    Ok(Setting {
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

/// Asks the operator's own oracle, whose exit code is 0 only when all is in order, and takes the higher counts; none when it can't be
/// asked.
fn verify(setting: &Setting, brokers: &str, registry: &str, count: &mut Count) -> io::Result<Option<bool>> {
    let mut command = Command::new(setting.binaries.join("tapeline"));
    command.args(["verify", "--brokers", brokers, "--registry", registry]);
    command.args(["--timeout-s", &VERIFY_LIMIT.as_secs().to_string()]);
    let mut process = Process::start("verify", command, &setting.folder)?;
    let status = process.wait(2 * VERIFY_LIMIT)?;
    let printed = process.printed()?;
    println!("tapeline verify ({status}):\n{}", printed.trim_end());
    let Some(summary) = printed.lines().find_map(|line| line.strip_prefix("verify: ")) else {
        return Ok(None);
    };
    count.lost = count.lost.max(number_after(summary, "lost"));
    count.doubled = count.doubled.max(number_after(summary, "doubled"));
    count.reordered = count.reordered.max(number_after(summary, "reordered"));
    Ok(Some(status.success()))
}

/// The number behind a word.
fn number_after(text: &str, word: &str) -> u64 {
    let mut words = text.split(' ').skip_while(|it| *it != word);
    words.nth(1).and_then(|number| number.parse().ok()).unwrap_or(0)
}

fn tell(begun: Instant, what: &str) {
    println!("{:7.1} s  {what}", begun.elapsed().as_secs_f64());
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::number_after;

    #[test]
    fn counts_are_found_behind_their_words() {
        let line = "NOT OK: lost 3 doubled 20 reordered 0 gaps 1 of 9 records";
        let counts = ["lost", "doubled", "reordered", "else"].map(|word| number_after(line, word));
        assert_eq!(counts, [3, 20, 0, 0]);
    }
}

//! A whole run: starts all processes, injects the faults of the plan during steady input, drains and counts.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use contracts::{Alert, Topic, partition_for};
use integration::{Process, Registry, free_port};
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
use crate::plan::Plan;
use crate::plan_run::{self, PlanRun, lock};
use crate::proposals::{Poster, Proposals};
use crate::proxy::Proxy;
use crate::report;
use crate::service::{Extent, Service, Target};
use crate::timeline::Timeline;

/// Rounds of the symbols in a run.
const ROUNDS: u64 = 6;
/// Maximum number of symbols: more symbols do not make the test harder.
const SYMBOLS_MAX: u64 = 20_000;
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
    let extent = extent_of(args);
    let ready = Service::ALL.map(|service| format!("{} {}", extent.of(service), service.name())).join(", ");
    print_progress(started, &format!("ready: {ready}"));
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
    let producer =
        Producer::start(&wiring, plan_run::pace(numbers.slots(), plan.takes(0) + plan_run::WARM_UP))?;
    let proposals = Proposals::new(args.proposals(), now_micros()?, args.seed);
    let interval = plan.takes(0) / u32::try_from(proposals.count.max(1)).unwrap_or(u32::MAX);
    let poster = Poster::start(proposals, settings.edge, interval)?;
    let mut run = PlanRun {
        system: &mut system,
        producer: &producer,
        poster: &poster,
        extent,
        timeline: &timeline,
        plan: &plan,
        numbers: numbers.count,
        started: Instant::now(),
        step: None,
    };
    run.inject_all()?;
    run.drain(args.partitions())?;
    print_progress(started, "drained");
    let posted = poster.to_string();
    drop((watcher, producer, poster));
    let System { cluster, fleet, .. } = system;
    report::line(format_args!("exits of instances:\n{}", fleet.end().trim_end()));

    let mut count = count_topics(&cluster.direct(), registry.port(), numbers, proposals)?;
    report::line(format_args!("{posted}"));
    let is_verified = verify(&settings, &cluster.direct(), &registry.url(), &mut count)?;
    print_progress(started, "counted");
    let timeline = lock(&timeline);
    print_distributions(&timeline);
    report::line(format_args!(
        "{} clients abandoned",
        distribution::abandoned_clients(folder, &instances_of(args))?
    ));
    Ok(Outcome {
        count,
        records: numbers.count,
        faults: plan.steps.len(),
        longest_gap: timeline.longest_gap(),
        is_verified,
    })
}

/// Counts the topics and prints the differences.
fn count_topics(brokers: &str, registry: u16, numbers: Numbers, proposals: Proposals) -> io::Result<Count> {
    let mut count = audit::count(brokers, registry, numbers)?;
    let (requests, bars, chunks) = audit::count_backfills(brokers, registry, proposals, &mut count)?;
    for text in &count.details {
        report::line(format_args!("  {text}"));
    }
    report::line(format_args!(
        "counted: {} numbers in the input ({} sent again by the producer), {} failed requests; {requests} backfills with {bars} bars of {chunks} chunks",
        count.raised, count.resent, count.failures
    ));
    Ok(count)
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
    report::line(format_args!(
        "longest gap in output {:.1} s, at {:.1} s",
        timeline.longest_gap().as_secs_f64(),
        timeline.longest_gap_start().as_secs_f64()
    ));
}

/// Returns the names of the instances, without those that a fault adds for some time.
fn instances_of(args: &RunArgs) -> Vec<String> {
    let extent = extent_of(args);
    let of = |service| (0..extent.of(service)).map(move |ordinal| Target { service, ordinal }.to_string());
    Service::ALL.into_iter().flat_map(of).collect()
}

fn extent_of(args: &RunArgs) -> Extent {
    Extent {
        bridges: args.bridges(),
        features: args.features(),
        publishers: args.publishers(),
        backfills: args.backfills(),
        clocks: args.clock.is_some(),
    }
}

fn numbers_of(args: &RunArgs) -> io::Result<Numbers> {
    let records = args.records();
    Ok(Numbers::new(records, (records / ROUNDS).clamp(100, SYMBOLS_MAX), now_micros()?, args.seed))
}

fn now_micros() -> io::Result<i64> {
    Ok(i64::try_from(now_ms()).map_err(io::Error::other)? * 1_000)
}

fn partitions_of(numbers: &Numbers, partitions: i32) -> BTreeSet<i32> {
    (0..numbers.symbols).map(|n| partition_for(numbers.symbol(n).as_bytes(), partitions)).collect()
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
        edge: free_port()?,
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

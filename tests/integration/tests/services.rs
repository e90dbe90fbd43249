//! The four services as processes against real Apache Kafka and a real registry, with transactions: a year of real day bars is
//! replayed, a service is restarted in the middle, and the vectors are those of `tapeline dev`.
#![expect(clippy::unwrap_used, reason = "a test that can't go on fails")]

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use integration::{
    Binaries, Metrics, Process, Service, Stack, difference, free_port, read_all, real_parts_missing,
    run_to_end, vectors_of, wait_until,
};
use serde_json::Value;

/// A year of sessions in which two symbols trade, then a third with too few bars to be replayed.
const PERIOD: [&str; 4] = ["--from", "2011-07-01", "--to", "2012-06-29"];
/// What that year has at least, so that a comparison of nothing with nothing doesn't pass.
const VECTORS_MIN: usize = 100;

/// A debug build on two shared cores takes a tenth of it.
const RUN_LIMIT: Duration = Duration::from_secs(300);

/// Each stage, and the service that it is part of.
const STAGES: [(&str, &str); 5] = [
    ("announcer", "publisher"),
    ("bridge", "scanner-bridge"),
    ("feature", "feature"),
    ("backfill-planner", "backfill"),
    ("backfill-executor", "backfill"),
];
/// The transactional ids of the stages' groups, as the brokers know them.
const TRANSACTIONAL_IDS: [&str; 5] = [
    "tapeline.publisher.announcer-0",
    "tapeline.scanner-bridge-0",
    "tapeline.feature-0",
    "tapeline.backfill.planner-0",
    "tapeline.backfill.executor-0",
];

#[test]
fn a_year_on_real_kafka_with_a_restart_gives_the_vectors_of_dev_and_loses_nothing() {
    if real_parts_missing() {
        return;
    }
    let (begun, binaries) = (Instant::now(), Binaries::built().unwrap());
    let stack = Stack::start().unwrap();
    prepare_cluster(&binaries, &stack);
    tell(begun, "cluster prepared");

    let expected = dev(&binaries, stack.folder());
    tell(begun, &format!("dev has made {} vectors", expected.len()));

    let edge = free_port().unwrap();
    let mut services = start_services(&binaries, &stack, edge);
    tell(begun, "services ready");

    let run = Files::of(stack.folder(), "replay");
    let mut replay = replay(&binaries, &stack, edge, &run);
    restart_in_the_middle(&mut replay, service(&mut services, "feature"), &run.vectors, expected.len() / 2);
    tell(begun, "feature restarted");
    let status = replay.wait(RUN_LIMIT).unwrap();
    tell(begun, &replay.printed().unwrap());

    assert_eq!(status.code(), Some(0), "{}", replay.excerpt());
    let report = run.report();
    tell(begun, &format!("{report:#}"));
    assert_in_order(&report);
    let vectors = vectors_of(&run.vectors).unwrap();
    let differences = difference(&expected, &vectors);
    assert!(differences.is_empty(), "dev first, real Kafka second:\n{}", differences.join("\n"));
    assert_topics_hold_what_the_report_says(&run, &report, vectors.len());

    for (stage, name) in STAGES {
        let metrics = service(&mut services, name).metrics().unwrap();
        assert_stage_is_in_order(stage, &metrics);
        tell(begun, &commits(stage, &metrics));
    }
    assert_transactions_are_known_to_the_brokers(&stack);
    for service in &mut services {
        let code = service.terminate().unwrap();
        assert_eq!(code, Some(0), "{} after SIGTERM: {}", service.name(), service.process().excerpt());
    }
    tell(begun, "all ended");

    // Whoever reads our topics does so with a client that isn't ours.
    if let Some(read) = read_all(&stack, &[]).unwrap() {
        tell(begun, &read.printed);
        assert_eq!(read.code, Some(0), "{}", read.printed);
    }
}

/// Seen with `--nocapture`, and when the test fails.
fn tell(begun: Instant, what: &str) {
    println!("{:6.1} s  {what}", begun.elapsed().as_secs_f64());
}

fn bars() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../data/bars")
}

/// Where a run leaves its files.
struct Files {
    vectors: PathBuf,
    report: PathBuf,
    topics: PathBuf,
}

impl Files {
    fn of(folder: &Path, run: &str) -> Self {
        Self {
            vectors: folder.join(format!("{run}.vectors.ndjson")),
            report: folder.join(format!("{run}.report.json")),
            topics: folder.join(format!("{run}.topics")),
        }
    }

    fn report(&self) -> Value {
        serde_json::from_str(&std::fs::read_to_string(&self.report).unwrap()).unwrap()
    }
}

/// Runs a command of ours to its end, which must be a good one.
fn succeed(binaries: &Binaries, log: &str, arguments: &[&str], folder: &Path) -> String {
    let mut command = binaries.command("tapeline");
    command.args(arguments);
    let ended = run_to_end(log, command, folder, RUN_LIMIT).unwrap();
    assert_eq!(ended.code, Some(0), "tapeline {}: {}", arguments.join(" "), ended.printed);
    ended.printed
}

/// What an operator does first; a second time, nothing is left to do.
fn prepare_cluster(binaries: &Binaries, stack: &Stack) {
    let (brokers, registry) = (stack.broker.address(), stack.registry.url());
    let apply = ["topics", "apply", "--replication", "1", "--brokers", &brokers];
    let first = succeed(binaries, "apply", &apply, stack.folder());
    assert!(first.contains("created") && !first.contains("unchanged"), "{first}");
    let second = succeed(binaries, "apply-again", &apply, stack.folder());
    assert!(second.contains("unchanged") && !second.contains("created"), "{second}");
    succeed(binaries, "register", &["schemas", "register", "--registry", &registry], stack.folder());
}

/// The same market in one process, on the embedded broker: its vectors.
fn dev(binaries: &Binaries, folder: &Path) -> Vec<String> {
    let (bars, run) = (bars(), Files::of(folder, "dev"));
    let mut arguments = vec!["dev", "--until-end", "--speed", "max"];
    arguments.extend(PERIOD);
    let (bars, vectors, report) = (text(&bars), text(&run.vectors), text(&run.report));
    arguments.extend(["--bars", bars, "--vectors", vectors, "--report", report]);
    succeed(binaries, "dev", &arguments, folder);
    let vectors = vectors_of(&run.vectors).unwrap();
    assert!(vectors.len() >= VECTORS_MIN, "only {} vectors", vectors.len());
    vectors
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// All four, started together; ready when this returns. Delivery is the default: transactions.
fn start_services(binaries: &Binaries, stack: &Stack, edge: u16) -> Vec<Service> {
    let cluster = format!(
        "[kafka]\nbrokers = \"{}\"\n\n[registry]\nurl = \"{}\"\n",
        stack.broker.address(),
        stack.registry.url()
    );
    let layers =
        ["basic", "liquid", "catalyst", "active"].map(|layer| format!("{layer} = [\"market_data\"]\n"));
    // The folder serves whatever a range asks for: bars that the market publishes itself are in the topic twice (ADR 003).
    let source = format!(
        "[planner]\n{}\n[executor]\ntimeframes = [\"1day\"]\n\n[source]\nkind = \"csv\"\nfolder = \"{}\"\n",
        layers.concat(),
        bars().display()
    );
    let sections = [
        ("publisher", format!("{cluster}\n[edge]\nlisten = \"127.0.0.1:{edge}\"\n")),
        ("scanner-bridge", cluster.clone()),
        ("feature", cluster.clone()),
        ("backfill", format!("{cluster}\n{source}")),
    ];
    let start =
        |(name, sections): (_, String)| Service::start(binaries, name, &sections, stack.folder()).unwrap();
    let mut services = sections.map(start);
    for service in &mut services {
        service.wait_until_ready().unwrap();
    }
    services.into()
}

fn service<'a>(services: &'a mut [Service], name: &str) -> &'a mut Service {
    services.iter_mut().find(|service| service.name() == name).unwrap()
}

fn replay(binaries: &Binaries, stack: &Stack, edge: u16, run: &Files) -> Process {
    let mut command = binaries.command("tapeline");
    command.args(["replay", "--speed", "max"]).args(PERIOD).arg("--bars").arg(bars());
    command.args(["--brokers", &stack.broker.address(), "--registry", &stack.registry.url()]);
    command.arg("--edge").arg(format!("127.0.0.1:{edge}"));
    command
        .arg("--vectors")
        .arg(&run.vectors)
        .arg("--report")
        .arg(&run.report)
        .arg("--topics")
        .arg(&run.topics);
    Process::start("replay", command, stack.folder()).unwrap()
}

/// Ends the service with SIGTERM when half of the vectors are there, and starts it again while the market goes on.
fn restart_in_the_middle(replay: &mut Process, service: &mut Service, vectors: &Path, half: usize) {
    let lines = || std::fs::read_to_string(vectors).map_or(0, |text| text.lines().count());
    let in_time = wait_until(RUN_LIMIT, || lines() >= half || !matches!(replay.ended(), Ok(None)));
    assert!(in_time && lines() >= half, "{} of {half} vectors: {}", lines(), replay.excerpt());
    let code = service.terminate().unwrap();
    assert_eq!(code, Some(0), "{} after SIGTERM: {}", service.name(), service.process().excerpt());
    assert!(matches!(replay.ended(), Ok(None)), "the restart was not in the middle");
    service.start_again().unwrap();
}

fn assert_in_order(report: &Value) {
    assert_eq!(report["ok"], true, "{report:#}");
    for count in ["lost", "doubled", "reordered"] {
        assert_eq!(report[count], 0, "{count}: {report:#}");
    }
}

/// The vectors that were followed are all that there are: each topic is as long as the report says, and none has a dead letter.
fn assert_topics_hold_what_the_report_says(run: &Files, report: &Value, vectors: usize) {
    for (topic, counted) in report["topics"].as_object().unwrap() {
        let path = run.topics.join(format!("{topic}.ndjson"));
        let lines = std::fs::read_to_string(&path).unwrap().lines().count();
        assert_eq!(counted["records"], lines, "{topic}");
        assert!(lines == 0 || !topic.contains("dead-letter"), "{topic} has {lines} records");
    }
    assert_eq!(report["topics"]["feature.vector.computed.v1"]["records"], vectors);
}

/// What a stage counted itself: every record accounted for, nothing held, no law broken, and every batch a transaction.
fn assert_stage_is_in_order(stage: &str, metrics: &Metrics) {
    let of = |name: &str| metrics.sum(&format!("tapeline_stage_{name}"), &[("stage", stage)]);
    let received = of("received_total");
    let settled = of("emitted_total") + of("dropped_total") + of("rejected_total");
    assert!(received > 0.0, "{stage} received nothing");
    assert!((received - settled).abs() < 0.5, "{stage} received {received}, settled {settled}");
    for nothing in ["held_records", "lag_records", "law_violations_total", "client_recreations_total"] {
        assert!(of(nothing) < 0.5, "{stage}: {nothing} is {}", of(nothing));
    }
    let batches =
        |outcome| metrics.sum("tapeline_stage_batches_total", &[("stage", stage), ("outcome", outcome)]);
    assert!(batches("committed") > 0.0, "{stage} committed no transaction");
    assert!(batches("delivered") < 0.5, "{stage} delivered outside of a transaction");
}

fn commits(stage: &str, metrics: &Metrics) -> String {
    let (name, labels) = ("tapeline_stage_transaction_commit_ms", [("stage", stage)]);
    let (count, sum) =
        (metrics.sum(&format!("{name}_count"), &labels), metrics.sum(&format!("{name}_sum"), &labels));
    let at = |quantile| metrics.quantile(name, &labels, quantile).unwrap_or(f64::NAN);
    let aborted = metrics.sum("tapeline_stage_batches_total", &[("stage", stage), ("outcome", "aborted")]);
    format!(
        "{stage}: {count} transactions ({aborted} aborted), mean {:.1} ms, p50 at most {} ms, p99 at most {} ms",
        sum / count,
        at(0.5),
        at(0.99)
    )
}

/// The brokers' own word for it: each stage's id has a transaction that was committed.
fn assert_transactions_are_known_to_the_brokers(stack: &Stack) {
    let listed = stack.broker.tool("org.apache.kafka.tools.TransactionsCommand", &["list"]).unwrap();
    for id in TRANSACTIONAL_IDS {
        let line = listed.lines().find(|line| line.split_whitespace().next() == Some(id));
        assert!(line.is_some_and(|line| line.contains("CompleteCommit")), "{id}: {line:?} in\n{listed}");
    }
}

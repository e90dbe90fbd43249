//! The four services as processes on real Apache Kafka and a real registry, with transactions: a year of real day bars is replayed,
//! a service is restarted meanwhile, and the vectors equal those of `tapeline dev`.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use integration::{
    Binaries, Metrics, Process, Service, Stack, difference, free_port, read_all, real_parts_missing,
    run_to_end, vectors_of, wait_until,
};
use serde_json::Value;

/// A year of sessions in which two symbols trade, and a third one later with too few bars to be replayed.
const PERIOD: [&str; 4] = ["--from", "2011-07-01", "--to", "2012-06-29"];
/// The minimum number of vectors of that year, so that a comparison of two empty outputs does not pass.
const VECTORS_MIN: usize = 100;

/// A debug build on two shared cores takes a tenth of it.
const RUN_LIMIT: Duration = Duration::from_secs(300);

/// Each stage and its service.
const STAGES: [(&str, &str); 5] = [
    ("announcer", "publisher"),
    ("bridge", "scanner-bridge"),
    ("feature", "feature"),
    ("backfill-planner", "backfill"),
    ("backfill-executor", "backfill"),
];
/// The transactional ids of the stages.
const TRANSACTIONAL_IDS: [&str; 5] = [
    "tapeline.publisher.announcer-0",
    "tapeline.scanner-bridge-0",
    "tapeline.feature-0",
    "tapeline.backfill.planner-0",
    "tapeline.backfill.executor-0",
];

#[test]
fn year_on_real_kafka_with_a_restart_gives_the_vectors_of_dev() {
    if real_parts_missing() {
        return;
    }
    let (started, binaries) = (Instant::now(), Binaries::built().unwrap());
    let stack = Stack::start().unwrap();
    prepare_cluster(&binaries, &stack);
    print_progress(started, "cluster prepared");

    let expected = dev(&binaries, stack.folder());
    print_progress(started, &format!("{} vectors of dev", expected.len()));

    let edge = free_port().unwrap();
    let mut services = start_services(&binaries, &stack, edge);
    print_progress(started, "services ready");

    let run = Files::of(stack.folder(), "replay");
    let mut replay = replay(&binaries, &stack, edge, &run);
    restart_in_the_middle(&mut replay, service(&mut services, "feature"), &run.vectors, expected.len() / 2);
    print_progress(started, "feature restarted");
    let status = replay.wait(RUN_LIMIT).unwrap();
    print_progress(started, &replay.printed().unwrap());

    assert_eq!(status.code(), Some(0), "{}", replay.excerpt());
    let report = run.report();
    print_progress(started, &format!("{report:#}"));
    assert_in_order(&report);
    let vectors = vectors_of(&run.vectors).unwrap();
    let differences = difference(&expected, &vectors);
    assert!(differences.is_empty(), "dev first, real Kafka second:\n{}", differences.join("\n"));
    assert_topics_match_the_report(&run, &report, vectors.len());

    for (stage, name) in STAGES {
        let metrics = service(&mut services, name).metrics().unwrap();
        assert_stage_is_in_order(stage, &metrics);
        print_progress(started, &commits(stage, &metrics));
    }
    assert_transactions_are_known_to_the_brokers(&stack);
    for service in &mut services {
        let code = service.terminate().unwrap();
        assert_eq!(code, Some(0), "{} after SIGTERM: {}", service.name(), service.process().excerpt());
    }
    print_progress(started, "all services have exited");

    // A client of another party reads all topics too.
    if let Some(read) = read_all(&stack, &[]).unwrap() {
        print_progress(started, &read.printed);
        assert_eq!(read.code, Some(0), "{}", read.printed);
    }
}

/// Prints a line that is visible with `--nocapture` and when the test fails.
fn print_progress(started: Instant, what: &str) {
    println!("{:6.1} s  {what}", started.elapsed().as_secs_f64());
}

fn bars() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../data/bars")
}

/// The output files of a run.
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

/// Runs an operator's command, asserts that it succeeds, and returns its output.
fn succeed(binaries: &Binaries, log: &str, arguments: &[&str], folder: &Path) -> String {
    let mut command = binaries.command("tapeline");
    command.args(arguments);
    let ended = run_to_end(log, command, folder, RUN_LIMIT).unwrap();
    assert_eq!(ended.code, Some(0), "tapeline {}: {}", arguments.join(" "), ended.printed);
    ended.printed
}

/// Applies topics and schemas; a second application changes nothing.
fn prepare_cluster(binaries: &Binaries, stack: &Stack) {
    let (brokers, registry) = (stack.broker.address(), stack.registry.url());
    let apply = ["topics", "apply", "--replication", "1", "--brokers", &brokers];
    let first = succeed(binaries, "apply", &apply, stack.folder());
    assert!(first.contains("created") && !first.contains("unchanged"), "{first}");
    let second = succeed(binaries, "apply-again", &apply, stack.folder());
    assert!(second.contains("unchanged") && !second.contains("created"), "{second}");
    succeed(binaries, "register", &["schemas", "register", "--registry", &registry], stack.folder());
}

/// Runs the same market in one process on the embedded broker and returns its vectors.
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

/// Starts the four services with the default delivery, which uses transactions, and waits until they are ready.
fn start_services(binaries: &Binaries, stack: &Stack, edge: u16) -> Vec<Service> {
    let cluster = format!(
        "[kafka]\nbrokers = \"{}\"\n\n[registry]\nurl = \"{}\"\n",
        stack.broker.address(),
        stack.registry.url()
    );
    let layers =
        ["basic", "liquid", "catalyst", "active"].map(|layer| format!("{layer} = [\"market_data\"]\n"));
    // The folder contains every requested range: bars that the market publishes too are in the topic twice (ADR 003).
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

/// Stops the service with SIGTERM after half of the vectors, and starts it again during the replay.
fn restart_in_the_middle(replay: &mut Process, service: &mut Service, vectors: &Path, half: usize) {
    let lines = || std::fs::read_to_string(vectors).map_or(0, |text| text.lines().count());
    let in_time = wait_until(RUN_LIMIT, || lines() >= half || !matches!(replay.ended(), Ok(None)));
    assert!(in_time && lines() >= half, "{} of {half} vectors: {}", lines(), replay.excerpt());
    let code = service.terminate().unwrap();
    assert_eq!(code, Some(0), "{} after SIGTERM: {}", service.name(), service.process().excerpt());
    assert!(matches!(replay.ended(), Ok(None)), "the restart was not in the middle");
    service.restart().unwrap();
}

fn assert_in_order(report: &Value) {
    assert_eq!(report["ok"], true, "{report:#}");
    for count in ["lost", "doubled", "reordered"] {
        assert_eq!(report[count], 0, "{count}: {report:#}");
    }
}

/// Asserts that there are no other vectors than those in the file: each topic has as many records as reported, and none has a dead
/// letter.
fn assert_topics_match_the_report(run: &Files, report: &Value, vectors: usize) {
    for (topic, counted) in report["topics"].as_object().unwrap() {
        let path = run.topics.join(format!("{topic}.ndjson"));
        let lines = std::fs::read_to_string(&path).unwrap().lines().count();
        assert_eq!(counted["records"], lines, "{topic}");
        assert!(lines == 0 || !topic.contains("dead-letter"), "{topic} has {lines} records");
    }
    assert_eq!(report["topics"]["feature.vector.computed.v1"]["records"], vectors);
}

/// Asserts the stage's own counts: every record is resolved, none is held, no law is violated, and every batch was a transaction.
fn assert_stage_is_in_order(stage: &str, metrics: &Metrics) {
    let of = |name: &str| metrics.sum(&format!("tapeline_stage_{name}"), &[("stage", stage)]);
    let received = of("received_total");
    let resolved = of("emitted_total") + of("dropped_total") + of("rejected_total");
    assert!(received > 0.0, "{stage} received no record");
    assert!((received - resolved).abs() < 0.5, "{stage} received {received}, resolved {resolved}");
    for name in ["held_records", "lag_records", "law_violations_total", "client_recreations_total"] {
        assert!(of(name) < 0.5, "{stage}: {name} is {}", of(name));
    }
    let batches =
        |outcome| metrics.sum("tapeline_stage_batches_total", &[("stage", stage), ("outcome", outcome)]);
    assert!(batches("committed") > 0.0, "{stage} committed no transaction");
    assert!(batches("delivered") < 0.5, "{stage} delivered a batch without a transaction");
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

/// Asserts that the brokers list a committed transaction for each stage.
fn assert_transactions_are_known_to_the_brokers(stack: &Stack) {
    let listed = stack.broker.tool("org.apache.kafka.tools.TransactionsCommand", &["list"]).unwrap();
    for id in TRANSACTIONAL_IDS {
        let line = listed.lines().find(|line| line.split_whitespace().next() == Some(id));
        assert!(line.is_some_and(|line| line.contains("CompleteCommit")), "{id}: {line:?} in\n{listed}");
    }
}

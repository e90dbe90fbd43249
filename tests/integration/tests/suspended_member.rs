//! An instance that is suspended during a transaction while the group continues without it, on real Kafka. Each instance is a
//! process, so that its heartbeats are suspended too.
#![allow(clippy::unwrap_used, reason = "a failed step fails the test")]

mod stage;

use std::path::PathBuf;
use std::process::Command;

use integration::{Process, real_parts_missing, wait_until};
use kafka_io::{ClusterQuery, Hooks, KafkaConfig, TransactionStep};
use pipeline::Stop;
use stage::{Cluster, IN, OUT, PARTITIONS, Running, TIMEOUT, eventually, orders};

const GROUP: &str = "tapeline.test";
const GROUP_COMMAND: &str = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand";

/// Environment of the other process: the brokers, the step at which it is suspended, and its transaction timeout.
const BROKERS: &str = "TAPELINE_OTHER_BROKERS";
const STOPS: &str = "TAPELINE_OTHER_STOPS";
const TRANSACTION_MS: &str = "TAPELINE_OTHER_TRANSACTION_MS";

/// Longer than any of these tests: such a transaction is decided only by its owner.
const ENDLESS_MS: u32 = 600_000;
/// The shortest timeout that is valid with the drain budget and the commit timeout.
const SHORT_MS: u32 = 8_000;

#[test]
#[ignore = "the other process of the tests in this file, which start it"]
fn the_other_process() {
    let Some(brokers) = variable(BROKERS) else { return };
    let stops = match variable(STOPS).unwrap().as_str() {
        "sent" => TransactionStep::Sent,
        _ => TransactionStep::OffsetsSent,
    };
    let config = KafkaConfig {
        brokers,
        transaction_timeout_ms: variable(TRANSACTION_MS).unwrap().parse::<u32>().unwrap().into(),
        ..config()
    };
    let (suspended, mut has_stopped) = (config.clone(), false);
    let abort = Box::new(move |step: TransactionStep| {
        if step == stops && !has_stopped {
            has_stopped = true;
            suspend_with_outputs_in_the_log(&suspended);
        }
        false
    });
    let running = Running::start_as(&config, GROUP, IN, Hooks { abort, ..Hooks::default() }, |_| {});
    // Until it is killed.
    panic!("{:?}", running.thread.join());
}

/// Suspends this process once its outputs are in the log; it continues at this point after SIGCONT.
fn suspend_with_outputs_in_the_log(config: &KafkaConfig) {
    let query = ClusterQuery::new(config).unwrap();
    let has_outputs = || query.watermarks(OUT).unwrap().iter().any(|ends| ends.high > 0);
    assert!(wait_until(TIMEOUT, has_outputs), "no output was produced");
    Command::new("kill").args(["-STOP", &std::process::id().to_string()]).status().unwrap();
}

#[expect(clippy::disallowed_methods, reason = "the arguments of a process that a test starts")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Drains and commits are short, since the transaction timeout must exceed them.
fn config() -> KafkaConfig {
    let defaults = KafkaConfig::default();
    KafkaConfig {
        partitions: PARTITIONS,
        session_timeout_ms: 6_000.into(),
        drain_budget_ms: 2_000.into(),
        linger_ms: 0.into(),
        ..defaults
    }
}

/// A cluster, and an instance that is suspended in its first transaction.
struct Group {
    cluster: Cluster,
    other: Process,
    written: Vec<(i32, String)>,
}

impl Group {
    fn stopped(step: &str, transaction_ms: u32) -> Self {
        let cluster = Cluster::start().with_topics();
        let written = orders("emit", 0, 40);
        cluster.write(IN, &written);
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["the_other_process", "--exact", "--ignored", "--nocapture"]);
        command.env(BROKERS, &cluster.config.brokers).env(STOPS, step);
        command.env(TRANSACTION_MS, transaction_ms.to_string());
        let mut other = Process::start("other", command, cluster.folder()).unwrap();
        let state = PathBuf::from(format!("/proc/{}/stat", other.id()));
        // The state follows the name, which is in brackets.
        let is_stopped = || std::fs::read_to_string(&state).is_ok_and(|stat| stat.contains(") T "));
        other.wait_until_ready(TIMEOUT, is_stopped).unwrap();
        Self { cluster, other, written }
    }

    /// Starts an instance that takes over.
    fn successor(&self) -> Running {
        let config = KafkaConfig { brokers: self.cluster.config.brokers.clone(), ordinal: 1, ..config() };
        Running::start(&config, GROUP)
    }

    /// Waits until the brokers report one member with all partitions.
    fn wait_for_takeover(&self) {
        let describe = ["--describe", "--members", "--group", GROUP];
        eventually("the successor is the only member and has all partitions", || {
            let members = self.cluster.broker.tool(GROUP_COMMAND, &describe).unwrap_or_default();
            let of_group: Vec<&str> = members.lines().filter(|line| line.starts_with(GROUP)).collect();
            of_group.len() == 1 && of_group[0].split_whitespace().any(|word| word == PARTITIONS.to_string())
        });
    }

    /// Resumes the suspended instance and waits until both share the partitions.
    fn resume(&mut self, successor: &Running) {
        self.other.signal("CONT").unwrap();
        let other = &mut self.other;
        eventually("both share the partitions", || {
            assert!(matches!(other.ended(), Ok(None)), "{}", other.excerpt());
            successor.partitions() == 2
        });
    }

    /// Writes more records and asserts that each one has one output.
    fn assert_exactly_once(mut self, successor: Running) {
        let more = orders("emit", 40, 80);
        self.cluster.write(IN, &more);
        self.written.extend(more);
        eventually("all records are committed", || {
            self.cluster
                .committed(GROUP)
                .into_iter()
                .zip(self.cluster.ends(IN))
                .all(|(at, end)| at == Some(end))
        });
        let violations = successor.counts.latest().violations;
        assert_eq!((successor.stop(), violations), (Stop::Drained, 0));
        let (mut found, mut expected) = (self.cluster.texts(OUT), self.written);
        found.sort();
        expected.sort_by(|(_, a), (_, b)| a.cmp(b));
        assert!(found.iter().eq(expected.iter().map(|(_, text)| text)), "{found:?}");
    }
}

#[test]
fn partition_waits_for_the_decision_of_an_open_transaction() {
    if real_parts_missing() {
        return;
    }
    let mut group = Group::stopped("offsets sent", ENDLESS_MS);
    let successor = group.successor();
    group.wait_for_takeover();
    let status = successor.counts.latest();
    assert_eq!((status.counts.received, status.partitions), (0, 0), "it started at undecided offsets");
    // The decision: the suspended instance continues and commits.
    group.resume(&successor);
    group.assert_exactly_once(successor);
}

#[test]
fn abandoned_transaction_is_aborted_and_its_records_redelivered() {
    if real_parts_missing() {
        return;
    }
    let group = Group::stopped("offsets sent", SHORT_MS);
    group.other.signal("KILL").unwrap();
    let successor = group.successor();
    // The aborted transaction has no effect.
    eventually("the successor has emitted all", || successor.emitted() == 40);
    group.assert_exactly_once(successor);
}

#[test]
fn expired_member_is_fenced_without_loss_or_duplicates() {
    if real_parts_missing() {
        return;
    }
    let mut group = Group::stopped("sent", ENDLESS_MS);
    let successor = group.successor();
    // Its outputs are in the log with their transaction open, and its offsets are in no transaction: the successor processes the
    // same records.
    eventually("the successor has emitted all", || successor.emitted() == 40);
    group.resume(&successor);
    group.assert_exactly_once(successor);
}

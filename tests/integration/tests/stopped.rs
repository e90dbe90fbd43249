//! An instance that stands still in the middle of a transaction while the group goes on without it. On real Kafka, each instance a
//! process of its own: it is stopped as a whole, its heartbeats too.
#![allow(clippy::unwrap_used, reason = "a test that can't go on fails")]

mod desk;

use std::path::PathBuf;
use std::process::Command;

use desk::{Cluster, IN, OUT, PARTITIONS, PATIENCE, Running, eventually, orders};
use integration::{Process, real_parts_missing, wait_until};
use kafka_io::{ClusterQuery, Hooks, KafkaConfig, TransactionStep};
use pipeline::Stop;

const GROUP: &str = "tapeline.desk";
const GROUP_COMMAND: &str = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand";

/// What the other process is told: the brokers, where it stops, and how long its transactions may take.
const BROKERS: &str = "TAPELINE_OTHER_BROKERS";
const STOPS: &str = "TAPELINE_OTHER_STOPS";
const TRANSACTION_MS: &str = "TAPELINE_OTHER_TRANSACTION_MS";

/// Longer than any of these tests: nobody but the one who began it decides such a transaction.
const ENDLESS_MS: u32 = 600_000;
/// The shortest that leaves room for a drain and a commit.
const SHORT_MS: u32 = 8_000;

#[test]
#[ignore = "the other process of the tests beside it, which start it"]
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
    let (asked, mut has_stopped) = (config.clone(), false);
    let abort = Box::new(move |step: TransactionStep| {
        if step == stops && !has_stopped {
            has_stopped = true;
            stop_with_outputs_in_the_log(&asked);
        }
        false
    });
    let running = Running::start_as(&config, GROUP, IN, Hooks { abort, ..Hooks::default() }, |_| {});
    // Until it is killed.
    panic!("{:?}", running.thread.join());
}

/// Stops this process, and goes on behind it when it is told to.
fn stop_with_outputs_in_the_log(config: &KafkaConfig) {
    let inquirer = ClusterQuery::new(config).unwrap();
    let has_outputs = || inquirer.watermarks(OUT).unwrap().iter().any(|ends| ends.high > 0);
    assert!(wait_until(PATIENCE, has_outputs), "nothing was produced");
    Command::new("kill").args(["-STOP", &std::process::id().to_string()]).status().unwrap();
}

#[expect(clippy::disallowed_methods, reason = "what a test tells the process that it starts")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Drains and commits are short, so that a transaction may be.
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

/// A cluster, and an instance that has stopped in its first transaction.
struct Scene {
    cluster: Cluster,
    other: Process,
    written: Vec<(i32, String)>,
}

impl Scene {
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
        // The state stands behind the name, which is in brackets.
        let is_stopped = || std::fs::read_to_string(&state).is_ok_and(|stat| stat.contains(") T "));
        other.wait_until_ready(PATIENCE, is_stopped).unwrap();
        Self { cluster, other, written }
    }

    /// An instance that takes over.
    fn heir(&self) -> Running {
        let config = KafkaConfig { brokers: self.cluster.config.brokers.clone(), ordinal: 1, ..config() };
        Running::start(&config, GROUP)
    }

    /// Waits for the group's own word that one member is left and has all partitions.
    fn wait_for_takeover(&self) {
        let describe = ["--describe", "--members", "--group", GROUP];
        eventually("the heir is alone and has all", || {
            let members = self.cluster.broker.tool(GROUP_COMMAND, &describe).unwrap_or_default();
            let of_group: Vec<&str> = members.lines().filter(|line| line.starts_with(GROUP)).collect();
            of_group.len() == 1 && of_group[0].split_whitespace().any(|word| word == PARTITIONS.to_string())
        });
    }

    /// The one that had stopped goes on, and both share.
    fn goes_on(&mut self, heir: &Running) {
        self.other.signal("CONT").unwrap();
        let other = &mut self.other;
        eventually("both share", || {
            assert!(matches!(other.ended(), Ok(None)), "{}", other.excerpt());
            heir.partitions() == 2
        });
    }

    /// More comes, and everything was done once.
    fn ends_well(mut self, heir: Running) {
        let more = orders("emit", 40, 80);
        self.cluster.write(IN, &more);
        self.written.extend(more);
        eventually("all is committed", || {
            self.cluster
                .committed(GROUP)
                .into_iter()
                .zip(self.cluster.ends(IN))
                .all(|(at, end)| at == Some(end))
        });
        let violations = heir.counts.latest().violations;
        assert_eq!((heir.stop(), violations), (Stop::Drained, 0));
        let (mut found, mut expected) = (self.cluster.texts(OUT), self.written);
        found.sort();
        expected.sort_by(|(_, a), (_, b)| a.cmp(b));
        assert!(found.iter().eq(expected.iter().map(|(_, text)| text)), "{found:?}");
    }
}

#[test]
fn a_partition_that_moves_while_a_transaction_is_undecided_waits_for_the_decision() {
    if real_parts_missing() {
        return;
    }
    let mut scene = Scene::stopped("offsets sent", ENDLESS_MS);
    let heir = scene.heir();
    scene.wait_for_takeover();
    let seen = heir.counts.latest();
    assert_eq!((seen.counts.received, seen.partitions), (0, 0), "it began at offsets that may change");
    // The decision: what has stopped goes on, and commits.
    scene.goes_on(&heir);
    scene.ends_well(heir);
}

#[test]
fn a_transaction_that_its_owner_leaves_undecided_is_aborted_by_the_brokers_and_done_again() {
    if real_parts_missing() {
        return;
    }
    let scene = Scene::stopped("offsets sent", SHORT_MS);
    scene.other.signal("KILL").unwrap();
    let heir = scene.heir();
    // Nothing of what was in the transaction counts.
    eventually("the heir has done all", || heir.emitted() == 40);
    scene.ends_well(heir);
}

#[test]
fn who_was_stopped_past_its_session_is_refused_by_the_generation_and_nothing_is_lost_or_doubled() {
    if real_parts_missing() {
        return;
    }
    let mut scene = Scene::stopped("sent", ENDLESS_MS);
    let heir = scene.heir();
    // Its outputs lie open in the log, its offsets are in no transaction: the heir does the same work.
    eventually("the heir has done all", || heir.emitted() == 40);
    scene.goes_on(&heir);
    scene.ends_well(heir);
}

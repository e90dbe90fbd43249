//! Three real brokers as processes. Each is also a controller, and has a second listener for clients that connect through a proxy.

use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use integration::{Process, cluster_metadata, free_port, script, wait_until};

use crate::plan::BROKERS;
use crate::proxy::Proxy;
use crate::signals;

/// For a start during a full build on two cores.
const START_LIMIT: Duration = Duration::from_secs(180);
/// Maximum time until replicas of a restarted broker are in sync.
const SYNC_LIMIT: Duration = Duration::from_secs(300);
const STOP_LIMIT: Duration = Duration::from_secs(60);

/// The differences from a single broker: replication factor 3, and short timeouts for the detection of failures.
const SETTINGS: &[&str] = &[
    "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,PROXIED:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "default.replication.factor=3",
    "min.insync.replicas=2",
    "offsets.topic.replication.factor=3",
    "transaction.state.log.replication.factor=3",
    "transaction.state.log.min.isr=2",
    "share.coordinator.state.topic.replication.factor=3",
    "share.coordinator.state.topic.min.isr=2",
    "broker.heartbeat.interval.ms=1000",
    "broker.session.timeout.ms=6000",
    "transaction.abort.timed.out.transaction.cleanup.interval.ms=1000",
    "auto.leader.rebalance.enable=false",
    "num.recovery.threads.per.data.dir=2",
    "log.segment.bytes=67108864",
];

#[derive(Debug)]
pub struct Cluster {
    nodes: Vec<Node>,
    folder: PathBuf,
}

#[derive(Debug)]
struct Node {
    /// The port for brokers and for clients without a proxy.
    direct: u16,
    /// The port that the proxy connects to.
    proxied_listener: u16,
    controller: u16,
    proxy: Proxy,
    process: Option<Process>,
}

// === impl Cluster ===

impl Cluster {
    /// Starts all brokers with their data and logs in `folder` and waits until each one reports all of them.
    ///
    /// # Errors
    /// A broker is not ready in time; the error contains the end of its log.
    pub fn start(folder: &Path) -> io::Result<Self> {
        let node = || {
            let proxied_listener = free_port()?;
            Ok(Node {
                direct: free_port()?,
                proxied_listener,
                controller: free_port()?,
                proxy: Proxy::start(proxied_listener)?,
                process: None,
            })
        };
        let nodes = (0..BROKERS).map(|_| node()).collect::<io::Result<_>>()?;
        let mut cluster = Self { nodes, folder: folder.to_owned() };
        for broker in 0..BROKERS {
            cluster.run(broker)?;
        }
        for broker in 0..BROKERS {
            cluster.wait_until_joined(broker)?;
        }
        Ok(cluster)
    }

    /// Returns the bootstrap servers without proxies.
    #[must_use]
    pub fn direct(&self) -> String {
        addresses(self.nodes.iter().map(|node| node.direct))
    }

    /// Returns the bootstrap servers through the proxies.
    #[must_use]
    pub fn proxied(&self) -> String {
        addresses(self.nodes.iter().map(|node| node.proxy.port()))
    }

    /// Returns the proxy of a broker.
    #[must_use]
    pub fn proxy(&self, broker: usize) -> &Proxy {
        &self.nodes[broker].proxy
    }

    /// Stops a broker: by SIGTERM, on which it transfers its leaderships, or by SIGKILL.
    ///
    /// # Errors
    /// Another broker is down or not in sync, so that this would be a second outage; or the broker does not exit.
    pub fn end(&mut self, broker: usize, signal: &str) -> io::Result<()> {
        self.wait_in_sync()?;
        let Some(mut process) = self.nodes[broker].process.take() else {
            return Err(io::Error::other(format!("broker {} is already down", broker + 1)));
        };
        process.signal(signal)?;
        process.wait(STOP_LIMIT)?;
        Ok(())
    }

    /// Starts a stopped broker and waits until every replica is in sync.
    ///
    /// # Errors
    /// It is not ready in time.
    pub fn restart_stopped(&mut self, broker: usize) -> io::Result<()> {
        self.run(broker)?;
        self.wait_until_joined(broker)?;
        self.wait_in_sync()
    }

    /// Returns the broker that leads a partition.
    ///
    /// # Errors
    /// No broker responds, or the partition has no leader.
    pub fn leader_of(&self, topic: &str, number: i32) -> io::Result<usize> {
        let metadata = self.metadata()?;
        let found = metadata.partitions.iter().find(|it| it.topic == topic && it.number == number);
        found
            .and_then(|partition| usize::try_from(partition.leader - 1).ok())
            .filter(|broker| *broker < BROKERS)
            .ok_or_else(|| io::Error::other(format!("{topic}[{number}] has no leader")))
    }

    /// Returns the number of partitions of a topic.
    ///
    /// # Errors
    /// No broker responds.
    pub fn partitions_of(&self, topic: &str) -> io::Result<i32> {
        let metadata = self.metadata()?;
        let count = metadata.partitions.iter().filter(|partition| partition.topic == topic).count();
        Ok(i32::try_from(count).unwrap_or(i32::MAX))
    }

    /// Elects the preferred leader of every partition and returns the number of partitions whose leader changed.
    ///
    /// # Errors
    /// Kafka's command fails.
    pub fn elect_preferred(&self) -> io::Result<usize> {
        let before = self.metadata()?.partitions;
        let mut command = Command::new(script("kafka"));
        command.args(["tool", "org.apache.kafka.tools.LeaderElectionCommand"]);
        command.args(["--bootstrap-server", &self.direct()]);
        let output = command.args(["--election-type", "PREFERRED", "--all-topic-partitions"]).output()?;
        if !output.status.success() {
            let text = String::from_utf8_lossy(&output.stderr).into_owned();
            return Err(io::Error::other(format!("the election failed: {text}")));
        }
        let after = self.metadata()?.partitions;
        let leader_before = |topic: &str, number: i32| {
            before.iter().find(|it| it.topic == topic && it.number == number).map(|it| it.leader)
        };
        Ok(after.iter().filter(|it| leader_before(&it.topic, it.number) != Some(it.leader)).count())
    }

    /// Waits until every broker runs and every partition has all its replicas in sync.
    ///
    /// # Errors
    /// The timeout is exceeded.
    pub fn wait_in_sync(&self) -> io::Result<()> {
        let is_in_sync = || {
            self.nodes.iter().all(|node| node.process.is_some())
                && self.metadata().is_ok_and(|metadata| {
                    metadata.brokers.len() == BROKERS
                        && metadata.partitions.iter().all(|it| it.in_sync.len() == it.replicas.len())
                })
        };
        if wait_until(SYNC_LIMIT, is_in_sync) {
            return Ok(());
        }
        Err(io::Error::new(io::ErrorKind::TimedOut, format!("replicas not in sync within {SYNC_LIMIT:?}")))
    }

    /// Returns the metadata from the first broker that responds.
    fn metadata(&self) -> io::Result<cluster_metadata::Metadata> {
        let running = self.nodes.iter().filter(|node| node.process.is_some());
        let mut last_error = io::Error::other("no broker is running");
        for node in running {
            match cluster_metadata::fetch(node.direct) {
                Ok(metadata) => return Ok(metadata),
                Err(error) => last_error = error,
            }
        }
        Err(last_error)
    }

    fn run(&mut self, broker: usize) -> io::Result<()> {
        signals::check_not_interrupted()?;
        let voters: Vec<String> =
            (1..).zip(&self.nodes).map(|(id, node)| format!("{id}@127.0.0.1:{}", node.controller)).collect();
        let node = &mut self.nodes[broker];
        let name = format!("kafka-{}", broker + 1);
        let mut command = Command::new(script("kafka"));
        command.process_group(0).arg("run").arg("--data").arg(self.folder.join(&name));
        command.arg("--port").arg(node.direct.to_string());
        command.arg("--controller-port").arg(node.controller.to_string());
        let own = [
            format!("node.id={}", broker + 1),
            format!("controller.quorum.voters={}", voters.join(",")),
            format!(
                "listeners=PLAINTEXT://127.0.0.1:{},PROXIED://127.0.0.1:{},CONTROLLER://127.0.0.1:{}",
                node.direct, node.proxied_listener, node.controller
            ),
            format!(
                "advertised.listeners=PLAINTEXT://127.0.0.1:{},PROXIED://127.0.0.1:{}",
                node.direct,
                node.proxy.port()
            ),
        ];
        for settings in own.iter().map(String::as_str).chain(SETTINGS.iter().copied()) {
            command.args(["--set", settings]);
        }
        node.process = Some(Process::start(&name, command, &self.folder)?);
        Ok(())
    }

    fn wait_until_joined(&mut self, broker: usize) -> io::Result<()> {
        let Node { direct, process, .. } = &mut self.nodes[broker];
        let address = format!("127.0.0.1:{direct}");
        let is_known = || {
            cluster_metadata::fetch(*direct)
                .is_ok_and(|it| it.brokers.len() == BROKERS && it.brokers.contains(&address))
        };
        match process {
            Some(process) => process.wait_until_ready(START_LIMIT, is_known),
            None => Err(io::Error::other(format!("broker {} is down", broker + 1))),
        }
    }
}

fn addresses(ports: impl Iterator<Item = u16>) -> String {
    ports.map(|port| format!("127.0.0.1:{port}")).collect::<Vec<_>>().join(",")
}

/// Returns the partition of the internal topic whose leader is the coordinator of a group or transactional id: the hash of a Java
/// string without its sign, modulo the topic's partitions (`Utils.abs` in Kafka's sources).
#[must_use]
pub fn coordinating_partition(id: &str, partitions: i32) -> i32 {
    let hash = id.encode_utf16().fold(0_i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(unit.into()));
    (hash & i32::MAX) % partitions.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coordinator_hash_equals_the_hash_of_java_strings() {
        // "hello".hashCode() is 99162322, "polygenelubricants".hashCode() is Integer.MIN_VALUE.
        assert_eq!(coordinating_partition("hello", 1_000), 322);
        assert_eq!(coordinating_partition("polygenelubricants", 50), 0);
    }
}

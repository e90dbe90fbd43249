//! The project of docker-compose.yml, brought up once for all tests of this process, and what an operator does with it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use integration::{Ended, run_to_end, wait_until};
use kafka_io::KafkaConfig;
use serde_json::Value;
use tempfile::TempDir;

/// A name of its own, so that a project that somebody runs from the same file stays as it is.
const PROJECT: &str = "tapeline-test";
/// The project's network.
pub(crate) const NETWORK: &str = "tapeline-test_default";

/// The services that stay up; the others of the file run once, or by a profile.
pub(crate) const SERVICES: [&str; 4] = ["publisher", "scanner-bridge", "feature", "backfill"];
pub(crate) const BROKERS: [&str; 3] = ["kafka-1", "kafka-2", "kafka-3"];

/// Everything from nothing, three JVMs and a fourth among it, on two busy cores.
const UP_LIMIT: Duration = Duration::from_secs(400);
const COMMAND_LIMIT: Duration = Duration::from_secs(200);
const REST_LIMIT: Duration = Duration::from_secs(240);

/// What the registry of the file serves its API under, as this machine sees it.
pub(crate) const REGISTRY_PORT: u16 = 8_081;
pub(crate) const REGISTRY_API: &str = "/apis/ccompat/v7";
pub(crate) const EDGE_PORT: u16 = 8_080;

/// A project that runs.
pub(crate) struct Cluster {
    folder: TempDir,
    version: String,
}

/// The cluster, whole and for this test alone. The first test brings it up; each later one mends what an earlier one left.
pub(crate) fn cluster() -> MutexGuard<'static, Cluster> {
    static CLUSTER: OnceLock<Mutex<Cluster>> = OnceLock::new();
    let made = CLUSTER.get_or_init(|| {
        let cluster = Cluster::new();
        cluster.tell("up", || cluster.compose(&["up", "--detach", "--wait"], UP_LIMIT).expect(0));
        Mutex::new(cluster)
    });
    // A test that failed left its words; the cluster is mended all the same.
    let cluster = made.lock().unwrap_or_else(PoisonError::into_inner);
    cluster.mend();
    cluster
}

/// What a command printed, if it ended so.
pub(crate) trait Expected {
    fn expect(self, code: i32) -> String;
}

impl Expected for Ended {
    fn expect(self, code: i32) -> String {
        assert_eq!(self.code, Some(code), "{}", self.printed);
        self.printed
    }
}

impl Cluster {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        // The images' user has no name here, and writes its reports there.
        run("chmod", Command::new("chmod"), &["777", text(folder.path())], &folder, COMMAND_LIMIT).expect(0);
        Self { folder, version: env!("CARGO_PKG_VERSION").to_owned() }
    }

    /// Where commands leave their files; `/out` in their containers.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn compose(&self, arguments: &[&str], limit: Duration) -> Ended {
        let mut command = Command::new(root().join(".ci/compose"));
        command.current_dir(root()).args(["--project-name", PROJECT, "--file", "docker-compose.yml"]);
        run("compose", command, arguments, &self.folder, limit)
    }

    /// `docker compose …`, which must succeed.
    pub(crate) fn does(&self, arguments: &[&str]) -> String {
        self.compose(arguments, COMMAND_LIMIT).expect(0)
    }

    /// Waits until these are up and healthy, started where they aren't, with one instance each.
    pub(crate) fn wait_for(&self, services: &[&str]) {
        self.does(&[&["up", "--detach", "--wait", "--no-deps"], services].concat());
    }

    fn mend(&self) {
        self.wait_for(&BROKERS);
        self.wait_for(&[&["registry"][..], &SERVICES].concat());
    }

    /// `docker …`, which must succeed.
    pub(crate) fn docker(&self, arguments: &[&str]) -> String {
        run("docker", Command::new("docker"), arguments, &self.folder, COMMAND_LIMIT).expect(0)
    }

    /// The exit code of `docker …`.
    pub(crate) fn tries(&self, arguments: &[&str]) -> Option<i32> {
        run("docker", Command::new("docker"), arguments, &self.folder, COMMAND_LIMIT).code
    }

    /// The containers of a service, also those that have ended.
    pub(crate) fn containers(&self, service: &str) -> Vec<String> {
        self.does(&["ps", "--all", "--quiet", service]).lines().map(str::to_owned).collect()
    }

    /// The image of a program of ours.
    pub(crate) fn image(&self, name: &str) -> String {
        format!("tapeline/{name}:{}", self.version)
    }

    /// The operator's command, in a container beside the others; the bars are in `/bars`.
    pub(crate) fn tapeline(&self, arguments: &str) -> Ended {
        let mut command = Command::new("docker");
        command.args(["run", "--rm", "--read-only", "--network", NETWORK]);
        command.args(["--env", "TAPELINE__KAFKA__BROKERS=kafka-1:19092,kafka-2:19092,kafka-3:19092"]);
        command.args(["--env", &format!("TAPELINE__REGISTRY__URL=http://registry:8080{REGISTRY_API}")]);
        command.arg("--volume").arg(format!("{}:/out", self.folder().display()));
        command.arg("--volume").arg(format!("{}:/bars:ro", root().join("tests/data/bars").display()));
        command.arg(self.image("tapeline"));
        let arguments: Vec<&str> = arguments.split(' ').collect();
        run("tapeline", command, &arguments, &self.folder, REST_LIMIT)
    }

    /// How many records the groups are behind; none when the cluster can't be asked now.
    fn behind(&self) -> Option<i64> {
        let lag = self.tapeline("lag --json");
        let lag: Value = serde_json::from_str(lag.printed.get(lag.printed.find('{')?..)?).ok()?;
        lag["records"].as_i64()
    }

    /// Waits until every group has passed every record.
    pub(crate) fn wait_for_rest(&self) {
        let mut last = None;
        let at_rest = wait_until(REST_LIMIT, || {
            last = self.behind();
            last == Some(0)
        });
        assert!(at_rest, "{last:?} records behind after {REST_LIMIT:?}\n{}", self.logs());
    }

    /// At rest, `verify` has nothing to say; gives what it counted.
    pub(crate) fn verified(&self) -> Value {
        self.wait_for_rest();
        let said = self.tapeline("verify --json");
        assert_eq!(said.code, Some(0), "{}\n{}", said.printed, self.logs());
        let report: Value = serde_json::from_str(&said.printed).unwrap();
        assert_eq!(
            (&report["ok"], &report["at_rest"]),
            (&Value::from(true), &Value::from(true)),
            "{report:#}"
        );
        report
    }

    /// The end of what everybody logged.
    pub(crate) fn logs(&self) -> String {
        self.compose(&["logs", "--tail", "40", "--no-color"], COMMAND_LIMIT).printed
    }

    /// Does something, and says how long it took.
    pub(crate) fn tell<T>(&self, what: &str, act: impl FnOnce() -> T) -> T {
        let begun = Instant::now();
        let done = act();
        println!("{what}: {:.1} s", begun.elapsed().as_secs_f64());
        done
    }
}

/// The brokers of the file, as this machine reaches them.
pub(crate) fn kafka() -> KafkaConfig {
    let brokers = "127.0.0.1:9092,127.0.0.1:9094,127.0.0.1:9096".to_owned();
    KafkaConfig { brokers, ..KafkaConfig::default() }
}

fn run(name: &str, mut command: Command, arguments: &[&str], folder: &TempDir, limit: Duration) -> Ended {
    command.args(arguments);
    // A log of its own each time: what it prints is read from there.
    let log = tempfile::tempdir_in(folder.path()).unwrap();
    run_to_end(name, command, log.path(), limit).unwrap()
}

pub(crate) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

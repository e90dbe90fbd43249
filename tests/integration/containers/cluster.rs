//! The project of docker-compose.yml, started once for all tests of this process, and the operator's commands on it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use integration::{Ended, run_to_end, wait_until};
use kafka_io::KafkaConfig;
use serde_json::Value;
use tempfile::TempDir;

/// A separate name, so that a running project of the same file is not affected.
const PROJECT: &str = "tapeline-test";
/// The project's network.
pub(crate) const NETWORK: &str = "tapeline-test_default";

/// The services that run permanently; the others of the file run once, or by a profile.
pub(crate) const SERVICES: [&str; 4] = ["publisher", "scanner-bridge", "feature", "backfill"];
pub(crate) const BROKERS: [&str; 3] = ["kafka-1", "kafka-2", "kafka-3"];

/// For a complete start with four JVMs on two busy cores.
const UP_LIMIT: Duration = Duration::from_secs(400);
const COMMAND_LIMIT: Duration = Duration::from_secs(200);
pub(crate) const REST_LIMIT: Duration = Duration::from_secs(240);

/// The address of the file's registry on this machine.
pub(crate) const REGISTRY_PORT: u16 = 8_081;
pub(crate) const REGISTRY_API: &str = "/apis/ccompat/v7";
pub(crate) const EDGE_PORT: u16 = 8_080;

/// A running project.
pub(crate) struct Cluster {
    folder: TempDir,
    version: String,
}

/// Returns exclusive access to the whole cluster. The first test starts it; each later one restarts what an earlier one stopped.
pub(crate) fn cluster() -> MutexGuard<'static, Cluster> {
    static CLUSTER: OnceLock<Mutex<Cluster>> = OnceLock::new();
    let shared = CLUSTER.get_or_init(|| {
        let cluster = Cluster::new();
        cluster.timed("up", || cluster.compose(&["up", "--detach", "--wait"], UP_LIMIT).expect(0));
        Mutex::new(cluster)
    });
    // A test may have failed with the lock; the cluster is repaired in any case.
    let cluster = shared.lock().unwrap_or_else(PoisonError::into_inner);
    cluster.repair();
    cluster
}

/// Asserts the exit code of a program and returns its output.
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
        // The user of the images has no name here, and writes its reports to the folder.
        run("chmod", Command::new("chmod"), &["777", text(folder.path())], &folder, COMMAND_LIMIT).expect(0);
        Self { folder, version: env!("CARGO_PKG_VERSION").to_owned() }
    }

    /// Returns the folder of the commands' output files; `/out` in their containers.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn compose(&self, arguments: &[&str], limit: Duration) -> Ended {
        let mut command = Command::new(root().join(".ci/compose"));
        command.current_dir(root()).args(["--project-name", PROJECT, "--file", "docker-compose.yml"]);
        // As deploy/compose/ledger.env.
        command.args(["--profile", "ledger"]).env("BACKFILL_LEDGER", "postgres");
        run("compose", command, arguments, &self.folder, limit)
    }

    /// Runs `docker compose …` and asserts that it succeeds.
    pub(crate) fn run(&self, arguments: &[&str]) -> String {
        self.compose(arguments, COMMAND_LIMIT).expect(0)
    }

    /// Waits until these services are healthy, with one instance each; stopped ones are started.
    pub(crate) fn wait_for(&self, services: &[&str]) {
        self.run(&[&["up", "--detach", "--wait", "--no-deps"], services].concat());
    }

    fn repair(&self) {
        self.wait_for(&BROKERS);
        self.wait_for(&[&["registry"][..], &SERVICES].concat());
    }

    /// Runs `docker …` and asserts that it succeeds.
    pub(crate) fn docker(&self, arguments: &[&str]) -> String {
        run("docker", Command::new("docker"), arguments, &self.folder, COMMAND_LIMIT).expect(0)
    }

    /// Returns the exit code of `docker …`.
    pub(crate) fn exit_code(&self, arguments: &[&str]) -> Option<i32> {
        run("docker", Command::new("docker"), arguments, &self.folder, COMMAND_LIMIT).code
    }

    /// Returns the containers of a service, exited ones too.
    pub(crate) fn containers(&self, service: &str) -> Vec<String> {
        self.run(&["ps", "--all", "--quiet", service]).lines().map(str::to_owned).collect()
    }

    /// Returns the image of a program.
    pub(crate) fn image(&self, name: &str) -> String {
        format!("tapeline/{name}:{}", self.version)
    }

    /// Runs an operator's command in a container; the bars are in `/bars`.
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

    /// Returns the lag of all groups in records. `None` if it cannot be read now.
    fn lag(&self) -> Option<i64> {
        let lag = self.tapeline("lag --json");
        let lag: Value = serde_json::from_str(lag.printed.get(lag.printed.find('{')?..)?).ok()?;
        lag["records"].as_i64()
    }

    /// Waits until no group has lag.
    pub(crate) fn wait_for_rest(&self) {
        let mut last = None;
        let at_rest = wait_until(REST_LIMIT, || {
            last = self.lag();
            last == Some(0)
        });
        assert!(at_rest, "lag of {last:?} records after {REST_LIMIT:?}\n{}", self.logs());
    }

    /// Waits until there is no lag, asserts that `verify` finds no difference, and returns its report.
    pub(crate) fn verified(&self) -> Value {
        self.wait_for_rest();
        let ended = self.tapeline("verify --json");
        assert_eq!(ended.code, Some(0), "{}\n{}", ended.printed, self.logs());
        let report: Value = serde_json::from_str(&ended.printed).unwrap();
        assert_eq!(
            (&report["ok"], &report["at_rest"]),
            (&Value::from(true), &Value::from(true)),
            "{report:#}"
        );
        report
    }

    /// Returns the end of all logs.
    pub(crate) fn logs(&self) -> String {
        self.compose(&["logs", "--tail", "40", "--no-color"], COMMAND_LIMIT).printed
    }

    /// Prints the duration of an action.
    pub(crate) fn timed<T>(&self, what: &str, act: impl FnOnce() -> T) -> T {
        let started = Instant::now();
        let done = act();
        println!("{what}: {:.1} s", started.elapsed().as_secs_f64());
        done
    }
}

/// Returns the brokers' addresses on this machine.
pub(crate) fn kafka() -> KafkaConfig {
    let brokers = "127.0.0.1:9092,127.0.0.1:9094,127.0.0.1:9096".to_owned();
    KafkaConfig { brokers, ..KafkaConfig::default() }
}

fn run(name: &str, mut command: Command, arguments: &[&str], folder: &TempDir, limit: Duration) -> Ended {
    command.args(arguments);
    // A separate log for each run, since the output is read from it.
    let log = tempfile::tempdir_in(folder.path()).unwrap();
    run_to_end(name, command, log.path(), limit).unwrap()
}

pub(crate) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

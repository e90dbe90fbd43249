//! A whole process: configuration, admin server, signals, drain and exit code, as a child of the test.
//!
//! The child is this test binary again, running [`child`] alone, which does nothing unless it is told to.

#![expect(clippy::unwrap_used, reason = "a test that can't go on fails")]

use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::process::{Child, ChildStderr, Command, Stdio};

use chassis::config::{ErrorCollector, Validate};
use chassis::run::Process;
use chassis::telemetry::Catalogue;
use chassis::{Context, Exit, Failure, Fate, Service};
use serde::{Deserialize, Serialize};

struct Demo;

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
struct Config {
    process: Process,
    on_shutdown: OnShutdown,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum OnShutdown {
    #[default]
    Drain,
    Fail,
    Hang,
}

impl Validate for Config {
    fn validate(&self, errors: &mut ErrorCollector) {
        errors.nest("process", &self.process);
    }
}

impl Service for Demo {
    const NAME: &'static str = "demo";
    const VERSION: &'static str = "0.0.1";
    type Config = Config;
    type Running = ();

    fn catalogue() -> Catalogue {
        Catalogue::new()
    }

    fn process(config: &Config) -> &Process {
        &config.process
    }

    async fn start(config: Config, context: Context) -> Result<(), Failure> {
        let shutdown = context.shutdown.clone();
        context.tasks.spawn("stage", Fate::MustRun, async move {
            shutdown.begun().await;
            match config.on_shutdown {
                OnShutdown::Drain => Ok(()),
                OnShutdown::Fail => Err(Failure::with(Exit::Fenced, "another owner commits")),
                OnShutdown::Hang => std::future::pending().await,
            }
        });
        Ok(())
    }
}

const TOLD: &str = "DEMO_CHILD";

#[test]
fn child() {
    if std::env::var_os(TOLD).is_some() {
        let exit = chassis::run::run_with::<Demo>(std::iter::empty(), chassis::config::system_env());
        std::process::exit(i32::from(exit.code()));
    }
}

/// A running child whose log can be waited for.
struct Running {
    child: Child,
    log: BufReader<ChildStderr>,
    seen: String,
}

fn start(env: &[(&str, &str)]) -> Running {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--nocapture"])
        .env(TOLD, "1")
        .env("DEMO__PROCESS__ADMIN", "127.0.0.1:0")
        .envs(env.iter().copied())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let log = BufReader::new(child.stderr.take().unwrap());
    Running { child, log, seen: String::new() }
}

impl Running {
    /// Reads the log up to a line with `text`.
    fn until(&mut self, text: &str) -> String {
        loop {
            let mut line = String::new();
            let read = self.log.read_line(&mut line).unwrap();
            assert!(read > 0, "the child ended without {text:?}:\n{}", self.seen);
            self.seen.push_str(&line);
            if line.contains(text) {
                return line;
            }
        }
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("sh").args(["-c", &format!("kill -{name} {}", self.child.id())]).status();
        assert!(sent.unwrap().success());
    }

    /// The exit code, and the rest of the log.
    fn end(mut self) -> (Option<i32>, String) {
        self.log.read_to_string(&mut self.seen).unwrap();
        (self.child.wait().unwrap().code(), std::mem::take(&mut self.seen))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // A test that failed leaves no child behind; one that has ended can't be killed again.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[test]
fn a_first_signal_drains_and_ends_with_0() {
    let mut running = start(&[]);
    running.until("service stands");
    running.signal("TERM");
    let (code, log) = running.end();
    assert_eq!(code, Some(0), "{log}");
    assert!(log.contains("signal SIGTERM"), "{log}");
}

#[test]
fn a_second_signal_means_now() {
    let mut running = start(&[("DEMO__ON_SHUTDOWN", "hang")]);
    running.until("service stands");
    running.signal("TERM");
    running.until("signal, draining");
    // The first ones may count as the same signal sent twice; one of them comes late enough.
    while running.child.try_wait().unwrap().is_none() {
        running.signal("INT");
    }
    let (code, log) = running.end();
    assert_eq!(code, Some(130), "{log}");
}

#[test]
fn a_task_that_fails_at_shutdown_is_named_in_the_log_and_in_the_exit_code() {
    let mut running = start(&[("DEMO__ON_SHUTDOWN", "fail")]);
    running.until("service stands");
    running.signal("INT");
    let failed = running.until("task failed");
    let line: serde_json::Value = serde_json::from_str(&failed).unwrap();
    assert_eq!((&line["task"], &line["error"]), (&"stage".into(), &"another owner commits".into()));
    let (code, log) = running.end();
    assert_eq!(code, Some(5), "{log}");
}

#[test]
fn a_task_that_outlives_the_drain_budget_is_named_and_ends_with_4() {
    let mut running = start(&[("DEMO__ON_SHUTDOWN", "hang"), ("DEMO__PROCESS__DRAIN_BUDGET_MS", "20")]);
    running.until("service stands");
    running.signal("TERM");
    let outlived = running.until("task outlived the drain budget");
    assert!(outlived.contains("stage"), "{outlived}");
    let (code, log) = running.end();
    assert_eq!(code, Some(4), "{log}");
}

#[test]
fn an_admin_port_in_use_ends_the_start_with_2_and_names_the_address() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let (code, log) = start(&[("DEMO__PROCESS__ADMIN", &address)]).end();
    assert_eq!(code, Some(2), "{log}");
    assert!(log.contains(&format!("demo: admin server can't listen on {address}: ")), "{log}");
}

#[test]
fn an_unknown_config_key_ends_the_start_with_2_and_names_the_nearest() {
    let (code, log) = start(&[("DEMO__PROCESS__DRAIN_MS", "20")]).end();
    assert_eq!(code, Some(2), "{log}");
    let fault = "process.drain_ms (DEMO__PROCESS__DRAIN_MS): unknown key";
    let nearest = "the nearest known key is process.drain_budget_ms";
    assert!(log.contains(&format!("{fault}; {nearest}")), "{log}");
}

#[test]
fn a_checked_configuration_starts_nothing() {
    let ask = |args: &[&str], env: &[(&str, &str)]| {
        let args: Vec<String> = args.iter().map(ToString::to_string).collect();
        let env: Vec<_> = env.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
        chassis::run::run_with::<Demo>(args.into_iter(), env.into_iter())
    };
    assert_eq!(ask(&["--check-config"], &[]), Exit::Ok);
    assert_eq!(ask(&["--check-config"], &[("DEMO__ON_SHUTDOWN", "explode")]), Exit::Usage);
    assert_eq!(ask(&["--chekc-config"], &[]), Exit::Usage);
    assert_eq!(ask(&["--version"], &[]), Exit::Ok);
}

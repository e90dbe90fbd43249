//! Tests of a whole process: configuration, admin server, signals, drain and exit code.
//!
//! The process is a child: this test binary, which runs [`child`] alone. Without the variable [`CHILD`] that test does nothing.

#![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, ChildStderr, Command, Stdio};

use chassis::config::{ErrorCollector, Validate};
use chassis::descriptors::Part;
use chassis::run::Process;
use chassis::telemetry::Catalogue;
use chassis::{Context, EndPolicy, Exit, Failure, Service};
use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};
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
    const RENAMED: &'static [(&'static str, &'static str)] = &[("at_end", "on_shutdown")];

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

    fn descriptors(_config: &Config) -> Vec<Part> {
        vec![Part { name: "demo.connections_max".to_owned(), count: 8 }]
    }

    async fn start(config: Config, context: Context) -> Result<(), Failure> {
        let shutdown = context.shutdown.clone();
        context.tasks.spawn("stage", EndPolicy::MustRun, async move {
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

/// The variable that turns this binary into the child. Its value is the arguments.
const CHILD: &str = "DEMO_CHILD";

#[test]
fn child() {
    if let Some(args) = std::env::var_os(CHILD) {
        let args = args.to_str().unwrap().split_whitespace().map(str::to_owned);
        let exit = chassis::run::run_with::<Demo>(args, chassis::config::system_env());
        std::process::exit(i32::from(exit.code()));
    }
}

/// A running child and its log.
struct Running {
    child: Child,
    log: BufReader<ChildStderr>,
    read: String,
}

fn start(env: &[(&str, &str)]) -> Running {
    start_by(&mut Command::new(std::env::current_exe().unwrap()), env)
}

/// Starts the child in a shell that has this limit of file descriptors.
fn start_with_descriptors(soft: u32, hard: u32) -> Running {
    let mut shell = Command::new("sh");
    let limited = format!("ulimit -Sn {soft} && ulimit -Hn {hard} && exec \"$0\" \"$@\"");
    start_by(shell.args(["-c", &limited]).arg(std::env::current_exe().unwrap()), &[])
}

fn start_by(command: &mut Command, env: &[(&str, &str)]) -> Running {
    let mut child = command
        .args(["--exact", "child", "--nocapture"])
        .env(CHILD, "")
        .env("DEMO__PROCESS__ADMIN", "127.0.0.1:0")
        .envs(env.iter().copied())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let log = BufReader::new(child.stderr.take().unwrap());
    Running { child, log, read: String::new() }
}

impl Running {
    /// Reads the log up to a line that contains `text` and returns the line.
    fn until(&mut self, text: &str) -> String {
        loop {
            let mut line = String::new();
            let read = self.log.read_line(&mut line).unwrap();
            assert!(read > 0, "the child ended without logging {text:?}:\n{}", self.read);
            self.read.push_str(&line);
            if line.contains(text) {
                return line;
            }
        }
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("sh").args(["-c", &format!("kill -{name} {}", self.child.id())]).status();
        assert!(sent.unwrap().success());
    }

    /// Waits for the end. Returns the exit code and the whole log.
    fn end(mut self) -> (Option<i32>, String) {
        self.log.read_to_string(&mut self.read).unwrap();
        (self.child.wait().unwrap().code(), std::mem::take(&mut self.read))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Ends the child of a failed test. Killing an ended child is an error, which is ignored.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[test]
fn first_signal_drains_and_exits_with_0() {
    let mut running = start(&[]);
    running.until("service started");
    running.signal("TERM");
    let (code, log) = running.end();
    assert_eq!(code, Some(0), "{log}");
    assert!(log.contains("signal SIGTERM"), "{log}");
}

#[test]
fn second_signal_exits_at_once() {
    let mut running = start(&[("DEMO__ON_SHUTDOWN", "hang")]);
    running.until("service started");
    running.signal("TERM");
    running.until("signal received, draining");
    // Signals within 250 ms after the first count as duplicates, so signals are sent until the child ends.
    while running.child.try_wait().unwrap().is_none() {
        running.signal("INT");
    }
    let (code, log) = running.end();
    assert_eq!(code, Some(130), "{log}");
}

#[test]
fn task_failure_at_shutdown_is_logged_and_sets_the_exit_code() {
    let mut running = start(&[("DEMO__ON_SHUTDOWN", "fail")]);
    running.until("service started");
    running.signal("INT");
    let failed = running.until("task failed");
    let line: serde_json::Value = serde_json::from_str(&failed).unwrap();
    assert_eq!((&line["task"], &line["error"]), (&"stage".into(), &"another owner commits".into()));
    let (code, log) = running.end();
    assert_eq!(code, Some(5), "{log}");
}

#[test]
fn drain_timeout_names_the_task_and_exits_with_4() {
    let mut running = start(&[("DEMO__ON_SHUTDOWN", "hang"), ("DEMO__PROCESS__DRAIN_BUDGET_MS", "20")]);
    running.until("service started");
    running.signal("TERM");
    let exceeded = running.until("drain timeout exceeded: task still running");
    assert!(exceeded.contains("stage"), "{exceeded}");
    let (code, log) = running.end();
    assert_eq!(code, Some(4), "{log}");
}

#[test]
fn admin_port_in_use_exits_with_2_and_names_the_address() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let (code, log) = start(&[("DEMO__PROCESS__ADMIN", &address)]).end();
    assert_eq!(code, Some(2), "{log}");
    assert!(
        log.contains(&format!("demo: failed to start the admin server: address {address} unavailable: ")),
        "{log}"
    );
}

#[test]
fn unknown_config_key_exits_with_2_and_names_the_nearest() {
    let (code, log) = start(&[("DEMO__PROCESS__DRAIN_MS", "20")]).end();
    assert_eq!(code, Some(2), "{log}");
    let error = "process.drain_ms (DEMO__PROCESS__DRAIN_MS): unknown key";
    let nearest = "the nearest known key is process.drain_budget_ms";
    assert!(log.contains(&format!("{error}; {nearest}")), "{log}");
}

#[test]
fn check_config_validates_without_starting() {
    let run = |args: &[&str], env: &[(&str, &str)]| {
        let args: Vec<String> = args.iter().map(ToString::to_string).collect();
        let env: Vec<_> = env.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
        chassis::run::run_with::<Demo>(args.into_iter(), env.into_iter())
    };
    assert_eq!(run(&["--check-config"], &[]), Exit::Ok);
    assert_eq!(run(&["--check-config"], &[("DEMO__ON_SHUTDOWN", "explode")]), Exit::Usage);
    assert_eq!(run(&["--chekc-config"], &[]), Exit::Usage);
    assert_eq!(run(&["--version"], &[]), Exit::Ok);
}

#[test]
fn renamed_config_key_is_accepted_with_a_warning() {
    let mut running = start(&[("DEMO__AT_END", "fail")]);
    let warning = running.until("configuration key renamed");
    let line: serde_json::Value = serde_json::from_str(&warning).unwrap();
    assert_eq!(
        (&line["level"], &line["old"], &line["new"]),
        (&"WARN".into(), &"at_end".into(), &"on_shutdown".into())
    );
    assert_eq!(line["origin"], "DEMO__AT_END");
    running.until("service started");
    running.signal("TERM");
    assert_eq!(running.end().0, Some(5));
}

#[test]
fn config_key_set_by_old_and_new_name_exits_with_2() {
    let (code, log) = start(&[("DEMO__AT_END", "fail"), ("DEMO__ON_SHUTDOWN", "fail")]).end();
    assert_eq!(code, Some(2), "{log}");
    assert!(log.contains("at_end (DEMO__AT_END): renamed to on_shutdown, which is set too"), "{log}");
}

#[test]
fn check_config_prints_a_note_about_a_renamed_key() {
    let (code, log) = start(&[("DEMO__AT_END", "fail"), (CHILD, "--check-config")]).end();
    assert_eq!(code, Some(0), "{log}");
    assert!(log.contains("note: at_end (DEMO__AT_END): renamed to on_shutdown"), "{log}");
}

/// The drain alone can close the connections: their timeouts are an hour.
#[test]
fn half_open_connections_do_not_delay_the_exit() {
    const HOUR_MS: &str = "3600000";
    let mut running = start(&[
        ("DEMO__PROCESS__ADMIN_HEAD_TIMEOUT_MS", HOUR_MS),
        ("DEMO__PROCESS__ADMIN_IDLE_TIMEOUT_MS", HOUR_MS),
    ]);
    let started: serde_json::Value = serde_json::from_str(&running.until("process started")).unwrap();
    running.until("service started");
    let connect = |bytes: &[u8]| {
        let mut stream = TcpStream::connect(started["admin"].as_str().unwrap()).unwrap();
        stream.write_all(bytes).unwrap();
        stream
    };
    let mut idle = connect(b"GET /live HTTP/1.1\r\nHost: a\r\n\r\n");
    idle.read_exact(&mut [0; 12]).unwrap();
    let _held = [idle, connect(b""), connect(b"GET /live HTTP/1.1\r\n")];
    running.signal("TERM");
    let (code, log) = running.end();
    assert_eq!(code, Some(0), "{log}");
    assert!(!log.contains("admin server still running"), "{log}");
}

/// The limit is lowered in the running process, below the number of its open descriptors.
#[test]
fn lack_of_descriptors_is_logged_once_and_survived() {
    let mut running = start(&[]);
    let started: serde_json::Value = serde_json::from_str(&running.until("process started")).unwrap();
    running.until("service started");
    let pid = Pid::from_raw(running.child.id().try_into().unwrap());
    let limit = getrlimit(Resource::Nofile);
    prlimit(pid, Resource::Nofile, Rlimit { current: Some(3), ..limit }).unwrap();
    let get = |path: &str| {
        let mut stream = TcpStream::connect(started["admin"].as_str().unwrap()).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").unwrap();
        stream
    };
    let mut waiting = get("/live");
    let failed = running.until("failed to accept connections");
    assert!(failed.contains("Too many open files"), "{failed}");
    prlimit(pid, Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).unwrap();
    let mut response = String::new();
    waiting.read_to_string(&mut response).unwrap();
    assert!(response.starts_with("HTTP/1.1 200 "), "{response}");
    let again: serde_json::Value =
        serde_json::from_str(&running.until("connections are accepted again")).unwrap();
    let mut scrape = String::new();
    get("/metrics").read_to_string(&mut scrape).unwrap();
    let count = format!("chassis_admin_accept_errors_total {}\n", again["failed"]);
    assert!(again["failed"].as_u64() > Some(0) && scrape.contains(&count), "{count}{scrape}");
    running.signal("TERM");
    let (code, log) = running.end();
    assert_eq!((code, log.matches("failed to accept connections").count()), (Some(0), 1), "{log}");
}

#[test]
fn soft_limit_of_descriptors_is_raised_to_the_hard_one() {
    let mut running = start_with_descriptors(100, 1_000);
    let line: serde_json::Value =
        serde_json::from_str(&running.until("limit of file descriptors raised")).unwrap();
    assert_eq!((&line["soft"], &line["hard"]), (&100.into(), &1_000.into()));
    running.until("service started");
    running.signal("TERM");
    assert_eq!(running.end().0, Some(0));
}

#[test]
fn too_low_hard_limit_of_descriptors_exits_with_2() {
    // With 10 not even the async runtime starts.
    for limit in [10, 200] {
        let (code, log) = start_with_descriptors(limit, limit).end();
        assert_eq!(code, Some(2), "{log}");
        let expected = format!(
            "configuration needs 360 file descriptors, the hard limit is {limit}: process 256, process.admin_connections_max 96, \
             demo.connections_max 8;"
        );
        assert!(log.contains(&expected), "{log}");
    }
}

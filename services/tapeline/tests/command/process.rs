//! Runs the `tapeline` binary as a process.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// Returns the folder of the repository's real bars.
pub(crate) fn real_bars() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data/bars")
}

/// Returns a command with these arguments.
pub(crate) fn tapeline(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tapeline"));
    command.args(args);
    command
}

/// Returns its standard error.
pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A finished `tapeline dev` with its files in a folder of its own.
pub(crate) struct DevRun {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) output: Output,
}

/// Runs `tapeline dev --speed max --until-end` with all output files.
pub(crate) fn dev(args: &[&str]) -> DevRun {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let output = tapeline(&["dev", "--speed", "max", "--until-end"])
        .args(args)
        .arg("--report")
        .arg(path("report.json"))
        .arg("--vectors")
        .arg(path("vectors.ndjson"))
        .arg("--topics")
        .arg(path("topics"))
        .output()
        .unwrap();
    DevRun { folder, output }
}

impl DevRun {
    /// Panics unless the exit code is 0.
    pub(crate) fn expect_ok(self) -> Self {
        let text = String::from_utf8_lossy(&self.output.stdout);
        assert!(self.output.status.success(), "{}\n{text}\n{}", self.output.status, stderr(&self.output));
        self
    }

    pub(crate) fn report(&self) -> Value {
        serde_json::from_str(&std::fs::read_to_string(self.folder.path().join("report.json")).unwrap())
            .unwrap()
    }

    pub(crate) fn vectors(&self) -> Vec<Value> {
        lines(&self.folder.path().join("vectors.ndjson"))
    }

    pub(crate) fn topic(&self, name: &str) -> Vec<Value> {
        lines(&self.folder.path().join("topics").join(format!("{name}.ndjson")))
    }

    /// Returns the count of each (symbol, as_of, sets) of the vectors, which do not differ between runs.
    pub(crate) fn vector_set(&self) -> BTreeMap<String, usize> {
        let mut set = BTreeMap::new();
        for vector in self.vectors() {
            let key = format!("{} {} {}", vector["symbol"], vector["as_of"], vector["sets"]);
            *set.entry(key).or_default() += 1;
        }
        set
    }
}

fn lines(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Waits until the process has a handler for SIGTERM.
pub(crate) fn wait_until_signals_are_handled(child: &Child) {
    const TERM: u64 = 1 << 14;
    let deadline = Instant::now() + Duration::from_secs(30);
    let is_handled = || {
        let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap();
        u64::from_str_radix(caught.trim(), 16).unwrap() & TERM != 0
    };
    while !is_handled() {
        assert!(Instant::now() < deadline, "the process has no handler for SIGTERM");
        std::thread::yield_now();
    }
}

/// Sends SIGTERM, and returns the exit code.
pub(crate) fn terminate(child: &mut Child) -> Option<i32> {
    signal(child, "-TERM");
    child.wait().unwrap().code()
}

/// Sends a signal, such as `-INT`.
pub(crate) fn signal(child: &Child, name: &str) {
    let pid = i32::try_from(child.id()).unwrap();
    assert!(Command::new("kill").args([name, &pid.to_string()]).status().unwrap().success());
}

/// A running `tapeline dev`.
pub(crate) struct RunningDev {
    pub(crate) child: Child,
    pub(crate) lines: Option<std::io::Lines<BufReader<std::process::ChildStdout>>>,
}

impl RunningDev {
    pub(crate) fn start(args: &[&str]) -> Self {
        let mut child = tapeline(&["dev"]).args(args).stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines: Some(lines) }
    }

    /// Waits for the next line with this start, and returns the text after it.
    pub(crate) fn wait_for(&mut self, start: &str) -> String {
        let lines = self.lines.as_mut().unwrap();
        let line = lines.find_map(|line| line.unwrap().strip_prefix(start).map(str::to_owned));
        line.unwrap_or_else(|| panic!("no line starts with {start}")).trim().to_owned()
    }

    /// Closes the pipe that standard output is written to.
    pub(crate) fn close_output(&mut self) {
        self.lines = None;
    }

    pub(crate) fn interrupt(&mut self) -> i32 {
        signal(&self.child, "-INT");
        self.child.wait().unwrap().code().unwrap()
    }
}

impl Drop for RunningDev {
    fn drop(&mut self) {
        // Fails if the process has exited, which is expected.
        let _exited = self.child.kill();
    }
}

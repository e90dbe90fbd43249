//! Bad bytes on real Kafka, written by a client of another party: each record becomes one dead letter with its original bytes,
//! every good record around it is processed, and no service restarts. Then one of them is repaired and replayed, and results in a
//! request.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use contracts::Topic;
use integration::{
    Binaries, Ended, Service, Stack, free_port, python, read_all, real_parts_missing, run_to_end, wait_until,
};
use serde_json::Value;

/// More than the whole test takes on two busy cores.
const LIMIT: Duration = Duration::from_secs(240);

/// Maximum processing time of the client's records, in seconds.
const WITHIN: &str = "90";

/// The record that is repaired: it was cut.
const REPAIRED: &str = "cut";

/// The services whose inputs get bad bytes, and the stages that process them.
const STAGES: [(&str, &str); 4] = [
    ("scanner-bridge", "bridge"),
    ("publisher", "announcer"),
    ("backfill", "backfill-planner"),
    ("feature", "feature"),
];

/// The topic of a table.
const BARS: &str = "market.bar.closed.v1";

#[test]
fn bad_bytes_become_dead_letters_and_can_be_replayed_repaired() {
    if real_parts_missing() {
        return;
    }
    let Some(python) = python() else { return };
    let (binaries, stack) = (Binaries::built().unwrap(), Stack::start().unwrap());
    let bench = Bench { binaries, stack, python };
    bench.tapeline("topics apply --replication 1").expect(0);
    bench.tapeline("schemas register").expect(0);
    let mut services = bench.start_services();

    println!("{}", bench.client("produce", &[]).expect(0));
    println!("{}", bench.client("check", &["--within", WITHIN]).expect(0));
    for service in &mut services {
        assert_undisturbed(service);
    }
    bench.assert_table_skips_bad_bars(&services[3]);
    println!("{}", bench.tapeline("dead-letters list --counts").expect(0));

    bench.replay_repaired();
    println!("{}", bench.client("check", &["--repaired", REPAIRED, "--within", WITHIN]).expect(0));
    for service in &mut services {
        assert_undisturbed(service);
        assert_eq!(service.terminate().unwrap(), Some(0), "{}", service.process().excerpt());
    }
    // The shutdown added no output.
    bench.client("check", &["--repaired", REPAIRED]).expect(0);
    let dead_letters = Topic::ALL.iter().filter(|topic| topic.is_dead_letter());
    let dead_letters: Vec<&str> = dead_letters.flat_map(|topic| ["--topic", topic.name()]).collect();
    println!("{}", read_all(&bench.stack, &dead_letters).unwrap().unwrap().expect(0));
}

/// A cluster, the binaries and a Python.
struct Bench {
    binaries: Binaries,
    stack: Stack,
    python: PathBuf,
}

/// Asserts the exit code of a program and returns its output.
trait Expected {
    fn expect(self, code: i32) -> String;
}

impl Expected for Ended {
    fn expect(self, code: i32) -> String {
        assert_eq!(self.code, Some(code), "{}", self.printed);
        self.printed
    }
}

impl Bench {
    /// Runs an operator's command on this cluster.
    fn tapeline(&self, arguments: &str) -> Ended {
        let mut command = self.binaries.command("tapeline");
        command.args(arguments.split(' '));
        self.run("tapeline", command)
    }

    /// Runs the client of the other party.
    fn client(&self, what: &str, arguments: &[&str]) -> Ended {
        let mut command = Command::new(&self.python);
        // No compiled files in the source tree.
        command.arg("-B").arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("clients/bad_bytes.py"));
        command.arg(what).arg("--manifest").arg(self.manifest_path()).args(arguments);
        self.run("client", command)
    }

    fn run(&self, name: &str, mut command: Command) -> Ended {
        command.args(["--brokers", &self.stack.broker.address(), "--registry", &self.stack.registry.url()]);
        // A separate log for each run, since the output is read from it.
        let folder = tempfile::tempdir_in(self.stack.folder()).unwrap();
        run_to_end(name, command, folder.path(), LIMIT).unwrap()
    }

    fn manifest_path(&self) -> PathBuf {
        self.stack.folder().join("manifest.json")
    }

    /// Returns the manifest: the records that the client wrote, with their offsets.
    fn manifest(&self) -> Value {
        serde_json::from_slice(&std::fs::read(self.manifest_path()).unwrap()).unwrap()
    }

    fn start_services(&self) -> Vec<Service> {
        let cluster = format!(
            "[kafka]\nbrokers = \"{}\"\n\n[registry]\nurl = \"{}\"\n",
            self.stack.broker.address(),
            self.stack.registry.url()
        );
        let edge = format!("\n[edge]\nlisten = \"127.0.0.1:{}\"\n", free_port().unwrap());
        let start = |(name, _): (&'static str, _)| {
            let more = if name == "publisher" { edge.as_str() } else { "" };
            Service::start(&self.binaries, name, &format!("{cluster}{more}"), self.stack.folder()).unwrap()
        };
        let mut services = STAGES.map(start);
        for service in &mut services {
            service.wait_until_ready().unwrap();
        }
        services.into()
    }

    /// Asserts that each bad bar is counted once, and no good one.
    fn assert_table_skips_bad_bars(&self, feature: &Service) {
        let manifest = self.manifest();
        let is_bad = |entry: &&Value| entry["topic"] == BARS && entry["name"] != "good";
        let bad = manifest.as_array().unwrap().iter().filter(is_bad).count();
        let skipped = || {
            let labels = [("stage", "feature")];
            feature.metrics().unwrap().sum("tapeline_skipped_bars_total", &labels).round().to_string()
        };
        assert!(
            bad > 10 && wait_until(LIMIT, || skipped() == bad.to_string()),
            "{} of {bad} bad bars",
            skipped()
        );
    }

    /// Finds the dead letter of the cut record and replays it with the whole payload.
    fn replay_repaired(&self) {
        let manifest = self.manifest();
        let cut = manifest.as_array().unwrap().iter().find(|entry| entry["name"] == REPAIRED).unwrap();
        let listed = self.tapeline("dead-letters list --json --class truncated").expect(0);
        let dead_letters: Vec<Value> =
            listed.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let is_of_cut_record = |dead_letter: &&Value| {
            ["topic", "partition", "offset"]
                .iter()
                .all(|key| dead_letter[format!("original_{key}")] == cut[key])
        };
        let dead_letter = dead_letters.iter().find(is_of_cut_record).unwrap();
        let whole = self.stack.folder().join("whole");
        std::fs::write(&whole, bytes_of(cut["whole"].as_str().unwrap())).unwrap();

        let position = format!(
            "--service scanner-bridge --partition {} --offset {}",
            dead_letter["partition"], dead_letter["offset"]
        );
        let shown = self.tapeline(&format!("dead-letters show {position}")).expect(0);
        assert!(shown.contains("not decoded: ends after"), "{shown}");
        let replay = format!("dead-letters replay {position} --payload-file {}", whole.display());
        let planned = self.tapeline(&format!("{replay} --dry-run")).expect(0);
        assert!(planned.contains("would send 1,"), "{planned}");
        let sent = self.tapeline(&replay).expect(0);
        assert!(sent.contains("sent 1,"), "{sent}");
    }
}

fn bytes_of(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

/// Asserts that the service is ready, has not restarted, and counts no law violation.
fn assert_undisturbed(service: &mut Service) {
    assert!(matches!(service.process().ended(), Ok(None)), "{}", service.process().excerpt());
    service.wait_until_ready().unwrap();
    let stage = STAGES.iter().find(|(name, _)| *name == service.name()).unwrap().1;
    let metrics = service.metrics().unwrap();
    let of = |name: &str| metrics.sum(&format!("tapeline_stage_{name}"), &[("stage", stage)]);
    assert_eq!(of("rejected_total") > 0.5, stage != "feature", "{stage} rejected {}", of("rejected_total"));
    for name in ["law_violations_total", "client_recreations_total", "stopped_partitions"] {
        assert!(of(name) < 0.5, "{stage}: {name} is {}", of(name));
    }
}

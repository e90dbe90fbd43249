//! `tapeline topics apply` on topics of a real broker whose settings differ from the contract.

use std::time::Duration;

use integration::{Binaries, Broker, Ended, real_parts_missing, run_to_end, wait_until};
use tempfile::TempDir;

const CONFIG_COMMAND: &str = "kafka.admin.ConfigCommand";
const TOPIC: &str = "scanner.alert.raised.v1";
const WEEK_MS: &str = "604800000";
const LIMIT: Duration = Duration::from_secs(120);

struct Bench {
    binaries: Binaries,
    folder: TempDir,
    broker: Broker,
}

#[test]
fn topic_settings_change_in_place_unless_records_are_lost() {
    if real_parts_missing() {
        return;
    }
    let bench = Bench::start();
    let created = bench.apply("create", &[]);
    assert_eq!(created.code, Some(0), "{}", created.printed);
    assert!(created.printed.contains(&format!("created    {TOPIC}")), "{}", created.printed);

    bench.alter("retention.ms=1000,segment.ms=3600000");
    let planned = bench.apply("dry-run", &["--dry-run"]);
    let change = format!("change     {TOPIC}: retention.ms from 1000 to {WEEK_MS}");
    assert_eq!((planned.code, planned.printed.contains(&change)), (Some(0), true), "{}", planned.printed);
    assert!(bench.settings().contains("retention.ms=1000 "), "{}", bench.settings());
    let changed = bench.apply("change", &[]);
    assert_eq!(changed.code, Some(0), "{}", changed.printed);
    assert!(changed.printed.contains(&change), "{}", changed.printed);
    assert!(changed.printed.contains(&format!("changed    {TOPIC}")), "{}", changed.printed);
    bench.wait_for(&format!("retention.ms={WEEK_MS}"));
    let settings = bench.settings();
    assert!(
        settings.contains("segment.ms=3600000 "),
        "a setting that is not of the contract was reset: {settings}"
    );

    bench.alter("retention.ms=999999999999,cleanup.policy=compact");
    let differs = format!("differs    {TOPIC}: retention.ms is 999999999999, expected {WEEK_MS}");
    let left = bench.apply("leave", &[]);
    assert_eq!((left.code, left.printed.contains(&differs)), (Some(1), true), "{}", left.printed);
    let shortened = bench.apply("shorten", &["--allow-deletion"]);
    assert_eq!(shortened.code, Some(1), "{}", shortened.printed);
    assert!(
        shortened.printed.contains(&format!("differs    {TOPIC}: cleanup.policy")),
        "{}",
        shortened.printed
    );
    bench.wait_for(&format!("retention.ms={WEEK_MS}"));
    assert!(bench.settings().contains("cleanup.policy=compact "), "{}", bench.settings());
}

impl Bench {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let broker = Broker::start(folder.path()).unwrap();
        Self { binaries: Binaries::built().unwrap(), folder, broker }
    }

    /// `name` is that of the log: each has the output of one run.
    fn apply(&self, name: &str, arguments: &[&str]) -> Ended {
        let mut command = self.binaries.command("tapeline");
        command.args(["topics", "apply", "--replication", "1", "--brokers", &self.broker.address()]);
        command.args(arguments);
        run_to_end(name, command, self.folder.path(), LIMIT).unwrap()
    }

    fn alter(&self, settings: &str) {
        let arguments =
            ["--alter", "--entity-type", "topics", "--entity-name", TOPIC, "--add-config", settings];
        self.broker.tool(CONFIG_COMMAND, &arguments).unwrap();
        settings.split(',').for_each(|setting| self.wait_for(setting));
    }

    /// Waits for a setting: the controller acknowledges a change before the broker has it.
    fn wait_for(&self, setting: &str) {
        let is_there = wait_until(LIMIT, || self.settings().contains(&format!("{setting} ")));
        assert!(is_there, "{setting}: {}", self.settings());
    }

    /// The settings of the topic that are not defaults of the broker.
    fn settings(&self) -> String {
        let arguments = ["--describe", "--entity-type", "topics", "--entity-name", TOPIC];
        self.broker.tool(CONFIG_COMMAND, &arguments).unwrap()
    }
}

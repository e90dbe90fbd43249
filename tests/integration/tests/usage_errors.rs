//! An operator's errors: every program exits with code 2 before it processes anything, and reports the error with its location.
#![expect(clippy::unwrap_used, reason = "a failed step fails the test")]

use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use integration::{Binaries, Ended, run_to_end};

/// These programs exit immediately; the rest is for a machine that is busy with other tests.
const LIMIT: Duration = Duration::from_secs(45);

const OK: i32 = 0;
const USAGE: i32 = 2;
const SERVICES: [&str; 4] = ["publisher", "scanner-bridge", "feature", "backfill"];

#[test]
fn unknown_key_is_rejected_with_file_and_nearest_known_key() {
    let (binaries, folder) = (Binaries::built().unwrap(), tempfile::tempdir().unwrap());
    for name in SERVICES {
        let ended = run_service(&binaries, name, "[kafka]\nbrokerz = \"a:9092\"\n", &[], folder.path());
        assert_usage_error(
            &ended,
            &[
                &format!(
                    "kafka.brokerz ({}): unknown key",
                    folder.path().join(format!("{name}.toml")).display()
                ),
                "the nearest known key is kafka.brokers",
            ],
        );
    }
}

#[test]
fn all_errors_of_a_configuration_are_reported_together() {
    let (binaries, folder) = (Binaries::built().unwrap(), tempfile::tempdir().unwrap());
    let sections = "[kafka]\nbrokers = \"no-port\"\nlinger_ms = \"soon\"\n\n[requests]\nworkers_max = 0\n";
    let ended = run_service(&binaries, "feature", sections, &["--check-config"], folder.path());
    assert_usage_error(
        &ended,
        &["3 error(s)", "kafka.brokers = no-port", "kafka.linger_ms", "requests.workers_max = 0"],
    );
}

#[test]
fn checked_configuration_is_printed_and_starts_nothing() {
    let (binaries, folder) = (Binaries::built().unwrap(), tempfile::tempdir().unwrap());
    for name in SERVICES {
        let sections = "[kafka]\nbrokers = \"kafka-7:9092\"\n\n[kafka.security]\nprotocol = \"sasl_ssl\"\n\
                        username = \"tapeline\"\npassword = \"hunter2\"\n";
        let ended = run_service(&binaries, name, sections, &["--check-config"], folder.path());
        assert_eq!(ended.code, Some(OK), "{}", ended.printed);
        assert!(ended.printed.contains("\"brokers\": \"kafka-7:9092\""), "{}", ended.printed);
        assert!(ended.printed.contains("\"password\": \"[redacted]\""), "{}", ended.printed);
        assert!(!ended.printed.contains("hunter2"), "{}", ended.printed);
    }
}

#[test]
fn edge_port_in_use_is_rejected_with_its_address() {
    let (binaries, folder) = (Binaries::built().unwrap(), tempfile::tempdir().unwrap());
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let sections = format!("[process]\nadmin = \"127.0.0.1:0\"\n\n[edge]\nlisten = \"{address}\"\n");
    assert_usage_error(&run_service(&binaries, "publisher", &sections, &[], folder.path()), &[&address]);
    assert_usage_error(&run_command(&binaries, &["dev", "--edge", &address], folder.path()), &[&address]);
}

#[test]
fn admin_port_in_use_is_rejected_with_its_address() {
    let (binaries, folder) = (Binaries::built().unwrap(), tempfile::tempdir().unwrap());
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for name in SERVICES {
        let sections = format!("[process]\nadmin = \"{address}\"\n");
        assert_usage_error(&run_service(&binaries, name, &sections, &[], folder.path()), &[&address]);
    }
    assert_usage_error(&run_command(&binaries, &["dev", "--admin", &address], folder.path()), &[&address]);
}

#[test]
fn unknown_event_is_rejected_with_the_known_ones() {
    let (binaries, folder) = (Binaries::built().unwrap(), tempfile::tempdir().unwrap());
    let ended = run_command(&binaries, &["tail", "scanner.alert.lowered"], folder.path());
    assert_usage_error(&ended, &["scanner.alert.lowered", "scanner.alert.raised", "feature.vector.computed"]);
}

#[test]
fn invalid_bar_file_is_rejected_with_file_line_and_column() {
    let (binaries, folder) = (Binaries::built().unwrap(), tempfile::tempdir().unwrap());
    let file = folder.path().join("AAPL.csv");
    std::fs::write(&file, "date,open,high,low,close,volume\n2004-01-05,1,1,1,oops,1\n").unwrap();
    let bars = folder.path().to_str().unwrap();
    for command in ["dev", "replay"] {
        let ended = run_command(&binaries, &[command, "--bars", bars], folder.path());
        assert_usage_error(&ended, &[&format!("{}:2: close: `oops` is not a number", file.display())]);
    }
}

#[test]
fn too_few_descriptors_are_reported_with_their_limit() {
    let (binaries, folder) = (Binaries::built().unwrap(), tempfile::tempdir().unwrap());
    for limit in ["6", "7", "12", "40"] {
        let within = |name: &str, arguments: &[&str]| {
            let program = binaries.command(name);
            let mut command = Command::new("sh");
            command.args(["-c", r#"ulimit -n "$0" && exec "$@""#, limit]).arg(program.get_program());
            command.args(program.get_args()).args(arguments);
            run_to_end(name, command, folder.path(), LIMIT).unwrap()
        };
        let the_limit = format!("file descriptors, the hard limit is {limit}");
        for name in SERVICES {
            assert_usage_error(&within(name, &[]), &[&format!("{name}: configuration needs "), &the_limit]);
        }
        for arguments in [&["publish", "-"][..], &["replay", "--seed", "1"], &["dev"]] {
            assert_usage_error(&within("tapeline", arguments), &["tapeline: ", &the_limit]);
        }
    }
}

fn run_service(binaries: &Binaries, name: &str, sections: &str, flags: &[&str], folder: &Path) -> Ended {
    let path = folder.join(format!("{name}.toml"));
    std::fs::write(&path, sections).unwrap();
    let mut command = binaries.command(name);
    command.arg("--config").arg(path).args(flags);
    run_to_end(name, command, folder, LIMIT).unwrap()
}

fn run_command(binaries: &Binaries, arguments: &[&str], folder: &Path) -> Ended {
    let mut command = binaries.command("tapeline");
    command.args(arguments);
    run_to_end(&format!("tapeline-{}", arguments[0]), command, folder, LIMIT).unwrap()
}

fn assert_usage_error(ended: &Ended, parts: &[&str]) {
    assert_eq!(ended.code, Some(USAGE), "{}", ended.printed);
    for part in parts {
        assert!(ended.printed.contains(part), "{part:?} is missing in: {}", ended.printed);
    }
}

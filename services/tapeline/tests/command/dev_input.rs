//! `tapeline dev` with input and limits that it cannot run with, and what it reports of bars that it does not replay.

use std::process::{Command, Output};

use crate::process::{RunningDev, dev, real_bars, stderr, tapeline};

const HEADER: &str = "date,open,high,low,close,volume\n";

#[test]
fn unwritable_output_exits_with_2_before_the_run() {
    let bars = real_bars();
    let bars = ["dev", "--bars", bars.to_str().unwrap()];
    for flags in [
        ["--report", "/no/such/dir/r.json"],
        ["--report", "/dev/full"],
        ["--vectors", "/"],
        ["--topics", "/proc/nope"],
    ] {
        let output = tapeline(&[&bars[..], &flags].concat()).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{flags:?}: {}", stderr(&output));
        assert!(stderr(&output).contains(flags[1]), "{flags:?}: {}", stderr(&output));
        assert_eq!(String::from_utf8_lossy(&output.stdout), "", "{flags:?}");
    }
}

#[test]
fn vectors_file_that_becomes_full_ends_the_run() {
    let (bars, folder) = (real_bars(), tempfile::tempdir().unwrap());
    let vectors = folder.path().join("vectors.ndjson");
    let flags = format!(
        "--bars '{}' --vectors '{}' --from 2012-03-01 --to 2012-06-29 --speed max --until-end",
        bars.display(),
        vectors.display()
    );
    // A write above the limit of a file's size fails if its signal is ignored.
    let output = dev_with_limits("trap '' XFSZ && ulimit -f 8", &flags);
    let stderr = stderr(&output);
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    let expected = format!("tapeline: failed to write {}: File too large", vectors.display());
    assert!(stderr.contains(&expected), "{stderr}");
}

#[test]
fn findings_file_without_findings_exits_with_1_and_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("f.ndjson");
    std::fs::write(&file, "\n").unwrap();
    let run = dev(&["--findings", file.to_str().unwrap()]);
    let stderr = stderr(&run.output);
    assert_eq!(run.output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("f.ndjson has no findings"), "{stderr}");
}

#[test]
fn empty_replay_exits_with_1_and_names_the_dates() {
    let bars = real_bars();
    let run = dev(&["--bars", bars.to_str().unwrap(), "--from", "2030-01-01"]);
    let stderr = stderr(&run.output);
    assert_eq!(run.output.status.code(), Some(1), "{stderr}");
    assert!(
        stderr.contains("0 dates replayed for --from 2030-01-01") && stderr.contains("AAPL: "),
        "{stderr}"
    );
}

#[test]
fn bars_without_a_price_exit_with_2_and_are_named() {
    for (prices, low) in [("0,0,0,0", "0"), ("-37.63,-10,-40.32,-37.63", "-40.32")] {
        let folder = tempfile::tempdir().unwrap();
        let rows = format!("2004-02-24,20,21,19,20,10\n2004-02-25,{prices},10\n2004-02-26,{prices},10\n");
        std::fs::write(folder.path().join("AAPL.csv"), format!("{HEADER}{rows}")).unwrap();
        let output = tapeline(&["dev", "--bars", folder.path().to_str().unwrap()]).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
        let causes = format!("AAPL.csv:3: low {low} is not above 0; line 4: low {low} is not above 0");
        assert!(stderr(&output).contains(&causes), "{}", stderr(&output));
    }
}

#[test]
fn bars_that_are_not_replayed_are_named() {
    let bars = real_bars();
    let folder = tempfile::tempdir().unwrap();
    for name in ["AAPL.csv", "FB.csv"] {
        std::fs::copy(bars.join(name), folder.path().join(name)).unwrap();
    }
    std::fs::copy(bars.join("AAPL.csv"), folder.path().join("MSFT.CSV")).unwrap();
    let future = format!("{HEADER}2012-03-01,1,1,1,1,1\n2999-01-04,1,1,1,1,1\n");
    std::fs::write(folder.path().join("IBM.csv"), future).unwrap();
    let folder = folder.path().to_str().unwrap();
    let run = dev(&["--bars", folder, "--from", "2012-03-01", "--to", "2012-03-09"]).expect_ok();
    let stdout = String::from_utf8_lossy(&run.output.stdout);
    assert!(stdout.contains("  FB: 196 bars, backfilled, not replayed"), "{stdout}");
    assert!(stdout.contains("  IBM: 1 bars, backfilled, not replayed"), "{stdout}");
    assert!(stdout.lines().all(|line| line.chars().count() <= 80), "{stdout}");
    let stderr = stderr(&run.output);
    assert!(stderr.contains("MSFT.CSV is not read") && stderr.contains("1 bars from 2999-01-04"), "{stderr}");
}

#[test]
fn proxy_of_the_environment_is_not_used_by_dev() {
    let bars = real_bars();
    let dates = ["--from", "2012-03-01", "--to", "2012-03-02", "--speed", "max", "--until-end"];
    let mut command = tapeline(&[&["dev", "--bars", bars.to_str().unwrap()], &dates[..]].concat());
    let output = command.env("HTTP_PROXY", "http://127.0.0.1:1").output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
}

/// Runs `tapeline dev` in a shell with these limits of open files.
fn dev_with_limits(limits: &str, flags: &str) -> Output {
    let dev = format!("{limits} && exec {} dev {flags}", env!("CARGO_BIN_EXE_tapeline"));
    Command::new("sh").args(["-c", &dev]).output().unwrap()
}

#[test]
fn too_low_limit_of_open_files_exits_with_2_and_the_sum() {
    for (limit, sum) in [(10, 448), (256, 448), (447, 448)] {
        let output = dev_with_limits(&format!("ulimit -n {limit}"), "");
        let stderr = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{stderr}");
        let expected = format!("configuration needs {sum} file descriptors, the hard limit is {limit}");
        assert!(stderr.contains(&expected), "{stderr}");
        assert!(stderr.contains("process.admin_connections_max 96, edge.connections_max 96;"), "{stderr}");
    }
}

#[test]
fn command_without_descriptors_exits_with_2() {
    let publish =
        format!("ulimit -n 4 && exec {} publish - --edge 127.0.0.1:1", env!("CARGO_BIN_EXE_tapeline"));
    let output = Command::new("sh").args(["-c", &publish]).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    assert!(
        stderr(&output).contains("needs 128 file descriptors, the hard limit is 4;"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn soft_limit_of_open_files_is_raised() {
    let bars = real_bars();
    let dates = "--from 2012-03-01 --to 2012-03-02 --speed max --until-end";
    let output = dev_with_limits("ulimit -S -n 256", &format!("--bars '{}' {dates}", bars.display()));
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
}

#[test]
fn pipe_as_bar_file_exits_with_2_and_is_not_opened() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("AAPL.csv");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let output = tapeline(&["dev", "--bars", folder.path().to_str().unwrap()]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("AAPL.csv: not a regular file"), "{}", stderr(&output));
}

#[test]
fn name_of_this_machine_is_an_address_of_the_edge() {
    let mut running = RunningDev::start(&["--edge", "localhost:0", "--admin", "localhost:0"]);
    let edge = running.wait_for("edge");
    assert!(edge.starts_with("http://127.0.0.1:") || edge.starts_with("http://[::1]:"), "{edge}");
    assert_eq!(running.interrupt(), 0);
}

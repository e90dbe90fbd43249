//! `tapeline publish` that a signal ends, and the addresses of an edge.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::process::{
    RunningDev, real_bars, signal, stderr, tapeline, terminate, wait_until_signals_are_handled,
};
use crate::publish::GOOD;
use crate::simulated_edge::{Behaviour, SimulatedEdge};

#[test]
fn lines_of_a_pipe_are_sent_as_they_come_until_a_signal() {
    let edge = SimulatedEdge::start(Behaviour::default());
    let mut child = tapeline(&["publish", "-", "--edge", &edge.address])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap()).lines();
    writeln!(stdin, "{{oops\n{GOOD}").unwrap();
    assert!(out.next().unwrap().unwrap().starts_with("<stdin>:1: invalid: "));
    assert_eq!(terminate(&mut child), Some(1));
    assert_eq!(out.next().unwrap().unwrap(), "1 accepted, 1 not accepted (1 rejected, 0 failed, 0 unknown)");
    drop(stdin);
}

#[test]
fn signal_ends_the_wait_for_the_writer_of_a_pipe() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("f.ndjson");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let mut child = tapeline(&["publish", "f.ndjson", "--edge", "127.0.0.1:1"])
        .current_dir(folder.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    wait_until_signals_are_handled(&child);
    assert_eq!(terminate(&mut child), Some(1));
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "0 accepted, 0 not accepted\n");
    let expected = "tapeline: publishing stopped before the first line of f.ndjson: 0 accepted, 0 not accepted: interrupted by a signal\n";
    assert_eq!(stderr(&output), expected);
}

#[test]
fn signal_ends_the_wait_for_more_lines_of_a_pipe() {
    let edge = SimulatedEdge::start(Behaviour::default());
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("f.ndjson");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let mut child = tapeline(&["publish", pipe.to_str().unwrap(), "--edge", &edge.address])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut writer = std::fs::OpenOptions::new().write(true).open(&pipe).unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap()).lines();
    writeln!(writer, "{GOOD}\n{{oops").unwrap();
    assert!(out.next().unwrap().unwrap().contains(":2: invalid: "));
    assert_eq!(terminate(&mut child), Some(1));
    assert_eq!(out.next().unwrap().unwrap(), "1 accepted, 1 not accepted (1 rejected, 0 failed, 0 unknown)");
    let stderr = stderr(&child.wait_with_output().unwrap());
    assert!(
        stderr.contains("publishing stopped after line 2 of ") && stderr.contains("by a signal"),
        "{stderr}"
    );
    drop(writer);
}

#[test]
fn signal_ends_a_run_that_waits_for_a_pipe() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let bars = real_bars();
    let bars = ["--bars", bars.to_str().unwrap()];
    for command in ["dev", "replay"] {
        for flag in ["--findings", "--vectors"] {
            let mut child = tapeline(&[command, flag, pipe.to_str().unwrap()]).args(bars).spawn().unwrap();
            wait_until_signals_are_handled(&child);
            let code = if command == "dev" { 0 } else { 1 };
            assert_eq!(terminate(&mut child), Some(code), "{command} {flag}");
        }
    }
}

/// The services of `dev` process the replay.
#[test]
fn signal_ends_a_replay_with_its_report() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    std::fs::write(path("one.ndjson"), GOOD).unwrap();
    let mut cluster = RunningDev::start(&["--findings", path("one.ndjson").to_str().unwrap()]);
    let mut address = |name: &str| cluster.wait_for(name).split(' ').next().unwrap().to_owned();
    let [edge, brokers, registry] = ["edge", "broker", "registry"].map(&mut address);
    // Each has a symbol of its own: a symbol is announced once.
    for (name, symbol) in [("-INT", "AAPL"), ("-TERM", "GOOG")] {
        let (bars, vectors) = (path(symbol), path(&format!("{symbol}.ndjson")));
        let file = format!("{symbol}.csv");
        std::fs::create_dir(&bars).unwrap();
        std::fs::copy(real_bars().join(&file), bars.join(&file)).unwrap();
        let flags = ["--speed", "20", "--brokers", &brokers, "--registry", &registry, "--edge", &edge];
        let child = tapeline(&["replay", "--from", "2012-01-03", "--bars"])
            .arg(&bars)
            .arg("--vectors")
            .arg(&vectors)
            .args(flags)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let deadline = Instant::now() + Duration::from_secs(60);
        while std::fs::metadata(&vectors).map_or(0, |file| file.len()) == 0 {
            assert!(Instant::now() < deadline, "no vector");
            std::thread::park_timeout(Duration::from_millis(20));
        }
        signal(&child, name);
        let output = child.wait_with_output().unwrap();
        let printed = format!("{}{}", String::from_utf8_lossy(&output.stdout), stderr(&output));
        assert_eq!(output.status.code(), Some(1), "{name}: {printed}");
        assert!(printed.ends_with("tapeline: the run was interrupted\n"), "{name}: {printed}");
        assert!(printed.contains("lost 0  doubled 0  reordered 0"), "{name}: {printed}");
    }
}

#[test]
fn signal_ends_a_query_with_1() {
    // A registry that never responds.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let check = ["schemas", "check", "--registry", &url];
    let mut child = tapeline(&check).stderr(Stdio::piped()).spawn().unwrap();
    let _accepted = listener.accept().unwrap();
    assert_eq!(terminate(&mut child), Some(1));
    let output = child.wait_with_output().unwrap();
    assert_eq!(stderr(&output), "tapeline: interrupted by a signal\n");
}

#[test]
fn edge_is_the_address_or_the_url_that_dev_prints() {
    let edge = SimulatedEdge::start(Behaviour::default());
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("f.ndjson");
    std::fs::write(&file, GOOD).unwrap();
    let address = &edge.address;
    let url = format!("http://{address}/v1/findings");
    for (edge, code, text) in [
        (address.clone(), 0, "1 accepted, 0 not accepted\n"),
        (url.clone(), 0, "1 accepted, 0 not accepted\n"),
        (format!("{url}/x"), 2, "its path is /v1/findings/x, expected /v1/findings or none"),
        ("unknown.invalid:80".to_owned(), 3, "failed to resolve edge unknown.invalid:80: "),
        ("unknown.invalid".to_owned(), 2, "the port is missing"),
    ] {
        let output = tapeline(&["publish", file.to_str().unwrap(), "--edge", &edge]).output().unwrap();
        let shown = format!("{}{}", String::from_utf8_lossy(&output.stdout), stderr(&output));
        assert_eq!(output.status.code(), Some(code), "{edge}: {shown}");
        assert!(shown.contains(text), "{edge}: {shown}");
    }
}

#[test]
fn request_names_the_host_as_it_was_given() {
    let edge = SimulatedEdge::start(Behaviour::default());
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("f.ndjson");
    std::fs::write(&file, GOOD).unwrap();
    let named = edge.address.replace("127.0.0.1", "localhost");
    for address in [&named, &edge.address] {
        let output = tapeline(&["publish", file.to_str().unwrap(), "--edge", address]).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    }
    assert_eq!(edge.received().hosts, [named, edge.address.clone()]);
}

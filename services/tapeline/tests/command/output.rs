//! Standard output that is full or closed, for each kind of command.

use std::fs::OpenOptions;
use std::process::Stdio;

use crate::process::{RunningDev, real_bars, stderr, tapeline};
use crate::simulated_edge::{Behaviour, SimulatedEdge};
use devstack::broker::EmbeddedBroker;

fn full() -> Stdio {
    OpenOptions::new().write(true).open("/dev/full").unwrap().into()
}

#[test]
fn full_standard_output_exits_with_1_and_the_cause() {
    let edge = SimulatedEdge::start(Behaviour::default());
    let topics: Vec<(&str, i32)> = contracts::Topic::ALL.iter().map(|topic| (topic.name(), 12)).collect();
    let broker = EmbeddedBroker::start(&topics).unwrap();
    let brokers = broker.bootstrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("f.ndjson");
    std::fs::write(&file, "{oops\n").unwrap();
    let bars = real_bars();
    for command in [
        &["--version"][..],
        &["--help"],
        &["publish", file.to_str().unwrap(), "--edge", &edge.address],
        &["lag", "--brokers", &brokers],
        &["dev", "--bars", bars.to_str().unwrap(), "--until-end"],
    ] {
        let output = tapeline(command).stdout(full()).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{command:?}: {}", stderr(&output));
        let cause = "failed to write to standard output: No space left on device";
        assert!(stderr(&output).contains(cause), "{command:?}: {}", stderr(&output));
    }
}

#[test]
fn dev_continues_after_its_output_is_closed() {
    let mut running = RunningDev::start(&["--speed", "50"]);
    running.wait_for("edge");
    running.close_output();
    assert_eq!(running.interrupt(), 0);
}

//! `replay` sends each dead letter back once.

use std::process::Child;
use std::time::Duration;

use contracts::Topic;
use kafka_io::{GroupOffsets, OwnedRecord, TopicReader};
use tapeline::commands::dead_letters::args::GROUP;

use crate::environment::{CommandOutput, TestBroker, dead_letter_of};

const DEAD_LETTERS: usize = 60;
/// Records in a batch at 20 a second.
const BATCH_RECORDS: usize = 2;

fn numbers(records: &[OwnedRecord]) -> Vec<usize> {
    let text = |record: &OwnedRecord| String::from_utf8(record.payload.clone().unwrap()).unwrap();
    records.iter().map(|record| text(record).parse().unwrap()).collect()
}

/// Returns a broker with [`DEAD_LETTERS`] dead letters, numbered in their payloads.
fn numbered() -> TestBroker {
    let broker = TestBroker::start();
    let dead_letters: Vec<_> = (0..DEAD_LETTERS)
        .map(|n| dead_letter_of(Topic::AlertRaised, "bad_magic", n.to_string().as_bytes(), 0))
        .collect();
    broker.write(&dead_letters);
    broker
}

/// Starts a slow replay and waits until it has sent some dead letters.
fn start_replay(broker: &TestBroker) -> Child {
    let mut reader =
        TopicReader::open(&broker.kafka, &[Topic::AlertRaised], kafka_io::Start::Earliest).unwrap();
    let mut child = broker.command("replay --rate 20").spawn().unwrap();
    let mut sent = 0;
    while sent < DEAD_LETTERS / 6 {
        sent += reader.read(Duration::from_millis(100)).unwrap().len();
        assert_eq!(child.try_wait().unwrap(), None, "the replay exited after {sent} dead letters");
    }
    child
}

#[test]
fn replay_sends_the_original_record_once() {
    let broker = TestBroker::start();
    broker.write(&[
        dead_letter_of(Topic::AlertRaised, "bad_magic", &[9, 1], 0),
        dead_letter_of(Topic::GapDetected, "misplaced", b"gap", 1),
    ]);
    let stdout = broker.run("replay").expect(0);
    assert!(stdout.contains("sent 2, withheld 0, skipped 0"), "{stdout}");
    let sent = [broker.read(Topic::AlertRaised), broker.read(Topic::GapDetected)].concat();
    for (record, payload, generation) in [(&sent[0], &[9_u8, 1][..], "1"), (&sent[1], b"gap", "2")] {
        assert_eq!((record.partition, record.key.as_deref()), (3, Some(&b"AAPL"[..])));
        assert_eq!(record.payload.as_deref(), Some(payload));
        let headers = [
            ("custom", &[0_u8, 255][..]),
            ("custom", b"again"),
            ("tapeline.generation", generation.as_bytes()),
        ];
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_vec()));
        assert_eq!(record.headers, headers);
    }
    let stdout = broker.run("replay").expect(0);
    assert!(stdout.contains("sent 0, withheld 0, skipped 0"), "{stdout}");
    assert_eq!(broker.read(Topic::AlertRaised).len(), 1);
    // A dead letter written afterwards is sent by the next replay.
    broker.write(&[dead_letter_of(Topic::AlertRaised, "bad_magic", &[9, 3], 0)]);
    assert!(broker.run("replay").expect(0).contains("sent 1,"));
}

#[test]
fn dry_run_counts_and_neither_sends_nor_commits() {
    let broker = numbered();
    let stdout = broker.run("replay --dry-run").expect(0);
    assert!(stdout.contains("would send 60") && stdout.contains("60  bad_magic"), "{stdout}");
    assert_eq!(broker.read(Topic::AlertRaised), []);
    assert!(broker.run("replay --dry-run").expect(0).contains("would send 60"));
}

#[test]
fn withheld_dead_letters_exit_with_1() {
    let broker = TestBroker::start();
    broker.write(&[
        dead_letter_of(Topic::AlertRaised, "bad_magic", b"third", 2),
        dead_letter_of(Topic::AlertRaised, "bad_magic", b"second", 1),
        dead_letter_of(Topic::AlertRaised, "bad_magic", b"bytes", 0)
            .with_header("tapeline.truncated", "true"),
    ]);
    let output = broker.run("replay");
    assert!(
        output.err.contains("scanner-bridge.dead-letter[3]@0 bad_magic: dead-lettered too often"),
        "{}",
        output.err
    );
    assert!(
        output.err.contains("scanner-bridge.dead-letter[3]@2 bad_magic: the original bytes are missing"),
        "{}",
        output.err
    );
    assert!(output.expect(1).contains("sent 1, withheld 2, skipped 0"));
    let payloads = |broker: &TestBroker| -> Vec<Vec<u8>> {
        broker.read(Topic::AlertRaised).into_iter().map(|record| record.payload.unwrap()).collect()
    };
    assert_eq!(payloads(&broker), [b"second"]);
    let replay = "replay --service scanner-bridge --partition 3 --offset";
    broker.run(&format!("{replay} 0")).expect(1);
    broker.run(&format!("{replay} 0 --max-generation 4")).expect(0);
    assert_eq!(payloads(&broker), [&b"second"[..], b"third"]);
}

#[test]
fn payload_file_is_sent_instead_of_the_original_payload() {
    let (broker, folder) = (numbered(), tempfile::tempdir().unwrap());
    let file = folder.path().join("corrected");
    std::fs::write(&file, "4711").unwrap();
    let position = "--service scanner-bridge --partition 3 --offset 7";
    broker.run(&format!("replay {position} --payload-file {}", file.display())).expect(0);
    assert_eq!(numbers(&broker.read(Topic::AlertRaised)), [4711]);
    let all = format!("replay --payload-file {}", file.display());
    assert!(broker.run(&all).err.contains("--offset"), "one payload for all dead letters");
}

#[test]
fn other_filters_with_the_same_group_are_rejected() {
    let broker = TestBroker::start();
    let classes = ["bad_magic", "misplaced", "bad_magic"];
    broker.write(&classes.map(|class| dead_letter_of(Topic::AlertRaised, class, class.as_bytes(), 0)));
    assert!(broker.run("replay --class misplaced").expect(0).contains("sent 1, withheld 0, skipped 2"));
    let rejected = broker.run("replay");
    assert!(
        rejected.err.contains("--class misplaced") && rejected.err.contains("--group"),
        "{}",
        rejected.err
    );
    rejected.expect(2);
    assert!(broker.run("replay --class bad_magic --group other").expect(0).contains("sent 2,"));
    assert_eq!(broker.read(Topic::AlertRaised).len(), 3);
}

#[test]
fn killed_replay_continues_and_repeats_nothing_committed() {
    let broker = numbered();
    let mut child = start_replay(&broker);
    child.kill().unwrap();
    child.wait().unwrap();
    let group = GroupOffsets::new(&broker.kafka, GROUP).unwrap();
    let partition = (Topic::ScannerBridgeDeadLetter, 3);
    let committed = group.committed([partition]).unwrap().get(&partition).map_or(0, |it| it.offset);
    let committed = usize::try_from(committed).unwrap();
    assert!(committed > 0 && committed < DEAD_LETTERS, "{committed} dead letters committed at the kill");

    broker.run("replay --rate 1000").expect(0);
    let sent = numbers(&broker.read(Topic::AlertRaised));
    for number in 0..DEAD_LETTERS {
        let times = sent.iter().filter(|sent| **sent == number).count();
        let may_be_repeated = (committed..committed + BATCH_RECORDS).contains(&number);
        assert!(times == 1 || (times == 2 && may_be_repeated), "{number} was sent {times} times: {sent:?}");
    }
}

#[test]
fn interrupted_replay_commits_all_that_it_sent() {
    let broker = numbered();
    let child = start_replay(&broker);
    let sent = std::process::Command::new("kill").arg("-TERM").arg(child.id().to_string()).status().unwrap();
    assert!(sent.success());
    let output = CommandOutput::of(child.wait_with_output().unwrap());
    assert!(output.err.contains("interrupted"), "{}", output.err);
    output.expect(1);
    broker.run("replay --rate 1000").expect(0);
    assert_eq!(numbers(&broker.read(Topic::AlertRaised)), (0..DEAD_LETTERS).collect::<Vec<_>>());
}

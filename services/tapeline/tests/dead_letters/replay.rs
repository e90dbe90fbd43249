//! Letters go back to where they came from, once.

use std::process::Child;
use std::time::Duration;

use contracts::Topic;
use kafka_io::{GroupOffsets, OwnedRecord, TopicReader};
use tapeline::commands::dead_letters::args::GROUP;

use crate::environment::{Desk, Ended, letter};

const LETTERS: usize = 60;
/// Two records a batch at 20 a second.
const BATCH_RECORDS: usize = 2;

fn numbers(records: &[OwnedRecord]) -> Vec<usize> {
    let text = |record: &OwnedRecord| String::from_utf8(record.payload.clone().unwrap()).unwrap();
    records.iter().map(|record| text(record).parse().unwrap()).collect()
}

/// A broker with so many letters, numbered in their payloads.
fn numbered() -> Desk {
    let desk = Desk::start();
    let letters: Vec<_> =
        (0..LETTERS).map(|n| letter(Topic::AlertRaised, "bad_magic", n.to_string().as_bytes(), 0)).collect();
    desk.bury(&letters);
    desk
}

/// A slow replay that has sent some of the letters.
fn underway(desk: &Desk) -> Child {
    let mut reader =
        TopicReader::open(&desk.kafka, &[Topic::AlertRaised], kafka_io::Start::Earliest).unwrap();
    let mut child = desk.command("replay --rate 20").spawn().unwrap();
    let mut seen = 0;
    while seen < LETTERS / 6 {
        seen += reader.read(Duration::from_millis(100)).unwrap().len();
        assert!(child.try_wait().unwrap().is_none(), "the replay has ended with {seen} letters sent");
    }
    child
}

#[test]
fn a_replayed_record_is_the_one_that_died_and_goes_out_once() {
    let desk = Desk::start();
    desk.bury(&[
        letter(Topic::AlertRaised, "bad_magic", &[9, 1], 0),
        letter(Topic::GapDetected, "misplaced", b"gap", 1),
    ]);
    let said = desk.run("replay").expect(0);
    assert!(said.contains("sent 2, held back 0, passed over 0"), "{said}");
    let sent = [desk.read(Topic::AlertRaised), desk.read(Topic::GapDetected)].concat();
    for (record, payload, generation) in [(&sent[0], &[9_u8, 1][..], "1"), (&sent[1], b"gap", "2")] {
        assert_eq!((record.partition, record.key.as_deref()), (3, Some(&b"AAPL"[..])));
        assert_eq!(record.payload.as_deref(), Some(payload));
        let headers =
            [("mine", &[0_u8, 255][..]), ("mine", b"again"), ("tapeline.generation", generation.as_bytes())];
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_vec()));
        assert_eq!(record.headers, headers);
    }
    let said = desk.run("replay").expect(0);
    assert!(said.contains("sent 0, held back 0, passed over 0"), "{said}");
    assert_eq!(desk.read(Topic::AlertRaised).len(), 1);
    // What is written afterwards is the next replay's.
    desk.bury(&[letter(Topic::AlertRaised, "bad_magic", &[9, 3], 0)]);
    assert!(desk.run("replay").expect(0).contains("sent 1,"));
}

#[test]
fn a_dry_run_counts_and_sends_and_remembers_nothing() {
    let desk = numbered();
    let said = desk.run("replay --dry-run").expect(0);
    assert!(said.contains("would send 60") && said.contains("60  bad_magic"), "{said}");
    assert_eq!(desk.read(Topic::AlertRaised), []);
    assert!(desk.run("replay --dry-run").expect(0).contains("would send 60"));
}

#[test]
fn a_letter_that_died_too_often_stays_and_the_exit_code_says_so() {
    let desk = Desk::start();
    desk.bury(&[
        letter(Topic::AlertRaised, "bad_magic", b"third", 2),
        letter(Topic::AlertRaised, "bad_magic", b"second", 1),
        letter(Topic::AlertRaised, "bad_magic", b"bytes", 0).with_header("tapeline.truncated", "true"),
    ]);
    let ended = desk.run("replay");
    assert!(ended.err.contains("scanner-bridge.dead-letter[3]@0 bad_magic: died too often"), "{}", ended.err);
    assert!(
        ended.err.contains("scanner-bridge.dead-letter[3]@2 bad_magic: the letter doesn't hold"),
        "{}",
        ended.err
    );
    assert!(ended.expect(1).contains("sent 1, held back 2, passed over 0"));
    let payloads = |desk: &Desk| -> Vec<Vec<u8>> {
        desk.read(Topic::AlertRaised).into_iter().map(|record| record.payload.unwrap()).collect()
    };
    assert_eq!(payloads(&desk), [b"second"]);
    let place = "replay --service scanner-bridge --partition 3 --offset";
    desk.run(&format!("{place} 0")).expect(1);
    desk.run(&format!("{place} 0 --max-generation 4")).expect(0);
    assert_eq!(payloads(&desk), [&b"second"[..], b"third"]);
}

#[test]
fn a_mended_record_goes_out_in_place_of_the_bytes_that_died() {
    let (desk, folder) = (numbered(), tempfile::tempdir().unwrap());
    let file = folder.path().join("mended");
    std::fs::write(&file, "4711").unwrap();
    let place = "--service scanner-bridge --partition 3 --offset 7";
    desk.run(&format!("replay {place} --payload-file {}", file.display())).expect(0);
    assert_eq!(numbers(&desk.read(Topic::AlertRaised)), [4711]);
    let all = format!("replay --payload-file {}", file.display());
    assert!(desk.run(&all).err.contains("--offset"), "the same bytes for all letters");
}

#[test]
fn other_filters_under_the_same_group_are_refused() {
    let desk = Desk::start();
    let classes = ["bad_magic", "misplaced", "bad_magic"];
    desk.bury(&classes.map(|class| letter(Topic::AlertRaised, class, class.as_bytes(), 0)));
    assert!(desk.run("replay --class misplaced").expect(0).contains("sent 1, held back 0, passed over 2"));
    let refused = desk.run("replay");
    assert!(refused.err.contains("--class misplaced") && refused.err.contains("--group"), "{}", refused.err);
    refused.expect(2);
    assert!(desk.run("replay --class bad_magic --group other").expect(0).contains("sent 2,"));
    assert_eq!(desk.read(Topic::AlertRaised).len(), 3);
}

#[test]
fn a_killed_replay_goes_on_and_repeats_nothing_that_was_committed() {
    let desk = numbered();
    let mut child = underway(&desk);
    child.kill().unwrap();
    child.wait().unwrap();
    let group = GroupOffsets::new(&desk.kafka, GROUP).unwrap();
    let place = (Topic::ScannerBridgeDeadLetter, 3);
    let committed = group.committed([place]).unwrap().get(&place).map_or(0, |it| it.offset);
    let committed = usize::try_from(committed).unwrap();
    assert!(committed > 0 && committed < LETTERS, "{committed} letters were committed at the kill");

    desk.run("replay --rate 1000").expect(0);
    let sent = numbers(&desk.read(Topic::AlertRaised));
    for number in 0..LETTERS {
        let times = sent.iter().filter(|sent| **sent == number).count();
        let may_be_repeated = (committed..committed + BATCH_RECORDS).contains(&number);
        assert!(times == 1 || (times == 2 && may_be_repeated), "{number} was sent {times} times: {sent:?}");
    }
}

#[test]
fn a_replay_that_is_asked_to_end_remembers_all_that_it_sent() {
    let desk = numbered();
    let child = underway(&desk);
    let sent = std::process::Command::new("kill").arg("-TERM").arg(child.id().to_string()).status().unwrap();
    assert!(sent.success());
    let ended = Ended::of(child.wait_with_output().unwrap());
    assert!(ended.err.contains("interrupted"), "{}", ended.err);
    ended.expect(1);
    desk.run("replay --rate 1000").expect(0);
    assert_eq!(numbers(&desk.read(Topic::AlertRaised)), (0..LETTERS).collect::<Vec<_>>());
}

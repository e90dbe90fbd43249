//! A proposal's way through the announcer, without Kafka.

use std::sync::Arc;

use contracts::Event;
use contracts::bounds::{ID_BYTES_MAX, METRICS_MAX, TEXT_BYTES_MAX};
use kafka_io::{Headers, KafkaStage};
use testkit::OwnSchemas;

use super::*;
use crate::rules::announce::DEFAULT_WINDOW_MICROS;

/// 2024-07-10T20:00:00Z.
const WALL_MICROS: i64 = 1_720_641_600_000_000;

struct Bench {
    wire: Wire,
    stage: AnnouncerStage,
    offset: i64,
}

fn bench() -> Bench {
    let wire =
        Wire::new("publisher", Topic::PublisherDeadLetter, 12, OwnSchemas::ids(), Arc::new(OwnSchemas));
    let stage = AnnouncerStage::new(wire.clone(), Announcer::new(DEFAULT_WINDOW_MICROS, 100));
    Bench { wire, stage, offset: 0 }
}

fn proposal(from_layer: Option<i32>, to_layer: i32, hours: i64) -> Proposal {
    Proposal {
        event_id: ids::event_id(),
        occurred_at: WALL_MICROS + hours * 3_600_000_000,
        source: "test".into(),
        correlation_id: None,
        symbol: "AAPL".into(),
        from_layer,
        to_layer,
        reason: "liquid".into(),
        metrics: [("adv".to_owned(), 1e9)].into(),
    }
}

impl Bench {
    fn propose(&mut self, from_layer: Option<i32>, to_layer: i32, hours: i64) -> Verdict<OutRecord> {
        self.process(&proposal(from_layer, to_layer, hours), hours)
    }

    fn process(&mut self, proposal: &Proposal, hours: i64) -> Verdict<OutRecord> {
        let record = self.wire.write(proposal, Some("00-1-2-01")).unwrap();
        self.offset += 1;
        let source = InputPartition { topic: 0, partition: record.partition };
        let id = RecordId { input: source, epoch: Epoch(1), offset: self.offset };
        let record = InRecord {
            topic: record.topic,
            partition: record.partition,
            offset: self.offset,
            timestamp_ms: 0,
            key: Some(&record.key),
            payload: Some(&record.payload),
            epoch: None,
            traceparent: Some("00-1-2-01"),
            headers: Headers::none(),
        };
        let now = Now { monotonic: Duration::ZERO, wall_micros: WALL_MICROS + hours * 3_600_000_000 };
        self.stage.process(id, record, now, &mut Effects::default())
    }

    fn announced<E: Event>(&self, verdict: Verdict<OutRecord>) -> E {
        let Verdict::Emit(outputs) = verdict else { panic!("{verdict:?}") };
        assert_eq!(outputs[0].headers[0].1, b"00-1-2-01", "the trace goes on");
        contracts::Codec::new().decode(outputs[0].payload.as_slice(), &OwnSchemas).unwrap()
    }
}

#[test]
fn a_proposal_without_a_layer_behind_it_qualifies_and_one_with_is_a_promotion() {
    let mut bench = bench();
    let verdict = bench.propose(None, 1, 0);
    let qualified: Qualification = bench.announced(verdict);
    assert_eq!((qualified.layer, qualified.metrics["adv"]), (1, 1e9));
    assert!(qualified.correlation_id.is_some(), "the proposal's id goes on as the cause");
    let verdict = bench.propose(Some(1), 2, 0);
    let promoted: Promotion = bench.announced(verdict);
    assert_eq!((promoted.from_layer, promoted.to_layer), (1, 2));
}

#[test]
fn the_same_is_announced_once_within_its_window_and_again_after_it() {
    let mut bench = bench();
    assert!(matches!(bench.propose(None, 1, 0), Verdict::Emit(_)));
    assert!(matches!(bench.propose(None, 1, 23), Verdict::Drop(DUPLICATE)));
    assert!(matches!(bench.propose(None, 2, 23), Verdict::Emit(_)), "another layer");
    assert!(matches!(bench.propose(None, 1, 25), Verdict::Emit(_)), "the window has passed");
}

#[test]
fn the_largest_proposal_that_is_valid_is_announced() {
    let mut bench = bench();
    let id = |letter: &str| letter.repeat(ID_BYTES_MAX);
    let largest = Proposal {
        source: id("s"),
        correlation_id: Some(id("c")),
        reason: "r".repeat(TEXT_BYTES_MAX),
        metrics: (0..METRICS_MAX).map(|number| (format!("{number:0>ID_BYTES_MAX$}"), 1.0)).collect(),
        ..proposal(Some(1), 2, 0)
    };
    let verdict = bench.process(&largest, 0);
    let promoted: Promotion = bench.announced(verdict);
    assert_eq!((promoted.reason, promoted.metrics), (largest.reason, largest.metrics));
}

#[test]
fn a_proposal_beyond_the_bounds_is_a_dead_letter_and_the_next_is_announced() {
    let mut bench = bench();
    let huge = Proposal { reason: "r".repeat(999_000), ..proposal(None, 1, 0) };
    let Verdict::Reject(letter) = bench.process(&huge, 0) else { panic!("not rejected") };
    assert!(letter.headers.iter().any(|(_, value)| value == b"invalid"), "{:?}", letter.headers);
    assert!(matches!(bench.propose(None, 1, 0), Verdict::Emit(_)), "it opened no window");
}

fn at(hours: i64) -> Now {
    Now { monotonic: Duration::ZERO, wall_micros: WALL_MICROS + hours * 3_600_000_000 }
}

/// The next owner, which reads these announcements and the hours at which they were appended.
fn successor(announcements: &[(OutRecord, i64)], now: Now) -> Bench {
    let mut next = bench();
    for (output, hours) in announcements {
        let headers: Vec<(String, Vec<u8>)> =
            output.headers.iter().map(|(name, value)| (name.to_string(), value.clone())).collect();
        let record = InRecord {
            topic: output.topic,
            partition: output.partition,
            offset: 0,
            timestamp_ms: at(*hours).wall_micros / 1_000,
            key: Some(&output.key),
            payload: Some(&output.payload),
            epoch: None,
            traceparent: None,
            headers: Headers::listed(&headers),
        };
        next.stage.restore_record(&record, now).unwrap();
    }
    next
}

fn note(bench: &Bench, name: &str) -> u64 {
    bench.stage.notes().iter().find(|note| note.name.strip_prefix("tapeline_") == Some(name)).unwrap().value
}

/// Proposals that come before and after one another, in windows and out of them: the announcer that took over in between judges
/// each as the one that went on would have.
#[test]
fn an_announcer_that_takes_over_at_any_moment_announces_what_the_first_would_have() {
    // (from, to, occurred at, comes at), in hours.
    let proposals = [
        (None, 1, 0, 0),
        (Some(1), 2, 0, 1),
        (None, 1, 20, 20),
        (None, 1, -30, 21), // older: it passes, and opens none
        (None, 1, -30, 22), // and again
        (None, 1, -10, 23),
        (None, 1, 24, 24), // the end of the first window, by event time
        (None, 1, 0, 25),  // forgotten by the clock: it opens one, with an old occurrence
        (None, 1, 25, 25), // later
        (Some(1), 2, 24, 26),
        (None, 1, 49, 49),
        (None, 2, 49, 50),
        (None, 1, 50, 51),
    ];
    for crash in 0..=proposals.len() {
        let (mut steady, mut mortal) = (bench(), bench());
        let mut log = Vec::new();
        for (number, (from, to, occurred, comes)) in proposals.into_iter().enumerate() {
            if number == crash {
                log.sort_by_key(|(output, _): &(OutRecord, i64)| output.topic == Topic::SymbolQualified);
                mortal = successor(&log, at(comes));
            }
            let proposal = proposal(from, to, occurred);
            let announced = matches!(steady.process(&proposal, comes), Verdict::Emit(_));
            match mortal.process(&proposal, comes) {
                Verdict::Emit(outputs) => {
                    assert!(announced, "proposal {number} after a crash before {crash}");
                    log.extend(outputs.into_iter().map(|output| (output, comes)));
                }
                _ => assert!(!announced, "proposal {number} after a crash before {crash}"),
            }
        }
    }
}

#[test]
fn what_cannot_be_read_again_is_counted_and_what_is_over_is_not_held() {
    let mut first = bench();
    let Verdict::Emit(mut outputs) = first.propose(None, 1, 0) else { panic!("not announced") };
    let output = outputs.remove(0);
    let mut cut = output.clone();
    cut.payload.truncate(9);
    let next = successor(&[(output.clone(), 0), (cut, 0)], at(1));
    assert_eq!(
        ["restore_applied_records_total", "restore_skipped_records_total", "dedup_windows"]
            .map(|name| note(&next, name)),
        [1, 1, 1]
    );
    assert_eq!(note(&successor(&[(output.clone(), 0)], at(25)), "windows"), 0);
    let mut gone = successor(&[(output.clone(), 0)], at(1));
    gone.stage.restore_abandoned(output.partition);
    assert_eq!(note(&gone, "dedup_windows"), 0);
}

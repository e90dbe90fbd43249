//! The announcer without Kafka.

use contracts::Event;
use contracts::bounds::{ID_BYTES_MAX, METRICS_MAX, TEXT_BYTES_MAX};
use testkit::StageBench;
use testkit::stage_bench::{PARTITIONS, START_MICROS, emitted, now_after, rejected, wire};

use super::*;
use crate::rules::announce::DEFAULT_WINDOW_MICROS;

const HOUR_MICROS: i64 = 3_600_000_000;
const TRACE: &str = "00-1-2-01";

type Bench = StageBench<AnnouncerStage>;

fn bench() -> Bench {
    bench_with(Announcer::new(DEFAULT_WINDOW_MICROS, 100))
}

fn bench_with(announcer: Announcer) -> Bench {
    let wire = wire("publisher", Topic::PublisherDeadLetter);
    let stage = AnnouncerStage::new(wire.clone(), announcer);
    let mut bench = StageBench::new(wire, &[INPUT], stage);
    bench.traceparent = Some(TRACE);
    bench
}

/// The time after this number of hours.
fn hour(hours: u64) -> Now {
    now_after(Duration::from_secs(hours * 3_600))
}

/// A proposal whose occurrence is this number of hours after the start.
fn proposal(from_layer: Option<i32>, to_layer: i32, hours: i64) -> Proposal {
    Proposal {
        event_id: ids::event_id(),
        occurred_at: START_MICROS + hours * HOUR_MICROS,
        source: "test".into(),
        correlation_id: None,
        symbol: "AAPL".into(),
        from_layer,
        to_layer,
        reason: "liquid".into(),
        metrics: [("adv".to_owned(), 1e9)].into(),
    }
}

fn announced<E: Event>(bench: &Bench, verdict: Verdict<OutRecord>) -> E {
    let outputs = emitted(verdict);
    assert_eq!(outputs[0].headers[0].1, TRACE.as_bytes(), "the trace is passed on");
    bench.decode(&outputs[0])
}

/// Processes a proposal that occurs at this hour.
fn propose(bench: &mut Bench, from_layer: Option<i32>, to_layer: i32, hours: u64) -> Verdict<OutRecord> {
    bench.process(&proposal(from_layer, to_layer, i64::try_from(hours).unwrap()), hour(hours))
}

#[test]
fn proposal_with_a_current_layer_is_a_promotion() {
    let mut bench = bench();
    let first = proposal(None, 1, 0);
    let verdict = bench.process(&first, hour(0));
    let qualified: Qualification = announced(&bench, verdict);
    assert_eq!((qualified.layer, qualified.metrics["adv"]), (1, 1e9));
    assert_eq!(qualified.correlation_id, Some(first.event_id), "the proposal's id is the correlation id");
    let verdict = propose(&mut bench, Some(1), 2, 0);
    let promoted: Promotion = announced(&bench, verdict);
    assert_eq!((promoted.from_layer, promoted.to_layer), (1, 2));
}

#[test]
fn proposal_within_its_window_is_dropped_as_duplicate() {
    let mut bench = bench();
    assert!(matches!(propose(&mut bench, None, 1, 0), Verdict::Emit(_)));
    assert!(matches!(propose(&mut bench, None, 1, 23), Verdict::Drop(DUPLICATE)));
    assert!(matches!(propose(&mut bench, None, 2, 23), Verdict::Emit(_)), "another layer");
    assert!(matches!(propose(&mut bench, None, 1, 25), Verdict::Emit(_)), "the window has passed");
}

#[test]
fn announcer_holds_no_window_after_an_idle_hour() {
    let mut bench = bench_with(Announcer::new(HOUR_MICROS / 2, 1_000));
    let symbols = ('A'..='Z').flat_map(|first| ('A'..='Z').map(move |second| format!("{first}{second}")));
    for symbol in symbols {
        let verdict = bench.process(&Proposal { symbol, ..proposal(None, 1, 0) }, hour(0));
        assert!(matches!(verdict, Verdict::Emit(_)), "{verdict:?}");
    }
    assert_eq!(bench.note(names::DEDUP_WINDOWS.name), 26 * 26);
    assert_eq!(bench.bound("dedup_windows"), (26 * 26, 1_000 * u64::try_from(PARTITIONS).unwrap()));
    bench.run_idle(Duration::ZERO, Duration::from_secs(3_600));
    assert_eq!(bench.note(names::DEDUP_WINDOWS.name), 0);
}

#[test]
fn proposal_at_all_limits_is_announced() {
    let mut bench = bench();
    let id = |text: &str| text.repeat(ID_BYTES_MAX);
    let maximal = Proposal {
        source: id("s"),
        correlation_id: Some(id("c")),
        reason: "r".repeat(TEXT_BYTES_MAX),
        metrics: (0..METRICS_MAX).map(|number| (format!("{number:0>ID_BYTES_MAX$}"), 1.0)).collect(),
        ..proposal(Some(1), 2, 0)
    };
    let verdict = bench.process(&maximal, hour(0));
    let promoted: Promotion = announced(&bench, verdict);
    assert_eq!((promoted.reason, promoted.metrics), (maximal.reason, maximal.metrics));
}

#[test]
fn oversized_proposal_is_dead_lettered_and_opens_no_window() {
    let mut bench = bench();
    let huge = Proposal { reason: "r".repeat(999_000), ..proposal(None, 1, 0) };
    assert_eq!(rejected(bench.process(&huge, hour(0))).class, "invalid");
    assert!(matches!(propose(&mut bench, None, 1, 0), Verdict::Emit(_)), "it opened no window");
}

/// The next owner of the partition, which restores these announcements, appended at these hours.
fn successor(announcements: &[(OutRecord, u64)], now: Now) -> Bench {
    let mut next = bench();
    for (output, hours) in announcements {
        next.restore(output, hour(*hours), now);
    }
    next
}

/// Proposals inside, before and after windows, in any order: the announcer that restored its windows in between decides each as the
/// one that ran all the time.
#[test]
fn successor_announces_what_the_first_owner_would_have() {
    // (from, to, occurred at, processed at), in hours.
    let proposals = [
        (None, 1, 0, 0),
        (Some(1), 2, 0, 1),
        (None, 1, 20, 20),
        (None, 1, -30, 21), // before the window: announced, opens none
        (None, 1, -30, 22), // again
        (None, 1, -10, 23),
        (None, 1, 24, 24), // the end of the first window, by event time
        (None, 1, 0, 25),  // the window is expired: opens one with an old occurrence
        (None, 1, 25, 25), // after the window
        (Some(1), 2, 24, 26),
        (None, 1, 49, 49),
        (None, 2, 49, 50),
        (None, 1, 50, 51),
    ];
    for crash in 0..=proposals.len() {
        let (mut steady, mut restarted) = (bench(), bench());
        let mut log = Vec::new();
        for (number, (from, to, occurred, processed)) in proposals.into_iter().enumerate() {
            if number == crash {
                log.sort_by_key(|(output, _): &(OutRecord, u64)| output.topic == Topic::SymbolQualified);
                restarted = successor(&log, hour(processed));
            }
            let proposal = proposal(from, to, occurred);
            let announced = matches!(steady.process(&proposal, hour(processed)), Verdict::Emit(_));
            match restarted.process(&proposal, hour(processed)) {
                Verdict::Emit(outputs) => {
                    assert!(announced, "proposal {number} after a crash before {crash}");
                    log.extend(outputs.into_iter().map(|output| (output, processed)));
                }
                _ => assert!(!announced, "proposal {number} after a crash before {crash}"),
            }
        }
    }
}

#[test]
fn truncated_announcement_is_counted_on_restoration() {
    let mut first = bench();
    let output = emitted(propose(&mut first, None, 1, 0)).remove(0);
    let mut cut = output.clone();
    cut.payload.truncate(9);
    let next = successor(&[(output.clone(), 0), (cut, 0)], hour(1));
    assert_eq!(
        [names::RESTORE_APPLIED, names::RESTORE_SKIPPED, names::DEDUP_WINDOWS].map(|it| next.note(it.name)),
        [1, 1, 1]
    );
}

#[test]
fn expired_or_abandoned_window_is_not_restored() {
    let output = emitted(propose(&mut bench(), None, 1, 0)).remove(0);
    assert_eq!(successor(&[(output.clone(), 0)], hour(25)).note(names::DEDUP_WINDOWS.name), 0);
    let mut abandoned = successor(&[(output.clone(), 0)], hour(1));
    assert_eq!(abandoned.note(names::DEDUP_WINDOWS.name), 1);
    abandoned.stage.restore_abandoned(output.partition);
    assert_eq!(abandoned.note(names::DEDUP_WINDOWS.name), 0);
}

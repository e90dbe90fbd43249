//! Two drivers in one group: partitions move during processing, and no record is lost or duplicated.
#![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

mod common;

use std::collections::BTreeMap;

use common::stage::HELD_MAX;
use common::{Mock, PARTITIONS, Running, eventually};
use contracts::Topic;
use pipeline::Stop;

const GROUP: &str = "tapeline.test";

fn write_round(mock: &Mock, round: i32, command: &str) {
    let texts: Vec<String> =
        (0..PARTITIONS).map(|partition| format!("{command} {round}-{partition}")).collect();
    let records: Vec<(i32, &str)> = (0..PARTITIONS).zip(texts.iter().map(String::as_str)).collect();
    mock.write(Topic::AlertRaised, &records);
}

/// Completes the held records. Returns their number.
fn complete(running: &Running) -> usize {
    let held: Vec<_> = running.work.try_iter().collect();
    let count = held.len();
    for done in held {
        running.completions.send(done).unwrap();
    }
    count
}

fn partitions(running: &Running) -> usize {
    running.counts.latest().partitions
}

#[test]
fn moving_partitions_emit_each_record_once() {
    let mock = Mock::start();
    let first = Running::start(&mock.config, GROUP, &[]).ready();
    eventually("the first driver owns all partitions", || partitions(&first) == 12);
    let mut rounds = 0;
    let mut write_and_complete = |running: &[&Running]| {
        write_round(&mock, rounds, if rounds % 2 == 0 { "emit" } else { "hold" });
        rounds += 1;
        running.iter().map(|running| complete(running)).sum::<usize>()
    };
    let second = Running::start(&mock.config, GROUP, &[]);
    eventually("each driver owns half", || {
        write_and_complete(&[&first, &second]);
        partitions(&first) == 6 && partitions(&second) == 6
    });
    for _ in 0..10 {
        write_and_complete(&[&first, &second]);
    }
    first.shutdown.request();
    eventually("the first driver has ended", || {
        complete(&first);
        first.thread.is_finished()
    });
    assert_eq!(first.stop(), Stop::Drained);
    eventually("the second driver owns all partitions", || {
        write_and_complete(&[&second]);
        partitions(&second) == 12
    });
    eventually("all is emitted", || {
        complete(&second);
        mock.committed(GROUP, Topic::AlertRaised).iter().all(|offset| *offset == Some(i64::from(rounds)))
    });
    let violations = second.counts.latest().violations;
    assert_eq!((second.stop(), violations), (Stop::Drained, 0));
    let mut emitted = BTreeMap::<String, u32>::new();
    for text in mock.texts(Topic::VectorComputed) {
        *emitted.entry(text).or_default() += 1;
    }
    assert_eq!(emitted.len(), usize::try_from(rounds * PARTITIONS).unwrap());
    assert!(emitted.values().all(|times| *times == 1), "{emitted:?}");
}

#[test]
fn revoked_partition_is_drained_before_it_moves() {
    let mock = Mock::start();
    let first = Running::start(&mock.config, GROUP, &[]).ready();
    eventually("the first driver owns all partitions", || partitions(&first) == 12);
    write_round(&mock, 0, "hold");
    eventually("all is held", || first.counts.latest().counts.held == 12);
    let held: Vec<_> = first.work.try_iter().collect();
    let second = Running::start(&mock.config, GROUP, &[]);
    eventually("the drain has begun", || first.has_begun_drain());
    assert_eq!((partitions(&second), first.counts.latest().counts.held), (0, 12));
    for done in held {
        first.completions.send(done).unwrap();
    }
    eventually("each driver owns half", || partitions(&first) == 6 && partitions(&second) == 6);
    assert_eq!(first.counts.latest().counts.emitted, 12);
    eventually("all is committed", || mock.committed(GROUP, Topic::AlertRaised) == [Some(1); 12]);
    assert_eq!(second.counts.latest().counts.received, 0);
    assert_eq!((first.stop(), second.stop()), (Stop::Drained, Stop::Drained));
    assert_eq!(mock.read(Topic::VectorComputed).len(), 12);
}

#[test]
fn partition_revoked_while_paused_is_fetched_again() {
    let mock = Mock::start();
    let first = Running::start(&mock.config, GROUP, &[]).ready();
    eventually("the first driver owns all partitions", || partitions(&first) == 12);
    let mut rounds = 0;
    let mut write = |command| {
        write_round(&mock, rounds, command);
        rounds += 1;
    };
    (0..HELD_MAX / 12).for_each(|_| write("hold"));
    eventually("the first driver is full and paused", || {
        first.counts.latest().counts.held == u64::try_from(HELD_MAX).unwrap()
    });
    let second = Running::start(&mock.config, GROUP, &[]);
    eventually("the drain has begun", || first.has_begun_drain());
    eventually("each driver owns half", || {
        complete(&first);
        partitions(&first) == 6 && partitions(&second) == 6
    });
    assert_eq!(second.stop(), Stop::Drained);
    eventually("the first driver owns all partitions again", || partitions(&first) == 12);
    write("emit");
    let ends = [Some(i64::from(rounds)); 12];
    eventually("all is committed", || mock.committed(GROUP, Topic::AlertRaised) == ends);
    assert_eq!(first.stop(), Stop::Drained);
}

//! Two drivers in one group: partitions move while work flows, and nothing is lost or doubled.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::collections::BTreeMap;

use common::{FULL, Mock, PARTITIONS, Running, eventually};
use contracts::Topic;
use pipeline::Stop;

const GROUP: &str = "tapeline.desk";

fn write_a_round(mock: &Mock, round: i32, order: &str) {
    let texts: Vec<String> =
        (0..PARTITIONS).map(|partition| format!("{order} {round}-{partition}")).collect();
    let records: Vec<(i32, &str)> = (0..PARTITIONS).zip(texts.iter().map(String::as_str)).collect();
    mock.write(Topic::AlertRaised, &records);
}

/// Completes whatever workers hold; how many that was.
fn complete(running: &Running) -> usize {
    let held: Vec<_> = running.work.try_iter().collect();
    let count = held.len();
    for done in held {
        running.completions.send(done).unwrap();
    }
    count
}

fn partitions(running: &Running) -> usize {
    running.counts.seen().partitions
}

#[test]
fn partitions_move_between_two_drivers_and_each_record_is_emitted_once() {
    let mock = Mock::start();
    let first = Running::start(&mock.config, GROUP, &[]).ready();
    eventually("the first has all", || partitions(&first) == 12);
    let mut rounds = 0;
    let mut flow = |running: &[&Running]| {
        write_a_round(&mock, rounds, if rounds % 2 == 0 { "emit" } else { "hold" });
        rounds += 1;
        running.iter().map(|running| complete(running)).sum::<usize>()
    };
    let second = Running::start(&mock.config, GROUP, &[]);
    eventually("both share", || {
        flow(&[&first, &second]);
        partitions(&first) == 6 && partitions(&second) == 6
    });
    for _ in 0..10 {
        flow(&[&first, &second]);
    }
    first.shutdown.request();
    eventually("the first is drained", || {
        complete(&first);
        first.thread.is_finished()
    });
    assert_eq!(first.stop(), Stop::Drained);
    eventually("the second has all", || {
        flow(&[&second]);
        partitions(&second) == 12
    });
    eventually("all is emitted", || {
        complete(&second);
        mock.committed(GROUP, Topic::AlertRaised).iter().all(|offset| *offset == Some(i64::from(rounds)))
    });
    let violations = second.counts.seen().violations;
    assert_eq!((second.stop(), violations), (Stop::Drained, 0));
    let mut emitted = BTreeMap::<String, u32>::new();
    for text in mock.texts(Topic::VectorComputed) {
        *emitted.entry(text).or_default() += 1;
    }
    assert_eq!(emitted.len(), usize::try_from(rounds * PARTITIONS).unwrap());
    assert!(emitted.values().all(|times| *times == 1), "{emitted:?}");
}

#[test]
fn a_revoked_partition_is_drained_before_it_is_given_back() {
    let mock = Mock::start();
    let first = Running::start(&mock.config, GROUP, &[]).ready();
    eventually("the first has all", || partitions(&first) == 12);
    write_a_round(&mock, 0, "hold");
    eventually("all is held", || first.counts.seen().counts.held == 12);
    let held: Vec<_> = first.work.try_iter().collect();
    let second = Running::start(&mock.config, GROUP, &[]);
    eventually("the first is asked to give back", || first.is_asked_to_drain());
    assert_eq!((partitions(&second), first.counts.seen().counts.held), (0, 12));
    for done in held {
        first.completions.send(done).unwrap();
    }
    eventually("both share", || partitions(&first) == 6 && partitions(&second) == 6);
    assert_eq!(first.counts.seen().counts.emitted, 12);
    eventually("all is committed", || mock.committed(GROUP, Topic::AlertRaised) == [Some(1); 12]);
    assert_eq!(second.counts.seen().counts.received, 0);
    assert_eq!((first.stop(), second.stop()), (Stop::Drained, Stop::Drained));
    assert_eq!(mock.read(Topic::VectorComputed).len(), 12);
}

#[test]
fn a_partition_that_left_paused_flows_when_it_comes_back() {
    let mock = Mock::start();
    let first = Running::start(&mock.config, GROUP, &[]).ready();
    eventually("the first has all", || partitions(&first) == 12);
    let mut rounds = 0;
    let mut write = |order| {
        write_a_round(&mock, rounds, order);
        rounds += 1;
    };
    (0..FULL / 12).for_each(|_| write("hold"));
    eventually("the first is full, and so is paused", || {
        first.counts.seen().counts.held == u64::try_from(FULL).unwrap()
    });
    let second = Running::start(&mock.config, GROUP, &[]);
    eventually("the first is asked to give back", || first.is_asked_to_drain());
    eventually("both share", || {
        complete(&first);
        partitions(&first) == 6 && partitions(&second) == 6
    });
    assert_eq!(second.stop(), Stop::Drained);
    eventually("the first has all again", || partitions(&first) == 12);
    write("emit");
    let everything = [Some(i64::from(rounds)); 12];
    eventually("all is committed", || mock.committed(GROUP, Topic::AlertRaised) == everything);
    assert_eq!(first.stop(), Stop::Drained);
}

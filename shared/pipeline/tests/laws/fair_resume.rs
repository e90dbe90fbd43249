//! Order in which the partitions of one topic resume.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use pipeline::{Action, Delivery, Event, InputPartition, Options, RecordId};

use crate::harness::{Harness, What, Work, id, start};

fn input(partition: i32) -> InputPartition {
    InputPartition { topic: 0, partition }
}

fn harness(partitions: i32, held_max: u64) -> Harness {
    let mut harness =
        Harness::new(Options { held_records_max: held_max, ..Options::new(Delivery::Transactional) });
    let starts: Vec<_> = (0..partitions).map(|partition| start(input(partition), 0)).collect();
    assert_eq!(harness.apply(Event::Assigned(&starts)), []);
    harness
}

fn holds(offsets: std::ops::Range<i64>) -> Vec<(i64, What)> {
    offsets.map(|offset| (offset, What::Hold)).collect()
}

fn ends(harness: &mut Harness, id: RecordId) -> Vec<Action> {
    harness.apply(Event::Completed(Work::Drop(id)))
}

fn resumed(requested: Vec<Action>) -> Vec<i32> {
    let inputs = requested.into_iter().filter_map(|action| match action {
        Action::Resume(input) => Some(input.partition),
        _ => None,
    });
    inputs.collect()
}

/// An engine with three partitions, the first of which filled the bound and resumed with the others.
fn one_was_served() -> Harness {
    let mut harness = harness(3, 4);
    harness.records(input(0), &holds(0..5));
    for offset in 0..2 {
        assert_eq!(resumed(ends(&mut harness, id(input(0), 1, offset))), []);
    }
    assert_eq!(
        resumed(ends(&mut harness, id(input(0), 1, 2))),
        [0, 1, 2],
        "before the first turn all are alike"
    );
    harness.records(input(0), &holds(5..8));
    for offset in 3..5 {
        assert_eq!(resumed(ends(&mut harness, id(input(0), 1, offset))), []);
    }
    assert_eq!(
        resumed(ends(&mut harness, id(input(0), 1, 5))),
        [1, 2],
        "nothing of them has come in the first turn"
    );
    harness
}

#[test]
fn most_recently_served_partition_waits() {
    let mut harness = one_was_served();
    assert_eq!(resumed(harness.records(input(1), &holds(0..1))), []);
    assert_eq!(resumed(harness.apply(Event::EndReached(input(2), 0))), [0], "each of the others was resumed");
}

#[test]
fn waiting_for_an_empty_partition_is_bounded() {
    let mut harness = one_was_served();
    assert_eq!(harness.engine.next_wake(harness.now()), Some(Duration::from_millis(1_500)));
    harness.now_ms += 1_499;
    assert_eq!(resumed(harness.apply(Event::Tick)), []);
    harness.now_ms += 1;
    assert_eq!(resumed(harness.apply(Event::Tick)), [0]);
    assert_eq!(harness.engine.next_wake(harness.now()), None);
}

#[test]
fn partition_resumed_in_vain_is_first_again() {
    let mut harness = one_was_served();
    harness.records(input(1), &holds(0..3));
    assert_eq!(harness.engine.load().paused, 3);
    assert_eq!(harness.engine.next_wake(harness.now()), None, "no partition waits any more");
    for at in [id(input(0), 1, 6), id(input(0), 1, 7)] {
        assert_eq!(resumed(ends(&mut harness, at)), []);
    }
    assert_eq!(resumed(ends(&mut harness, id(input(1), 1, 0))), [2]);
}

#[test]
fn unassigned_partition_is_not_waited_for() {
    let mut harness = one_was_served();
    harness.records(input(1), &holds(0..1));
    assert_eq!(resumed(harness.apply(Event::Lost(&[input(2)]))), [0]);
}

/// The client fetches in one order, from each partition some records at once, until it is paused.
#[test]
fn overload_serves_partitions_equally() {
    const CHUNK: i64 = 10;
    let partitions = 16;
    let mut harness = harness(partitions, 40);
    let mut is_exact: BTreeSet<InputPartition> = (0..partitions).map(input).collect();
    let mut next: BTreeMap<InputPartition, i64> = is_exact.iter().map(|input| (*input, 0)).collect();
    let mut held = std::collections::VecDeque::new();
    let perform = |is_exact: &mut BTreeSet<InputPartition>, requested: Vec<Action>| {
        for action in requested {
            match action {
                Action::Pause(input) => _ = is_exact.remove(&input),
                Action::Resume(input) => _ = is_exact.insert(input),
                _ => {}
            }
        }
    };
    for _ in 0..800 {
        for input in is_exact.clone() {
            if !is_exact.contains(&input) {
                break;
            }
            let from = next[&input];
            next.insert(input, from + CHUNK);
            held.extend((from..from + CHUNK).map(|offset| id(input, 1, offset)));
            perform(&mut is_exact, harness.records(input, &holds(from..from + CHUNK)));
        }
        for id in held.drain(..held.len().min(20)) {
            perform(&mut is_exact, ends(&mut harness, id));
        }
    }
    let (smallest, largest) = (next.values().min().expect("some"), next.values().max().expect("some"));
    assert!(*smallest > 500 && largest - smallest <= 2 * CHUNK, "{next:?}");
}

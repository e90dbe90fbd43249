//! Who flows first when inputs of one topic may flow again.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use pipeline::{Action, Delivery, Event, InputPartition, Options, RecordId};

use crate::rig::{Rig, Said, What, id, start};

fn input(partition: i32) -> InputPartition {
    InputPartition { topic: 0, partition }
}

fn rig(partitions: i32, held_max: u64) -> Rig {
    let mut rig = Rig::new(Options { held_records_max: held_max, ..Options::new(Delivery::Transactional) });
    let starts: Vec<_> = (0..partitions).map(|partition| start(input(partition), 0)).collect();
    assert_eq!(rig.happens(Event::Assigned(&starts)), []);
    rig
}

fn holds(offsets: std::ops::Range<i64>) -> Vec<(i64, What)> {
    offsets.map(|offset| (offset, What::Hold)).collect()
}

fn ends(rig: &mut Rig, id: RecordId) -> Vec<Action> {
    rig.happens(Event::Completed(Said::Drop(id)))
}

fn resumed(asked: Vec<Action>) -> Vec<i32> {
    let inputs = asked.into_iter().filter_map(|action| match action {
        Action::Resume(input) => Some(input.partition),
        _ => None,
    });
    inputs.collect()
}

/// Three inputs, the first of which has filled the room and flows again with the others.
fn one_was_served() -> Rig {
    let mut rig = rig(3, 4);
    rig.records(input(0), &holds(0..5));
    for offset in 0..2 {
        assert_eq!(resumed(ends(&mut rig, id(input(0), 1, offset))), []);
    }
    assert_eq!(resumed(ends(&mut rig, id(input(0), 1, 2))), [0, 1, 2], "before the first turn all are alike");
    rig.records(input(0), &holds(5..8));
    for offset in 3..5 {
        assert_eq!(resumed(ends(&mut rig, id(input(0), 1, offset))), []);
    }
    assert_eq!(
        resumed(ends(&mut rig, id(input(0), 1, 5))),
        [1, 2],
        "nothing of them has come in the first turn"
    );
    rig
}

#[test]
fn those_who_were_served_last_wait_for_the_others() {
    let mut rig = one_was_served();
    assert_eq!(resumed(rig.records(input(1), &holds(0..1))), []);
    assert_eq!(resumed(rig.happens(Event::EndReached(input(2), 0))), [0], "each of the others had its turn");
}

#[test]
fn they_wait_for_a_source_of_which_nothing_comes_no_longer_than_the_bound() {
    let mut rig = one_was_served();
    assert_eq!(rig.engine.next_wake(rig.now()), Some(Duration::from_millis(1_500)));
    rig.now_ms += 1_499;
    assert_eq!(resumed(rig.happens(Event::Tick)), []);
    rig.now_ms += 1;
    assert_eq!(resumed(rig.happens(Event::Tick)), [0]);
    assert_eq!(rig.engine.next_wake(rig.now()), None);
}

#[test]
fn who_went_first_and_got_nothing_goes_first_again() {
    let mut rig = one_was_served();
    rig.records(input(1), &holds(0..3));
    assert_eq!(rig.engine.load().paused, 3);
    assert_eq!(rig.engine.next_wake(rig.now()), None, "nobody waits for another any more");
    for at in [id(input(0), 1, 6), id(input(0), 1, 7)] {
        assert_eq!(resumed(ends(&mut rig, at)), []);
    }
    assert_eq!(resumed(ends(&mut rig, id(input(1), 1, 0))), [2]);
}

#[test]
fn a_source_that_leaves_is_not_waited_for() {
    let mut rig = one_was_served();
    rig.records(input(1), &holds(0..1));
    assert_eq!(resumed(rig.happens(Event::Lost(&[input(2)]))), [0]);
}

/// A client that fetches in one order, of each input some records at once, until it is told to pause.
#[test]
fn under_lasting_overload_all_sources_are_served_alike() {
    const CHUNK: i64 = 10;
    let partitions = 16;
    let mut rig = rig(partitions, 40);
    let mut flows: BTreeSet<InputPartition> = (0..partitions).map(input).collect();
    let mut next: BTreeMap<InputPartition, i64> = flows.iter().map(|input| (*input, 0)).collect();
    let mut held = std::collections::VecDeque::new();
    let hear = |flows: &mut BTreeSet<InputPartition>, asked: Vec<Action>| {
        for action in asked {
            match action {
                Action::Pause(input) => _ = flows.remove(&input),
                Action::Resume(input) => _ = flows.insert(input),
                _ => {}
            }
        }
    };
    for _ in 0..800 {
        for input in flows.clone() {
            if !flows.contains(&input) {
                break;
            }
            let from = next[&input];
            next.insert(input, from + CHUNK);
            held.extend((from..from + CHUNK).map(|offset| id(input, 1, offset)));
            hear(&mut flows, rig.records(input, &holds(from..from + CHUNK)));
        }
        for id in held.drain(..held.len().min(20)) {
            hear(&mut flows, ends(&mut rig, id));
        }
    }
    let (least, most) = (next.values().min().expect("some"), next.values().max().expect("some"));
    assert!(*least > 500 && most - least <= 2 * CHUNK, "{next:?}");
}

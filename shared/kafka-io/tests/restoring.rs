//! What a stage reads again of its own outputs, on a mocked broker: all of it, before the first record, whatever comes between.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use common::{Mock, PARTITIONS, Running, eventually};
use contracts::Topic;
use kafka_io::{Hooks, Restore};
use pipeline::Stop;

const GROUP: &str = "tapeline.desk";

#[derive(Default, Clone)]
struct World {
    away: Arc<AtomicBool>,
    abandoned: Arc<AtomicUsize>,
}

fn start(mock: &Mock, world: &World) -> Running {
    let world = world.clone();
    Running::start_as(&mock.config, GROUP, Hooks::default(), |desk| {
        desk.restores = vec![Restore { topic: Topic::VectorComputed, back: Duration::from_secs(60) }];
        (desk.away, desk.abandoned) = (world.away, world.abandoned);
    })
}

fn count_all(mock: &Mock) {
    let records: Vec<(i32, &str)> = (0..PARTITIONS).map(|partition| (partition, "count")).collect();
    mock.write(Topic::AlertRaised, &records);
}

#[test]
fn the_first_record_is_judged_with_everything_restored() {
    let mock = Mock::start();
    for partition in 0..PARTITIONS {
        let count = usize::try_from(partition).unwrap() * 300;
        mock.write(Topic::VectorComputed, &vec![(partition, "old"); count]);
    }
    count_all(&mock);
    let running = start(&mock, &World::default());
    eventually("all is emitted", || running.counts.seen().counts.emitted == 12);
    let texts = mock.texts(Topic::VectorComputed);
    for partition in 0..12 {
        assert!(texts.contains(&format!("count: {}", partition * 300)), "{partition}");
    }
    eventually("it is ready", || running.counts.seen().ready);
    assert_eq!(running.stop(), Stop::Drained);
}

#[test]
fn nothing_is_judged_while_a_partition_is_restored_and_nothing_is_missed_after() {
    let mock = Mock::start();
    let world = World::default();
    world.away.store(true, Ordering::Relaxed);
    mock.write(Topic::VectorComputed, &[(3, "old"), (3, "unavailable"), (3, "old")]);
    mock.write(Topic::AlertRaised, &[(3, "count 1"), (4, "emit 2")]);
    let running = start(&mock, &world);
    eventually("the others flow", || running.counts.seen().counts.emitted == 1);
    let seen = running.counts.seen();
    assert_eq!((seen.restoring, seen.partitions, seen.counts.received), (1, 12, 1));
    eventually("it says how far it is", || running.counts.seen().waits_for == "restoring, 33 %");
    mock.write(Topic::AlertRaised, &[(3, "count 3")]);
    std::thread::park_timeout(Duration::from_millis(700));
    assert_eq!(running.counts.seen().counts.received, 1);
    world.away.store(false, Ordering::Relaxed);
    eventually("all is emitted", || running.counts.seen().counts.emitted == 3);
    let texts = mock.texts(Topic::VectorComputed);
    assert_eq!(texts[3..5], ["count 1: 3", "count 3: 3"]);
    let violations = running.counts.seen().violations;
    assert_eq!((running.stop(), violations), (Stop::Drained, 0));
}

#[test]
fn partitions_that_go_while_they_are_restored_are_restored_by_their_next_owner() {
    let mock = Mock::start();
    let (first, second) = (World::default(), World::default());
    first.away.store(true, Ordering::Relaxed);
    let all: Vec<(i32, &str)> = (0..PARTITIONS).flat_map(|p| [(p, "old"), (p, "unavailable")]).collect();
    mock.write(Topic::VectorComputed, &all);
    let one = start(&mock, &first);
    eventually("it restores", || one.counts.seen().restoring == 12);
    let two = start(&mock, &second);
    eventually("the second has half", || two.counts.seen().ready && two.counts.seen().partitions == 6);
    assert_eq!((one.counts.seen().restoring, first.abandoned.load(Ordering::Relaxed)), (6, 6));
    first.away.store(false, Ordering::Relaxed);
    count_all(&mock);
    let emitted = || one.counts.seen().counts.emitted + two.counts.seen().counts.emitted;
    eventually("all is emitted", || emitted() == 12);
    let counted = mock.texts(Topic::VectorComputed).iter().filter(|text| *text == "count: 2").count();
    assert_eq!(counted, 12);
    assert_eq!((one.stop(), two.stop()), (Stop::Drained, Stop::Drained));
}

#[test]
fn a_stage_that_is_asked_to_end_while_it_restores_ends() {
    let mock = Mock::start();
    let world = World::default();
    world.away.store(true, Ordering::Relaxed);
    mock.write(Topic::VectorComputed, &[(3, "unavailable")]);
    let running = start(&mock, &world);
    eventually("it restores", || {
        running.counts.seen().restoring == 1 && running.counts.seen().partitions == 12
    });
    assert_eq!(running.stop(), Stop::Drained);
    assert_eq!(world.abandoned.load(Ordering::Relaxed), 1);
}

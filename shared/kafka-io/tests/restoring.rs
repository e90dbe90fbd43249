//! Restored outputs on a mocked broker: all are read before the first record is processed.
#![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use common::{Mock, PARTITIONS, Running, eventually};
use contracts::Topic;
use kafka_io::{Hooks, Restore};
use pipeline::Stop;

const GROUP: &str = "tapeline.test";

#[derive(Default, Clone)]
struct Shared {
    registry_unavailable: Arc<AtomicBool>,
    cancelled: Arc<AtomicUsize>,
}

fn start(mock: &Mock, shared: &Shared) -> Running {
    let shared = shared.clone();
    Running::start_as(&mock.config, GROUP, Hooks::default(), |stage| {
        stage.restores = vec![Restore { topic: Topic::VectorComputed, back: Duration::from_secs(60) }];
        (stage.registry_unavailable, stage.cancelled) = (shared.registry_unavailable, shared.cancelled);
    })
}

fn write_count_commands(mock: &Mock) {
    let records: Vec<(i32, &str)> = (0..PARTITIONS).map(|partition| (partition, "count")).collect();
    mock.write(Topic::AlertRaised, &records);
}

#[test]
fn all_outputs_are_restored_before_the_first_record() {
    let mock = Mock::start();
    for partition in 0..PARTITIONS {
        let count = usize::try_from(partition).unwrap() * 300;
        mock.write(Topic::VectorComputed, &vec![(partition, "old"); count]);
    }
    write_count_commands(&mock);
    let running = start(&mock, &Shared::default());
    eventually("all is emitted", || running.counts.latest().counts.emitted == 12);
    let texts = mock.texts(Topic::VectorComputed);
    for partition in 0..12 {
        assert!(texts.contains(&format!("count: {}", partition * 300)), "{partition}");
    }
    eventually("the stage is ready", || running.counts.latest().ready);
    assert_eq!(running.stop(), Stop::Drained);
}

#[test]
fn no_record_is_processed_before_its_partition_is_restored() {
    let mock = Mock::start();
    let shared = Shared::default();
    shared.registry_unavailable.store(true, Ordering::Relaxed);
    mock.write(Topic::VectorComputed, &[(3, "old"), (3, "unavailable"), (3, "old")]);
    mock.write(Topic::AlertRaised, &[(3, "count 1"), (4, "emit 2")]);
    let running = start(&mock, &shared);
    eventually("the other partitions continue", || running.counts.latest().counts.emitted == 1);
    let status = running.counts.latest();
    assert_eq!((status.restoring, status.partitions, status.counts.received), (1, 12, 1));
    eventually("the progress is reported", || running.counts.latest().unready_cause == "restoring, 33 %");
    mock.write(Topic::AlertRaised, &[(3, "count 3")]);
    // Records that are written later to another partition are processed, those of the restoring partition are not.
    for (text, emitted) in [("emit 4", 2), ("emit 5", 3), ("emit 6", 4)] {
        mock.write(Topic::AlertRaised, &[(4, text)]);
        eventually("the later record is emitted", || running.counts.latest().counts.emitted == emitted);
    }
    assert_eq!(running.counts.latest().counts.received, 4);
    shared.registry_unavailable.store(false, Ordering::Relaxed);
    eventually("all is emitted", || running.counts.latest().counts.emitted == 6);
    let texts = mock.texts(Topic::VectorComputed);
    assert_eq!(texts[3..5], ["count 1: 3", "count 3: 3"]);
    let violations = running.counts.latest().violations;
    assert_eq!((running.stop(), violations), (Stop::Drained, 0));
}

#[test]
fn partition_revoked_while_restoring_is_restored_again() {
    let mock = Mock::start();
    let (first, second) = (Shared::default(), Shared::default());
    first.registry_unavailable.store(true, Ordering::Relaxed);
    let all: Vec<(i32, &str)> = (0..PARTITIONS).flat_map(|p| [(p, "old"), (p, "unavailable")]).collect();
    mock.write(Topic::VectorComputed, &all);
    let one = start(&mock, &first);
    eventually("the restoration has begun", || one.counts.latest().restoring == 12);
    let two = start(&mock, &second);
    eventually("the second driver is ready and owns half", || {
        two.counts.latest().ready && two.counts.latest().partitions == 6
    });
    assert_eq!((one.counts.latest().restoring, first.cancelled.load(Ordering::Relaxed)), (6, 6));
    first.registry_unavailable.store(false, Ordering::Relaxed);
    write_count_commands(&mock);
    let emitted = || one.counts.latest().counts.emitted + two.counts.latest().counts.emitted;
    eventually("all is emitted", || emitted() == 12);
    let counted = mock.texts(Topic::VectorComputed).iter().filter(|text| *text == "count: 2").count();
    assert_eq!(counted, 12);
    assert_eq!((one.stop(), two.stop()), (Stop::Drained, Stop::Drained));
}

#[test]
fn shutdown_cancels_a_restoration() {
    let mock = Mock::start();
    let shared = Shared::default();
    shared.registry_unavailable.store(true, Ordering::Relaxed);
    mock.write(Topic::VectorComputed, &[(3, "unavailable")]);
    let running = start(&mock, &shared);
    eventually("the restoration has begun", || {
        running.counts.latest().restoring == 1 && running.counts.latest().partitions == 12
    });
    assert_eq!(running.stop(), Stop::Drained);
    assert_eq!(shared.cancelled.load(Ordering::Relaxed), 1);
}

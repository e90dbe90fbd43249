//! More comes than a stage can do, for as long as one looks.
#![allow(clippy::unwrap_used, reason = "a test that can't go on fails")]

mod common;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use common::{Mock, PARTITIONS, Running, eventually};
use contracts::Topic;
use kafka_io::Hooks;

/// Records of a partition; all of them wait from the beginning.
const EACH: usize = 3_000;

/// Most records that the driver takes before it judges them.
const POLL_MAX: usize = 1_000;

/// How often the stage is full: more often than there are partitions, and all there is would do for 36 times.
const TURNS: usize = 30;

/// Full, finished with all of it, and full again: whichever partitions that comes from.
#[test]
fn no_partition_of_a_full_topic_stands_still() {
    let mock = Mock::start();
    for partition in 0..PARTITIONS {
        mock.write(Topic::AlertRaised, &vec![(partition, "hold"); EACH]);
    }
    let fills = Arc::new(AtomicUsize::new(0));
    let running = Running::start_as(&mock.config, "tapeline.desk", Hooks::default(), |desk| {
        desk.fills = Arc::clone(&fills);
    });
    let mut taken: BTreeMap<i32, usize> = (0..PARTITIONS).map(|partition| (partition, 0)).collect();
    for times in 1..=TURNS {
        eventually("it is full again", || fills.load(Ordering::Relaxed) == times);
        for done in running.work.try_iter() {
            *taken.get_mut(&done.0.input.partition).unwrap() += 1;
            running.completions.send(done).unwrap();
        }
    }
    let (least, most) = (taken.values().min().unwrap(), taken.values().max().unwrap());
    assert!(*least > 0 && most - least <= 2 * POLL_MAX, "{taken:?}");
    running.shutdown.request();
    running.work.iter().for_each(|done| running.completions.send(done).unwrap());
    running.thread.join().unwrap().unwrap();
}

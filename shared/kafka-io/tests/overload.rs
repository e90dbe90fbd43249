//! Overload: more records are available than the stage can hold, during the whole test.
#![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

mod common;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use common::{Mock, PARTITIONS, Running, eventually};
use contracts::Topic;
use kafka_io::Hooks;

/// Records per partition, all written before the start.
const RECORDS: usize = 3_000;

/// Records that the driver fetches before it processes them.
const FETCHED_MAX: usize = 1_000;

/// How often the stage becomes full: more often than there are partitions. All records together would fill it 36 times.
const FILLS: usize = 30;

/// Fills the stage and completes all records, again and again: the records must come from all partitions.
#[test]
fn no_partition_starves_under_overload() {
    let mock = Mock::start();
    for partition in 0..PARTITIONS {
        mock.write(Topic::AlertRaised, &vec![(partition, "hold"); RECORDS]);
    }
    let fills = Arc::new(AtomicUsize::new(0));
    let running = Running::start_as(&mock.config, "tapeline.test", Hooks::default(), |stage| {
        stage.fills = Arc::clone(&fills);
    });
    let mut taken: BTreeMap<i32, usize> = (0..PARTITIONS).map(|partition| (partition, 0)).collect();
    let mut seen = 0;
    for _ in 0..FILLS {
        eventually("the stage is full again", || fills.load(Ordering::Relaxed) > seen);
        // The stage may become full again while its records are being completed.
        seen = fills.load(Ordering::Relaxed);
        for done in running.work.try_iter() {
            *taken.get_mut(&done.0.input.partition).unwrap() += 1;
            running.completions.send(done).unwrap();
        }
    }
    let (least, most) = (taken.values().min().unwrap(), taken.values().max().unwrap());
    assert!(*least > 0 && most - least <= 2 * FETCHED_MAX, "{taken:?}");
    running.shutdown.request();
    running.work.iter().for_each(|done| running.completions.send(done).unwrap());
    running.thread.join().unwrap().unwrap();
}

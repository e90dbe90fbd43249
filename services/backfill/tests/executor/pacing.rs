//! Pace of bars: a bulk into one partition is bounded, and delays neither requests of a higher priority nor other partitions.

use std::time::Duration;

use backfill::config::ExecutorSection;
use backfill::rules::bar_pace::BURST_BARS;
use contracts::RangeRequest;
use pipeline::{Now, Stage};
use testkit::stage_bench::now_after;

use crate::bench::{Bench, id, now, request};

const RATE: u32 = 1_000;

const TICK_MS: u64 = 100;

fn now_ms(millis: u64) -> Now {
    now_after(Duration::from_millis(millis))
}

fn bench(partition_bars_per_s: u32, running_max: usize) -> Bench {
    Bench::with(ExecutorSection { partition_bars_per_s, running_max, ..ExecutorSection::default() })
}

/// Symbols of the partition of AAPL, or of the others.
fn symbols(bench: &Bench, of_own_partition: bool) -> impl Iterator<Item = String> {
    let letters = || 'A'..='Z';
    let all = letters().flat_map(move |a| letters().flat_map(move |b| letters().map(move |c| [a, b, c])));
    let names = all.map(|name| name.iter().collect::<String>());
    names.filter(move |name| (bench.wire.partition_of(name) == bench.partition()) == of_own_partition)
}

/// A request for five years of a symbol: 1,826 bars in six chunks.
fn five_years(number: u128, symbol: &str, priority: i32) -> RangeRequest {
    let request = request(number, "2019-01-01", "2023-12-31");
    RangeRequest { symbol: symbol.to_owned(), priority, ..request }
}

fn hold_bulk(bench: &mut Bench, count: usize) {
    let names: Vec<String> = symbols(bench, true).take(count).collect();
    assert_eq!(names.len(), count);
    for (number, name) in (0..).zip(&names) {
        bench.hold(&five_years(number, name, 5), now(0));
    }
}

fn paced(bench: &Bench) -> u64 {
    bench.note("tapeline_backfill_paced_fetches")
}

#[test]
fn bulk_writes_the_burst_and_the_rate_at_most() {
    let mut bench = bench(RATE, 3);
    hold_bulk(&mut bench, 1_000);
    let bound = |millis: u64| BURST_BARS + u64::from(RATE) * millis / 1_000;
    let written = |bench: &Bench| bench.outputs.bars.len() as u64;
    // A reader with four times the rate; an urgent request that arrives now waits for the bars that it has not read.
    let read_a_tick = 4 * u64::from(RATE) * TICK_MS / 1_000;
    let (mut totals, mut read) = (vec![0], 0);
    for millis in (0..=100).map(|tick| 2_000 + tick * TICK_MS) {
        bench.tick(now_ms(millis));
        loop {
            let jobs = bench.take_jobs();
            if jobs.is_empty() {
                break;
            }
            for job in jobs {
                bench.work(&job, now_ms(millis));
                for (ticks, earlier) in (0..).zip(totals.iter().rev()) {
                    assert!(
                        written(&bench) - earlier <= bound(ticks * TICK_MS),
                        "{ticks} ticks, at {millis} ms"
                    );
                }
                assert!(written(&bench) - read <= BURST_BARS, "unread at {millis} ms");
            }
        }
        totals.push(written(&bench));
        read = written(&bench).min(read + read_a_tick);
    }
    assert!(
        written(&bench) >= bound(10_000) - 4 * 366,
        "it is not slower than the rate: {}",
        written(&bench)
    );
    assert!((1..=7).contains(&paced(&bench)), "no record is held for the others: {}", paced(&bench));
}

#[test]
fn paced_bulk_gives_way_to_an_urgent_request() {
    let mut bench = bench(RATE, 1);
    hold_bulk(&mut bench, 30);
    for millis in (2_000..4_000).step_by(100) {
        bench.work_all(now_ms(millis));
    }
    bench.hold(&five_years(99, "AAPL", 9), now(4));
    for millis in (4_000..6_000).step_by(100) {
        bench.work_all(now_ms(millis));
    }
    let before = bench.started.len();
    for millis in (6_000..9_000).step_by(100) {
        bench.work_all(now_ms(millis));
    }
    let later: Vec<_> = bench.started[before..].iter().map(|job| job.symbol.to_string()).collect();
    assert_eq!(later[..6], ["AAPL"; 6], "all its chunks, before any other one");
    assert!(bench.outputs.ends().contains(&(id(99), 1)));
}

#[test]
fn paced_fetch_leaves_its_slot_to_another_partition() {
    let mut bench = bench(1, 1);
    hold_bulk(&mut bench, 100);
    bench.work_all(now(2));
    let (ended, waiting) = (bench.outputs.ends().len(), paced(&bench));
    assert_eq!((ended, waiting), (4, 4));
    let other = symbols(&bench, false).next().unwrap();
    bench.hold(&five_years(99, &other, 5), now(3));
    bench.work_all(now(5));
    assert_eq!(bench.outputs.ends()[ended..], [(id(99), 1)]);
}

#[test]
fn paced_requests_are_released_in_a_drain() {
    let mut bench = bench(1, 1);
    hold_bulk(&mut bench, 30);
    bench.work_all(now(2));
    let held = bench.held().len();
    assert!(paced(&bench) > 0);
    bench.drain(now(3));
    assert_eq!((bench.held().len(), bench.released, paced(&bench)), (0, held, 0));
    bench.reassign(now(4));
    let started = bench.started.len();
    hold_bulk(&mut bench, 1);
    bench.work_all(now(6));
    let of_second_owner = bench.started.len() - started;
    assert_eq!((of_second_owner, paced(&bench)), (0, 1), "the bucket outlives the assignment");
}

#[test]
fn paced_request_is_cancelled_and_frees_its_fetch() {
    let mut bench = bench(1, 1);
    hold_bulk(&mut bench, 5);
    bench.work_all(now(2));
    let (held, waiting) = (bench.held().len(), paced(&bench));
    let name = symbols(&bench, true).nth(4).unwrap();
    let cancel = RangeRequest { event_id: id(99), cancel: true, ..five_years(4, &name, 5) };
    bench.hold(&cancel, now(3));
    assert_eq!((bench.outputs.failed.len(), bench.held().len()), (1, held - 1));
    assert_eq!(paced(&bench), waiting - 1);
}

#[test]
fn fetches_wait_while_outputs_are_not_acknowledged() {
    let mut bench = bench(RATE, 1);
    bench.set_queued_outputs(7_501);
    hold_bulk(&mut bench, 1);
    bench.work_all(now(2));
    assert_eq!((bench.started.len(), paced(&bench)), (0, 1));
    assert_eq!(bench.stage.next_wake(now(2)), Some(Duration::from_millis(100)));
    bench.set_queued_outputs(7_500);
    bench.work_all(now(3));
    assert_eq!((bench.started.len(), bench.outputs.completed.len()), (6, 1));
}

#[test]
fn rate_of_zero_paces_no_fetch() {
    let mut bench = bench(0, 1);
    hold_bulk(&mut bench, 5);
    bench.work_all(now(2));
    assert_eq!((bench.outputs.completed.len(), paced(&bench)), (5, 0));
}

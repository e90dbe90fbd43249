//! Bounds of the stage: its entries are removed with their work or by the clock, and a full lane is reported.

use super::*;

/// Completes jobs until no more are started.
fn complete_all(bench: &mut Bench) {
    loop {
        let jobs = bench.take_jobs();
        if jobs.is_empty() {
            return;
        }
        jobs.iter().for_each(|job| bench.complete(compute(job), now(1)));
    }
}

#[test]
fn feature_stage_holds_nothing_after_an_idle_hour() {
    let mut bench = holding(10, LIMITS);
    complete_all(&mut bench);
    assert_eq!((bench.outputs().len(), bench.note(REQUESTED_SYMBOLS.name)), (10, 10));
    assert_eq!(bench.bound("requested_symbols").0, 10);
    bench.run_idle(Duration::from_secs(1), Duration::from_secs(3_600));
    assert_eq!(bench.note(REQUESTED_SYMBOLS.name), 0);
    assert!(bench.stage.queue.is_empty() && bench.stage.running.is_empty() && bench.held().is_empty());
}

#[test]
fn full_lane_is_reported_for_its_topic_only() {
    const ORDINARY: u16 = 0;
    const URGENT: u16 = 1;
    let lanes = [(5, ORDINARY, URGENT, "ordinary_requests"), (8, URGENT, ORDINARY, "urgent_requests")];
    for (priority, full, other, bound) in lanes {
        let mut bench = Bench::new();
        bench.set_table_end(5);
        for number in 0..10 {
            assert!(!bench.stage.is_full(full), "{number} requests");
            let mut request = request(&number.to_string(), 5, priority);
            request.symbols[0].occurred_at -= number;
            bench.hold(&request, now(0));
        }
        assert!(bench.stage.is_full(full) && !bench.stage.is_full(other));
        assert_eq!(bench.bound(bound), (10, 10));
        bench.reach(9);
        complete_all(&mut bench);
        assert!(!bench.stage.is_full(full) && bench.held().is_empty());
    }
}

#[test]
fn lane_of_large_requests_is_full_before_its_number() {
    let ordinary = LaneLimits { requests: 100, bytes: 4_000 };
    let mut bench = Bench::with(Limits { ordinary, ..LIMITS });
    bench.set_table_end(5);
    for number in 0..4 {
        assert!(!bench.stage.is_full(0), "{number} requests");
        let mut request = request(&number.to_string(), 5, 5);
        request.symbols[0].occurred_at -= number;
        bench.hold(&request, now(0));
    }
    assert!(bench.stage.is_full(0) && !bench.stage.is_full(1));
    let (used, limit) = bench.bound("ordinary_request_bytes");
    assert!(used >= limit && limit == 4_000, "{used}");
}

#[test]
fn queued_outputs_delay_ordinary_requests_only() {
    let mut bench = Bench::new();
    bench.set_queued_outputs(LIMITS.outputs_max + 1);
    bench.hold(&request("ordinary", 5, 5), now(0));
    bench.hold(&request("urgent", 4, 8), now(0));
    let jobs = bench.take_jobs();
    assert_eq!(jobs.len(), 1);
    bench.complete(compute(&jobs[0]), now(1));
    assert_eq!((bench.outputs().len(), bench.take_jobs().len()), (1, 0));
    bench.set_queued_outputs(LIMITS.outputs_max);
    bench.tick(now(2));
    complete_all(&mut bench);
    assert_eq!(bench.outputs().len(), 1);
    assert!(bench.held().is_empty());
}

#[test]
fn results_that_wait_for_an_earlier_one_are_bounded() {
    let mut bench = holding(3, Limits { waiting_results_bytes_max: 1, ..LIMITS });
    let jobs = bench.take_jobs();
    assert_eq!(jobs.len(), 2);
    bench.complete(compute(&jobs[1]), now(1));
    assert!(bench.bound("waiting_result_bytes").0 > 1);
    assert!(bench.take_jobs().is_empty(), "a worker is free, and no further request starts");
    bench.complete(compute(&jobs[0]), now(1));
    assert_eq!((bench.outputs().len(), bench.take_jobs().len()), (2, 1));
    assert_eq!(bench.bound("waiting_result_bytes").0, 0);
}

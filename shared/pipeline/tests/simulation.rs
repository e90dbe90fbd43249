//! The seeded simulation: several engines in one group, under rebalances, expired sessions, crashes, aborts and holes.
//!
//! A failure prints its seed and the end of its trace. To run only that seed, set `ONE_SEED` and run `cargo test -p pipeline --test
//! simulation one_seed`.

use std::fmt::Write;

use pipeline::{Delivery, Engine};
use testkit::{Failure, Report, Simulation};

/// The seed that `one_seed` runs, in each mode and order.
const ONE_SEED: u64 = 0;
/// Number of seeds for each law.
const SEEDS: u64 = 1_000;

type Count = fn(&Report) -> u64;

fn run(seed: u64, mode: Delivery, in_order: bool) -> Result<Report, Box<Failure>> {
    Simulation { seed, mode, in_order, originates: false }.run(Engine::new)
}

fn run_all(mode: Delivery, in_order: bool) -> Vec<Report> {
    (0..SEEDS).map(|seed| run(seed, mode, in_order).unwrap_or_else(|failure| panic!("\n{failure}"))).collect()
}

#[test]
fn one_seed() {
    for mode in [Delivery::Transactional, Delivery::AtLeastOnce] {
        for in_order in [true, false] {
            run(ONE_SEED, mode, in_order).unwrap_or_else(|failure| panic!("\n{failure}"));
        }
    }
}

#[test]
fn ordered_processing_is_exactly_once() {
    run_all(Delivery::Transactional, true);
}

/// Also checks that every fault occurs, because a run without cases proves nothing.
#[test]
fn unordered_processing_is_exactly_once() {
    let reports = run_all(Delivery::Transactional, false);
    let met = |count: Count| reports.iter().filter(|report| count(report) > 0).count();
    let cases: [(&str, Count); 16] = [
        ("abort while producing", |report| report.aborts_at[0]),
        ("abort after the offsets were sent", |report| report.aborts_at[1]),
        ("abort while ending", |report| report.aborts_at[2]),
        ("fenced", |report| report.fenced),
        ("rebalance", |report| report.rebalances),
        ("lost session", |report| report.lost),
        ("crash", |report| report.crashes),
        ("recreated clients", |report| report.recreated),
        ("full drain", |report| report.drained),
        ("drain budget spent", |report| report.budgets_spent),
        ("failed rule", |report| report.failed),
        ("pause", |report| report.pauses),
        ("stale effect", |report| report.stale_effects),
        ("skipped as completed", |report| report.skipped_completed),
        ("processed after a rewind", |report| report.rewinds),
        ("released", |report| report.released),
    ];
    for (name, count) in cases {
        assert!(met(count) >= 20, "{name}: in {} of {SEEDS} runs", met(count));
    }
}

/// Originated outputs become visible once and in order, through aborts, revocations, crashes and recreated clients at each step.
#[test]
fn originated_outputs_are_exactly_once() {
    let run = |seed| {
        Simulation { seed, mode: Delivery::Transactional, in_order: false, originates: true }.run(Engine::new)
    };
    let run = |seed| run(seed).unwrap_or_else(|failure| panic!("\n{failure}"));
    let reports: Vec<Report> = (0..SEEDS).map(run).collect();
    let met = |count: Count| reports.iter().filter(|report| count(report) > 0).count();
    let cases: [(&str, Count); 7] = [
        ("originated", |report| report.originated),
        ("discarded", |report| report.originated_discarded),
        ("abort while producing", |report| report.originated_aborts_at[0]),
        ("abort after the offsets were sent", |report| report.originated_aborts_at[1]),
        ("abort while ending", |report| report.originated_aborts_at[2]),
        ("aborted after its producer", |report| report.originated_orphans[0]),
        ("committed after its producer", |report| report.originated_orphans[1]),
    ];
    for (name, count) in cases {
        assert!(met(count) >= 20, "{name}: in {} of {SEEDS} runs", met(count));
    }
}

#[test]
fn originated_outputs_are_not_lost_at_least_once() {
    for seed in 0..SEEDS {
        let simulation = Simulation { seed, mode: Delivery::AtLeastOnce, in_order: false, originates: true };
        simulation.run(Engine::new).unwrap_or_else(|failure| panic!("\n{failure}"));
    }
}

#[test]
fn at_least_once_loses_nothing_and_repeats_uncommitted_only() {
    let reports = run_all(Delivery::AtLeastOnce, false);
    let met = |count: Count| reports.iter().filter(|report| count(report) > 0).count();
    assert!(met(|report| report.delivery_failures) >= 20 && met(|report| report.skipped_completed) >= 20);
}

#[test]
fn same_seed_gives_the_same_trace() {
    for seed in 0..50 {
        for mode in [Delivery::Transactional, Delivery::AtLeastOnce] {
            let (one, other) = (run(seed, mode, false), run(seed, mode, false));
            assert_eq!(one.ok(), other.ok(), "seed {seed}");
        }
    }
}

#[test]
fn other_seed_gives_another_trace() {
    let hash = |seed| run(seed, Delivery::Transactional, false).ok().map(|report| report.trace_digest);
    assert_ne!(hash(1), hash(2));
}

/// Number of seeds whose traces are committed in `trace_digests.txt`.
const DIGEST_SEEDS: u64 = 64;
const DIGESTS: &str = include_str!("trace_digests.txt");

/// Returns a line for each mode, order and seed. A change that alters no behaviour alters no digest.
fn digests() -> String {
    let mut text = String::new();
    for mode in [Delivery::Transactional, Delivery::AtLeastOnce] {
        for in_order in [true, false] {
            for seed in 0..DIGEST_SEEDS {
                let report = run(seed, mode, in_order).unwrap_or_else(|failure| panic!("\n{failure}"));
                let name = match mode {
                    Delivery::Transactional => "transactional",
                    Delivery::AtLeastOnce => "at_least_once",
                };
                let order = if in_order { "in_order" } else { "any_order" };
                writeln!(text, "{name} {order} {seed} {:016x}", report.trace_digest)
                    .expect("writing to a string");
            }
        }
    }
    text
}

#[test]
fn unchanged_behaviour_keeps_the_trace_digests() {
    let digests = digests();
    let fresh = concat!(env!("CARGO_TARGET_TMPDIR"), "/trace_digests.txt");
    std::fs::write(fresh, &digests).unwrap();
    let changed = digests.lines().zip(DIGESTS.lines()).find(|(now, before)| now != before);
    assert_eq!(changed, None, "trace changed (now, before): if the behaviour was to change, commit {fresh}");
    assert_eq!(digests.lines().count(), DIGESTS.lines().count());
}

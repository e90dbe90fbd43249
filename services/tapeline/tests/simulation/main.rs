//! The seeded simulation of the real stages: announcer, bridge, planner, executor and feature, connected by simulated topics.
//!
//! ```text
//!  proposals ─► announcer ─► qualifications, promotions ─┐
//!                                                 gaps ──┼─► planner ─► range requests ─► executor ─► bars, coverage, ends
//!                                                        ┘                  ▲  (keeper) ────┘  ▲         │
//!  alerts ────► bridge ────► feature requests ─► feature ─► vectors, failures                  └─ tables ┤
//!                                                   ▲────────────────────────── tables, benchmarks ──────┘
//! ```
//! Several instances of each stage run under the real engine, with records as they are on the wire. Partitions move, sessions expire,
//! instances crash, clients are recreated, transactions abort at each step, tables are read slowly, workers complete in any order, and the
//! source fails. In a final calm phase everything must come to rest. Then `oracle` checks the topics.
//!
//! A failure prints its seed. `SIMULATION_SEEDS` sets the number of seeds (24), `SIMULATION_SEED` the first one.

mod defects;
mod group;
mod inputs;
mod instance;
mod kafka;
mod log;
mod oracle;
mod request;
mod stages;
mod tables;
mod world;

use std::ops::Range;

use defects::{Counts, Defect};
use tapeline::audit::Stage;
use world::{Failure, Run};

/// Random steps of a run.
const STEPS: u32 = 7_000;

/// Default number of seeds, in which each failure occurs.
const SEEDS: u64 = 24;

/// Seeds within which each defect is caught.
const DEFECT_SEEDS: u64 = 20;

type Count = fn(&Counts) -> u64;

#[expect(clippy::disallowed_methods, reason = "a test has no configuration")]
fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().map_or(default, |text| text.parse().expect("a number"))
}

fn seeds() -> Range<u64> {
    let first = setting("SIMULATION_SEED", 0);
    first..first + setting("SIMULATION_SEEDS", SEEDS)
}

fn run(seed: u64) -> Counts {
    let run = Run { seed, steps: STEPS, defect: None };
    run.run().unwrap_or_else(|failure| panic!("\n{failure}"))
}

/// Checks that a defect is caught, as a violation of one of these laws.
fn is_caught(defect: Defect, laws: &[&str]) {
    let run = |seed| Run { seed, steps: STEPS, defect: Some(defect) }.run().err();
    let failure: Failure = (0..DEFECT_SEEDS).find_map(run).expect("the defect is caught");
    assert!(laws.contains(&failure.law), "\n{failure}");
}

/// Also checks that every failure occurs in enough seeds, because a run without cases proves nothing.
#[test]
fn real_stages_are_exactly_once() {
    let all: Vec<Counts> = seeds().map(run).collect();
    if seeds().end - seeds().start < SEEDS {
        return;
    }
    let cases: [(&str, Count); 26] = [
        ("abort while producing", |counts| counts.aborts_at[0]),
        ("abort after the offsets were sent", |counts| counts.aborts_at[1]),
        ("abort while ending", |counts| counts.aborts_at[2]),
        ("aborted after its producer", |counts| counts.orphans[0]),
        ("committed after its producer", |counts| counts.orphans[1]),
        ("fenced", |counts| counts.fenced),
        ("rebalance", |counts| counts.rebalances),
        ("lost session", |counts| counts.lost),
        ("crash", |counts| counts.crashes),
        ("recreated clients", |counts| counts.recreated),
        ("full drain", |counts| counts.drained[0]),
        ("drain timeout", |counts| counts.drained[1]),
        ("pause", |counts| counts.pauses),
        ("stale effect", |counts| counts.stale_effects),
        ("skipped as completed", |counts| counts.skipped_completed),
        ("released", |counts| counts.released),
        ("restored", |counts| counts.restored),
        ("cancelled restoration", |counts| counts.cancelled),
        ("table record", |counts| counts.table_records),
        ("work ahead of its table", |counts| counts.ahead_of_tables),
        ("error of the source", |counts| counts.source_errors),
        ("request of the keeper", |counts| counts.keeper_requests),
        ("chunk", |counts| counts.chunks),
        ("refetch", |counts| counts.refetches),
        ("vector", |counts| counts.vectors),
        ("dead letter", |counts| counts.dead_letters),
    ];
    for (name, count) in cases {
        let sum: u64 = all.iter().map(count).sum();
        assert!(sum > 0, "{name}: in none of {} runs", all.len());
    }
}

#[test]
fn same_seed_gives_the_same_records() {
    assert_eq!(run(1), run(1));
    assert_ne!(run(1).digest, run(2).digest);
}

#[test]
fn emissions_kept_over_a_revocation_are_caught() {
    is_caught(Defect::KeepsEmissionsOverRevocation, &["doubled", "P3"]);
}

#[test]
fn committed_fetch_position_is_caught() {
    is_caught(Defect::CommitsFetchPosition, &["P2"]);
}

#[test]
fn windows_that_are_not_restored_are_caught() {
    is_caught(Defect::RestoresNothing, &["doubled", "lost"]);
}

#[test]
fn skipped_coverage_is_caught() {
    is_caught(Defect::SkipsTables(Stage::Executor), &["doubled", "chunk", "coverage"]);
}

#[test]
fn skipped_bars_are_caught() {
    is_caught(Defect::SkipsTables(Stage::Feature), &["causality"]);
}

#[test]
fn fetch_before_its_coverage_is_read_is_caught() {
    is_caught(Defect::QueriesNoTableEnds(Stage::Executor), &["doubled", "chunk", "coverage"]);
}

#[test]
fn vector_before_its_bars_are_read_is_caught() {
    is_caught(Defect::QueriesNoTableEnds(Stage::Feature), &["causality"]);
}

#[test]
fn chunk_without_its_bars_is_caught() {
    is_caught(Defect::LosesBars, &["chunk"]);
}

#[test]
fn aborted_batch_that_is_not_sent_again_is_caught() {
    is_caught(Defect::DropsAbortedBatch, &["lost", "progress"]);
}

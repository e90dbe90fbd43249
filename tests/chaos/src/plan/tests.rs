use std::collections::{BTreeMap, BTreeSet};

use super::*;

const EXTENT: Extent = Extent { bridges: 8, features: 2, publishers: 1, backfills: 2, clocks: true };

fn targets(fault: Fault) -> Option<Target> {
    match fault {
        Fault::Signal(_, target)
        | Fault::TransactionCoordinatorKilled(target)
        | Fault::Registry(_, target)
        | Fault::LogDiskFull(target)
        | Fault::ClockJump(target) => Some(target),
        _ => None,
    }
}

#[test]
fn plan_depends_on_the_seed_alone() {
    for plan in [Plan::short, Plan::long, Plan::coordinators] {
        assert_eq!(plan(7, EXTENT), plan(7, EXTENT));
        assert_ne!(plan(7, EXTENT), plan(8, EXTENT));
    }
}

#[test]
fn short_plan_has_every_kind_of_fault() {
    let kinds = [
        "Signal(Term",
        "Signal(Kill",
        "Signal(Stop",
        "Scale(",
        "BrokerKilled(",
        "RollingRestart",
        "Election",
        "CoordinatorKilled(",
        "Registry(Down",
        "Registry(Slow",
        "Registry(Error500",
        "Registry(Html",
        "Link(Cut",
        "Link(BlackHoled",
        "LogDiskFull(",
        "ClockJump(",
    ];
    for seed in 0..50 {
        let faults: Vec<String> =
            Plan::short(seed, EXTENT).steps.iter().map(|step| format!("{:?}", step.fault)).collect();
        for kind in kinds {
            assert!(faults.iter().any(|fault| fault.contains(kind)), "seed {seed}: no {kind} in {faults:?}");
        }
        // One of each kind, and those of publisher and backfill.
        assert_eq!(faults.len(), kinds.len() + 5);
    }
}

#[test]
fn every_target_exists() {
    for seed in 0..50 {
        for step in Plan::short(seed, EXTENT).steps.into_iter().chain(Plan::long(seed, EXTENT).steps) {
            if let Some(target) = targets(step.fault) {
                assert!(target.ordinal < EXTENT.of(target.service), "{}", step.fault);
            }
            if let Fault::BrokerKilled(broker) | Fault::Link(_, broker) = step.fault {
                assert!(broker < BROKERS, "{}", step.fault);
            }
        }
    }
}

#[test]
fn long_plan_restarts_every_bridge_32_times_by_three_signals() {
    let mut signals: BTreeMap<Target, Vec<Signal>> = BTreeMap::new();
    for step in Plan::long(1, EXTENT).steps {
        if let Fault::Signal(signal, target) = step.fault {
            signals.entry(target).or_default().push(signal);
        }
    }
    for ordinal in 0..EXTENT.bridges {
        let got = &signals[&Target { service: Service::Bridge, ordinal }];
        assert_eq!(got.len(), 32);
        assert_eq!(got.iter().collect::<BTreeSet<_>>().len(), 3, "{got:?}");
    }
    for service in [Service::Feature, Service::Publisher, Service::Backfill] {
        for ordinal in 0..EXTENT.of(service) {
            assert_eq!(signals[&Target { service, ordinal }].len(), 8);
        }
    }
}

#[test]
fn services_of_backfills_are_killed_only_if_they_run() {
    let kills = |extent: Extent| {
        let faults = Plan::short(3, extent).steps.into_iter().filter_map(|step| match step.fault {
            Fault::Signal(Signal::Kill, target) => Some(target.service),
            _ => None,
        });
        faults.collect::<BTreeSet<_>>()
    };
    assert!(kills(EXTENT).is_superset(&[Service::Publisher, Service::Backfill].into()));
    let without = kills(Extent { publishers: 0, backfills: 0, ..EXTENT });
    assert!(without.is_subset(&[Service::Bridge, Service::Feature].into()));
}

#[test]
fn plan_without_clocks_has_no_clock_jump() {
    let plan = Plan::short(3, Extent { clocks: false, ..EXTENT });
    assert!(!plan.steps.iter().any(|step| matches!(step.fault, Fault::ClockJump(_))));
}

#[test]
fn outages_outlast_the_session_timeout() {
    for step in Plan::short(5, EXTENT).steps {
        if matches!(step.fault, Fault::BrokerKilled(_)) {
            assert!(step.hold >= Duration::from_secs(6));
        }
        if let Fault::Signal(Signal::Stop, _) = step.fault {
            assert!(step.hold > Duration::from_secs(6));
        }
    }
    assert!(Plan::short(5, EXTENT).takes(0) > Plan::short(5, EXTENT).takes(1));
}

#[test]
fn coordinators_of_groups_and_transactions_alternate() {
    let plan = Plan::coordinators(7, EXTENT);
    assert_eq!(plan.steps.len(), COORDINATOR_KILLS);
    for pair in plan.steps.chunks(2) {
        assert!(matches!(pair[0].fault, Fault::GroupCoordinatorKilled(_)), "{}", pair[0].fault);
        assert!(matches!(pair[1].fault, Fault::TransactionCoordinatorKilled(_)), "{}", pair[1].fault);
    }
}

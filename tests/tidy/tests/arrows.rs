//! The arrows between crates, as cargo sees them.

use std::collections::{BTreeMap, BTreeSet};

use tidy::arrows::offences;
use tidy::metadata::{Edge, Graph, Kind};

#[test]
fn every_crate_depends_only_on_what_its_row_allows() {
    let graph = Graph::read().unwrap();
    assert!(graph.members.len() >= 14, "cargo metadata named only {:?}", graph.members);
    assert!(graph.reached_from("devstack").contains_key("rdkafka"), "the resolved graph was not read");
    let offences = offences(&graph);
    assert!(offences.is_empty(), "\n{}", offences.join("\n"));
}

/// The offences of a workspace that has all our crates and the one edge.
fn offences_of(from: &str, to: &str, kind: Kind) -> Vec<String> {
    let members =
        ["kit", "domain", "contracts", "pipeline", "chassis", "feature", "testkit", "devstack", "backfill"];
    let mut graph = Graph { members: members.map(str::to_owned).into(), ..Graph::default() };
    graph.declared.push(Edge { from: from.to_owned(), to: to.to_owned(), kind });
    if kind == Kind::Normal {
        graph.resolved.insert(from.to_owned(), BTreeSet::from([to.to_owned()]));
    }
    offences(&graph)
}

#[test]
fn a_wrong_arrow_is_an_offence() {
    for (from, to) in [
        ("kit", "domain"),
        ("kit", "thiserror"),
        ("domain", "kit"),
        ("contracts", "kit"),
        ("domain", "contracts"),
        ("domain", "serde"),
        ("pipeline", "domain"),
        ("pipeline", "thiserror"),
        ("contracts", "rdkafka"),
        ("contracts", "tokio"),
        ("chassis", "domain"),
        ("feature", "devstack"),
        ("feature", "testkit"),
        ("feature", "backfill"),
        ("feature", "csv"),
        ("backfill", "schema_registry_converter"),
    ] {
        assert!(!offences_of(from, to, Kind::Normal).is_empty(), "{from} -> {to} was let through");
    }
}

#[test]
fn tests_may_use_more_but_not_everything() {
    assert!(offences_of("feature", "devstack", Kind::Dev).is_empty());
    assert!(offences_of("feature", "csv", Kind::Dev).is_empty());
    assert!(offences_of("pipeline", "testkit", Kind::Dev).is_empty());
    assert!(!offences_of("feature", "backfill", Kind::Dev).is_empty());
    assert!(!offences_of("feature", "rdkafka", Kind::Dev).is_empty());
}

#[test]
fn a_right_arrow_is_none() {
    assert!(offences_of("contracts", "domain", Kind::Normal).is_empty());
    assert!(offences_of("pipeline", "kit", Kind::Normal).is_empty());
    assert!(offences_of("kit", "serde", Kind::Normal).is_empty());
    assert!(offences_of("domain", "jiff", Kind::Normal).is_empty());
    assert!(offences_of("feature", "chassis", Kind::Normal).is_empty());
}

#[test]
fn what_is_reached_through_others_counts() {
    let mut graph = Graph { members: BTreeSet::from(["contracts".to_owned()]), ..Graph::default() };
    let chain = [("contracts", "serde"), ("serde", "harmless"), ("harmless", "tokio")];
    graph.resolved =
        BTreeMap::from(chain.map(|(from, to)| (from.to_owned(), BTreeSet::from([to.to_owned()]))));
    let found = offences(&graph);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].starts_with("contracts -> serde -> harmless -> tokio"), "{found:?}");
}

#[test]
fn a_crate_without_a_row_is_an_offence() {
    let graph = Graph { members: BTreeSet::from(["newcomer".to_owned()]), ..Graph::default() };
    assert_eq!(offences(&graph), ["newcomer has no row in the table of arrows"]);
}

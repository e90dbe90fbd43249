//! Dependencies between crates, in the workspace and in made-up ones.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use tidy::dependencies::offences;
use tidy::metadata::{Dependency, DependencyKind, Graph};

#[test]
fn every_crate_depends_on_permitted_crates_only() {
    let graph = Graph::read().unwrap();
    assert!(graph.members.len() >= 14, "cargo metadata named only {:?}", graph.members);
    assert!(graph.reached_from("devstack").contains_key("rdkafka"), "the resolved graph was not read");
    let offences = offences(&graph);
    assert!(offences.is_empty(), "\n{}", offences.join("\n"));
}

/// The offences of a workspace with this dependency.
fn offences_of(from: &str, to: &str, kind: DependencyKind) -> Vec<String> {
    let members =
        ["kit", "domain", "contracts", "pipeline", "chassis", "feature", "testkit", "devstack", "backfill"];
    let mut graph = Graph { members: members.map(str::to_owned).into(), ..Graph::default() };
    graph.declared.push(Dependency { from: from.to_owned(), to: to.to_owned(), kind });
    if kind == DependencyKind::Normal {
        graph.resolved.insert(from.to_owned(), BTreeSet::from([to.to_owned()]));
    }
    offences(&graph)
}

#[test]
fn forbidden_dependency_is_an_offence() {
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
        assert!(!offences_of(from, to, DependencyKind::Normal).is_empty(), "{from} -> {to} is accepted");
    }
}

#[test]
fn tests_may_use_test_crates_only() {
    assert!(offences_of("feature", "devstack", DependencyKind::Dev).is_empty());
    assert!(offences_of("feature", "csv", DependencyKind::Dev).is_empty());
    assert!(offences_of("pipeline", "testkit", DependencyKind::Dev).is_empty());
    assert!(!offences_of("feature", "backfill", DependencyKind::Dev).is_empty());
    assert!(!offences_of("feature", "rdkafka", DependencyKind::Dev).is_empty());
}

#[test]
fn permitted_dependency_is_no_offence() {
    assert!(offences_of("contracts", "domain", DependencyKind::Normal).is_empty());
    assert!(offences_of("pipeline", "kit", DependencyKind::Normal).is_empty());
    assert!(offences_of("kit", "serde", DependencyKind::Normal).is_empty());
    assert!(offences_of("domain", "jiff", DependencyKind::Normal).is_empty());
    assert!(offences_of("feature", "chassis", DependencyKind::Normal).is_empty());
}

#[test]
fn indirect_dependency_counts() {
    let mut graph = Graph { members: BTreeSet::from(["contracts".to_owned()]), ..Graph::default() };
    let chain = [("contracts", "serde"), ("serde", "harmless"), ("harmless", "tokio")];
    graph.resolved =
        BTreeMap::from(chain.map(|(from, to)| (from.to_owned(), BTreeSet::from([to.to_owned()]))));
    let found = offences(&graph);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].starts_with("contracts -> serde -> harmless -> tokio"), "{found:?}");
}

#[test]
fn crate_without_a_row_is_an_offence() {
    let graph = Graph { members: BTreeSet::from(["newcomer".to_owned()]), ..Graph::default() };
    assert_eq!(offences(&graph), ["newcomer has no row in the table of permitted dependencies"]);
}

/// The packages that a build of `tapeline` alone compiles.
#[expect(clippy::unwrap_used, reason = "a helper of a test")]
fn compiled_for_tapeline(features: &[&str]) -> BTreeSet<String> {
    let output = Command::new(option_env!("CARGO").unwrap_or("cargo"))
        .args(["tree", "--package", "tapeline", "--edges", "normal,build", "--prefix", "none"])
        .args(["--format", "{p}", "--locked"])
        .args(features)
        .current_dir(tidy::tree::root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout).unwrap();
    lines.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
}

#[test]
fn first_command_of_the_readme_builds_no_optional_part() {
    let heavy =
        ["openssl-src", "native-tls", "tikv-jemalloc-sys", "libsqlite3-sys", "parquet", "object_store"];
    let (first, full) = (compiled_for_tapeline(&[]), compiled_for_tapeline(&["--features", "tapeline/full"]));
    assert!(first.contains("rdkafka-sys"), "{first:?}");
    for package in heavy {
        assert!(!first.contains(package), "{package} is compiled by the first command");
        assert!(full.contains(package), "{package} is not part of tapeline/full");
    }
}

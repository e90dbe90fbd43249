//! Permitted dependencies between crates.
//!
//! Three tables: the dependencies between the crates of the workspace, the external packages that a crate must not
//! reach through any chain, and the external packages that only certain crates may name.

use crate::metadata::{Dependency, DependencyKind, Graph};

const SHARED: &[&str] =
    &["domain", "contracts", "pipeline", "kafka-io", "chassis", "hosting", "devstack", "testkit"];
const SERVICE: &[&str] = &["kit", "domain", "contracts", "pipeline", "kafka-io", "chassis", "hosting"];

/// A crate of the workspace, and the crates of the workspace that it may depend on.
const PERMITTED: &[(&str, &[&str])] = &[
    // Small mechanisms, for all but the domain and the contracts (ADR 073).
    ("kit", &[]),
    ("domain", &[]),
    ("contracts", &["domain"]),
    ("pipeline", &["kit"]),
    ("kafka-io", &["kit", "domain", "contracts", "pipeline"]),
    ("chassis", &["kit"]),
    // Connects the driver and the process runtime (ADR 004).
    ("hosting", &["kit", "contracts", "pipeline", "kafka-io", "chassis"]),
    ("devstack", &["kit", "domain", "contracts", "pipeline", "kafka-io", "chassis"]),
    ("testkit", &["kit", "domain", "contracts", "pipeline", "kafka-io", "chassis", "devstack"]),
    ("publisher", SERVICE),
    ("scanner-bridge", SERVICE),
    ("feature", SERVICE),
    ("backfill", SERVICE),
    (
        "tapeline",
        &[
            "kit",
            "domain",
            "contracts",
            "pipeline",
            "kafka-io",
            "chassis",
            "hosting",
            "devstack",
            "publisher",
            "scanner-bridge",
            "feature",
            "backfill",
        ],
    ),
    ("tidy", &[]),
    (
        "reference",
        &["chassis", "contracts", "publisher", "scanner-bridge", "feature", "backfill", "tapeline"],
    ),
    ("integration", SHARED),
    ("chaos", &["domain", "contracts", "kafka-io", "chassis", "integration"]),
    // The measured stage, and the baseline without it.
    ("bench", &["domain", "contracts", "pipeline", "kafka-io", "testkit", "scanner-bridge"]),
];

/// Crates that the tests of any crate may use as well.
const IN_TESTS: &[&str] = &["testkit", "devstack", "integration"];

/// A crate of the workspace, and the only external packages that it may depend on directly.
const NOTHING_ELSE: &[(&str, &[&str])] = &[
    ("kit", &["serde"]),
    ("domain", &["jiff", "thiserror", "foldhash"]),
    ("pipeline", &[]),
    ("tidy", &["proc-macro2", "serde_json", "syn"]),
];

/// A crate of the workspace, and the packages that no chain of its normal dependencies may reach, with the reason.
const NEVER_REACHED: &[(&str, &[&str], &str)] = &[
    ("contracts", &["rdkafka", "tokio", "reqwest"], "contracts are bytes and laws, without a network"),
    (
        "chassis",
        &["rdkafka", "domain", "contracts", "pipeline"],
        "the process runtime is independent of Kafka and the domain",
    ),
    ("feature", &["csv"], "the feature service reads no files"),
];

/// An external package, and the crates that may name it, in any kind of dependency.
const NAMED_ONLY_BY: &[(&str, &[&str])] =
    &[("rdkafka", &["kafka-io", "devstack", "bench"]), ("schema_registry_converter", &["kafka-io"])];

/// All offences of the workspace.
#[must_use]
pub fn offences(graph: &Graph) -> Vec<String> {
    let mut offences: Vec<String> = graph
        .members
        .iter()
        .filter(|member| row(member).is_none())
        .map(|member| format!("{member} has no row in the table of permitted dependencies"))
        .collect();
    offences.extend(graph.declared.iter().filter_map(|it| offence_of_dependency(graph, it)));
    for (from, never, reason) in NEVER_REACHED {
        let reached = graph.reached_from(from);
        let bad = never.iter().filter_map(|it| reached.get(*it));
        offences.extend(bad.map(|path| format!("{path} is reached: {reason}")));
    }
    offences
}

fn row(member: &str) -> Option<&'static [&'static str]> {
    PERMITTED.iter().find(|(name, _)| *name == member).map(|(_, to)| *to)
}

fn offence_of_dependency(graph: &Graph, Dependency { from, to, kind }: &Dependency) -> Option<String> {
    if graph.members.contains(to) {
        let allowed = row(from).is_some_and(|row| row.contains(&to.as_str()));
        let allowed_in_tests = *kind == DependencyKind::Dev && IN_TESTS.contains(&to.as_str());
        let what = if *kind == DependencyKind::Dev { "in its tests " } else { "" };
        return (!allowed && !allowed_in_tests).then(|| format!("{from} may not depend {what}on {to}"));
    }
    if let Some((_, only)) = NAMED_ONLY_BY.iter().find(|(package, _)| package == to)
        && !only.contains(&from.as_str())
    {
        return Some(format!("{from} names {to}, which only {} may", only.join(" and ")));
    }
    let (_, only) = NOTHING_ELSE.iter().find(|(member, _)| member == from)?;
    (*kind == DependencyKind::Normal && !only.contains(&to.as_str()))
        .then(|| format!("{from} may not depend on {to}: {}", nothing_but(only)))
}

fn nothing_but(only: &[&str]) -> String {
    if only.is_empty() { "std alone".to_owned() } else { format!("std, {} alone", only.join(", ")) }
}

//! Who may depend on whom.
//!
//! Three tables: the arrows between our own crates, the packages of others that a crate must not reach by any
//! way, and the packages of others that only certain crates may name.

use crate::metadata::{Edge, Graph, Kind};

const SHARED: &[&str] =
    &["domain", "contracts", "pipeline", "kafka-io", "chassis", "hosting", "devstack", "testkit"];
const SERVICE: &[&str] = &["kit", "domain", "contracts", "pipeline", "kafka-io", "chassis", "hosting"];

/// A crate of ours, and those of ours that it may depend on.
const ARROWS: &[(&str, &[&str])] = &[
    // Small mechanisms, for all but the domain and the contracts (ADR 073).
    ("kit", &[]),
    ("domain", &[]),
    ("contracts", &["domain"]),
    ("pipeline", &["kit"]),
    ("kafka-io", &["kit", "domain", "contracts", "pipeline"]),
    ("chassis", &["kit"]),
    // Where the driver meets the process (ADR 004).
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
    ("integration", SHARED),
    ("chaos", &["domain", "contracts", "kafka-io", "integration"]),
    // The stage that it measures, and the baseline under it.
    ("bench", &["domain", "contracts", "pipeline", "kafka-io", "testkit", "scanner-bridge"]),
];

/// What tests may use on top, in any crate.
const IN_TESTS: &[&str] = &["testkit", "devstack"];

/// A crate of ours, and the only packages of others that it may be built with directly.
const NOTHING_ELSE: &[(&str, &[&str])] = &[
    ("kit", &["serde"]),
    ("domain", &["jiff", "thiserror", "foldhash"]),
    ("pipeline", &[]),
    ("tidy", &["proc-macro2", "serde_json", "syn"]),
];

/// A crate of ours, and what must not be reached from it by any chain of normal dependencies, with the reason.
const NEVER_REACHED: &[(&str, &[&str], &str)] = &[
    ("contracts", &["rdkafka", "tokio", "reqwest"], "contracts are bytes and laws, without a network"),
    ("chassis", &["rdkafka", "domain", "contracts", "pipeline"], "how a process lives, whatever it does"),
    ("feature", &["csv"], "the feature service reads no files"),
];

/// A package of others, and the crates of ours that may name it, in any kind of dependency.
const NAMED_ONLY_BY: &[(&str, &[&str])] =
    &[("rdkafka", &["kafka-io", "devstack", "bench"]), ("schema_registry_converter", &["kafka-io"])];

/// All offences of the workspace.
#[must_use]
pub fn offences(graph: &Graph) -> Vec<String> {
    let mut offences: Vec<String> = graph
        .members
        .iter()
        .filter(|member| row(member).is_none())
        .map(|member| format!("{member} has no row in the table of arrows"))
        .collect();
    offences.extend(graph.declared.iter().filter_map(|edge| offence_of_edge(graph, edge)));
    for (from, never, reason) in NEVER_REACHED {
        let reached = graph.reached_from(from);
        let bad = never.iter().filter_map(|it| reached.get(*it));
        offences.extend(bad.map(|path| format!("{path} is reached: {reason}")));
    }
    offences
}

fn row(member: &str) -> Option<&'static [&'static str]> {
    ARROWS.iter().find(|(name, _)| *name == member).map(|(_, to)| *to)
}

fn offence_of_edge(graph: &Graph, Edge { from, to, kind }: &Edge) -> Option<String> {
    if graph.members.contains(to) {
        let allowed = row(from).is_some_and(|row| row.contains(&to.as_str()));
        let allowed_in_tests = *kind == Kind::Dev && IN_TESTS.contains(&to.as_str());
        let what = if *kind == Kind::Dev { "in its tests " } else { "" };
        return (!allowed && !allowed_in_tests).then(|| format!("{from} may not depend {what}on {to}"));
    }
    if let Some((_, only)) = NAMED_ONLY_BY.iter().find(|(package, _)| package == to)
        && !only.contains(&from.as_str())
    {
        return Some(format!("{from} names {to}, which only {} may", only.join(" and ")));
    }
    let (_, only) = NOTHING_ELSE.iter().find(|(member, _)| member == from)?;
    (*kind == Kind::Normal && !only.contains(&to.as_str()))
        .then(|| format!("{from} may not depend on {to}: {}", nothing_but(only)))
}

fn nothing_but(only: &[&str]) -> String {
    if only.is_empty() { "std alone".to_owned() } else { format!("std, {} alone", only.join(", ")) }
}

//! The packages and edges of the workspace, out of `cargo metadata`.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

/// What an edge is for. Build dependencies count as normal ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Part of the crate as others use it.
    Normal,
    /// Part of its tests, examples and benches alone.
    Dev,
}

/// A dependency that a member's manifest declares.
#[derive(Debug, Clone)]
pub struct Edge {
    /// The member.
    pub from: String,
    /// The package it names.
    pub to: String,
    /// What for.
    pub kind: Kind,
}

/// The workspace as a graph.
#[derive(Debug, Default)]
pub struct Graph {
    /// The names of our own packages.
    pub members: BTreeSet<String>,
    /// What their manifests declare.
    pub declared: Vec<Edge>,
    /// For every package by name, also of others, the packages that it is built with (normal and build edges
    /// as resolved).
    pub resolved: BTreeMap<String, BTreeSet<String>>,
}

impl Graph {
    /// Asks cargo.
    ///
    /// # Errors
    /// When cargo can't be run or prints something unexpected, in words.
    pub fn read() -> Result<Self, String> {
        let output = Command::new(option_env!("CARGO").unwrap_or("cargo"))
            .args(["metadata", "--format-version", "1", "--locked"])
            .current_dir(crate::tree::root())
            .output()
            .map_err(|cause| format!("cannot run cargo metadata: {cause}"))?;
        if !output.status.success() {
            return Err(format!("cargo metadata failed: {}", String::from_utf8_lossy(&output.stderr)));
        }
        let metadata = serde_json::from_slice(&output.stdout)
            .map_err(|cause| format!("cargo metadata is not json: {cause}"))?;
        Self::parse(&metadata).ok_or_else(|| "cargo metadata lacks an expected field".to_owned())
    }

    fn parse(metadata: &Value) -> Option<Self> {
        let packages = metadata["packages"].as_array()?;
        let names: BTreeMap<&str, &str> = packages
            .iter()
            .map(|package| Some((package["id"].as_str()?, package["name"].as_str()?)))
            .collect::<Option<_>>()?;
        let member_ids: BTreeSet<&str> =
            metadata["workspace_members"].as_array()?.iter().filter_map(Value::as_str).collect();

        let mut graph = Self::default();
        for package in
            packages.iter().filter(|it| it["id"].as_str().is_some_and(|id| member_ids.contains(id)))
        {
            let from = package["name"].as_str()?;
            graph.members.insert(from.to_owned());
            for dependency in package["dependencies"].as_array()? {
                let kind = if dependency["kind"] == "dev" { Kind::Dev } else { Kind::Normal };
                let to = dependency["name"].as_str()?.to_owned();
                graph.declared.push(Edge { from: from.to_owned(), to, kind });
            }
        }
        for node in metadata["resolve"]["nodes"].as_array()? {
            let from = *names.get(node["id"].as_str()?)?;
            let edges = graph.resolved.entry(from.to_owned()).or_default();
            for dependency in node["deps"].as_array()? {
                if dependency["dep_kinds"].as_array()?.iter().any(|kind| kind["kind"] != "dev") {
                    edges.insert((*names.get(dependency["pkg"].as_str()?)?).to_owned());
                }
            }
        }
        Some(graph)
    }

    /// Everything that `package` is built with, near or far, with the path by which it is reached.
    #[must_use]
    pub fn reached_from(&self, package: &str) -> BTreeMap<String, String> {
        let mut paths = BTreeMap::from([(package.to_owned(), package.to_owned())]);
        let mut waiting = vec![package.to_owned()];
        while let Some(at) = waiting.pop() {
            let path = paths[&at].clone();
            for next in self.resolved.get(&at).into_iter().flatten() {
                if !paths.contains_key(next) {
                    paths.insert(next.clone(), format!("{path} -> {next}"));
                    waiting.push(next.clone());
                }
            }
        }
        paths.remove(package);
        paths
    }
}

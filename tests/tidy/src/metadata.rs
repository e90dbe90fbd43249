//! Packages and dependencies of the workspace, from `cargo metadata`.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

/// Kind of a dependency. Build dependencies count as normal ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DependencyKind {
    /// For the crate itself.
    Normal,
    /// For its tests, examples and benches only.
    Dev,
}

/// A dependency that a member's manifest declares.
#[derive(Debug, Clone)]
pub struct Dependency {
    pub from: String,
    pub to: String,
    pub kind: DependencyKind,
}

/// The workspace as a graph.
#[derive(Debug, Default)]
pub struct Graph {
    /// The names of the packages of the workspace.
    pub members: BTreeSet<String>,
    /// The dependencies that their manifests declare.
    pub declared: Vec<Dependency>,
    /// The resolved normal and build dependencies of every package, external ones included, by name.
    pub resolved: BTreeMap<String, BTreeSet<String>>,
}

impl Graph {
    /// Runs `cargo metadata`.
    ///
    /// # Errors
    /// If cargo fails or its output lacks an expected field.
    pub fn read() -> Result<Self, String> {
        let output = Command::new(option_env!("CARGO").unwrap_or("cargo"))
            .args(["metadata", "--format-version", "1", "--locked"])
            .current_dir(crate::tree::root())
            .output()
            .map_err(|cause| format!("failed to run cargo metadata: {cause}"))?;
        if !output.status.success() {
            return Err(format!("cargo metadata failed: {}", String::from_utf8_lossy(&output.stderr)));
        }
        let metadata = serde_json::from_slice(&output.stdout)
            .map_err(|cause| format!("invalid output of cargo metadata: {cause}"))?;
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
                let kind =
                    if dependency["kind"] == "dev" { DependencyKind::Dev } else { DependencyKind::Normal };
                let to = dependency["name"].as_str()?.to_owned();
                graph.declared.push(Dependency { from: from.to_owned(), to, kind });
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

    /// All direct and indirect dependencies of `package`, each with the chain that leads to it.
    #[must_use]
    pub fn reached_from(&self, package: &str) -> BTreeMap<String, String> {
        let mut paths = BTreeMap::from([(package.to_owned(), package.to_owned())]);
        let mut open = vec![package.to_owned()];
        while let Some(at) = open.pop() {
            let path = paths[&at].clone();
            for next in self.resolved.get(&at).into_iter().flatten() {
                if !paths.contains_key(next) {
                    paths.insert(next.clone(), format!("{path} -> {next}"));
                    open.push(next.clone());
                }
            }
        }
        paths.remove(package);
        paths
    }
}

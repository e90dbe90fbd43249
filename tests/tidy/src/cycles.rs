//! Import cycles between the files of one crate.
//!
//! An edge leads from a file to the file that declares what it uses, also where the name comes through re-exports
//! and globs. A re-export is a use. [`modules`] reads the module tree of a crate and the paths that its files use,
//! [`resolve`] finds the declaring files, and [`graph`] the cycles. Test modules do not count.

use std::collections::BTreeSet;

use crate::tree::{self, SourceFile};

pub mod graph;
pub mod modules;
pub mod resolve;

pub use graph::{Cycle, Edge};

/// The permitted cycles, from the root: crate, files below `src` with spaces between them, reason.
pub const EXCEPTIONS: &str = "tests/tidy/cycle-exceptions.tsv";

/// The cycles of all crates of the working tree.
///
/// # Errors
/// A file that cannot be parsed.
pub fn search_tree() -> Result<Vec<Cycle>, String> {
    let manifests = tree::files("Cargo.toml");
    let sources = tree::files(".rs");
    let mut cycles = Vec::new();
    for manifest in &manifests {
        if let Some(folder) = manifest.path.strip_suffix("/Cargo.toml") {
            cycles.extend(search_crate(folder, &sources)?);
        }
    }
    Ok(cycles)
}

/// The cycles of the crate in `folder`, whose files are among `files`.
///
/// # Errors
/// A file that cannot be parsed.
pub fn search_crate(folder: &str, files: &[SourceFile]) -> Result<Vec<Cycle>, String> {
    let source = format!("{folder}/src/");
    let of_crate: Vec<&SourceFile> = files.iter().filter(|it| it.path.starts_with(&source)).collect();
    let name = folder.rsplit('/').next().unwrap_or(folder);
    let mut edges = BTreeSet::new();
    for root in ["lib.rs", "main.rs"] {
        if let Some(tree) = modules::read(&source, root, &of_crate)? {
            edges.extend(resolve::edges(&tree));
        }
    }
    Ok(graph::cycles(name, &edges))
}

/// Offences of the cycles against the list of permitted ones.
#[must_use]
pub fn offences(cycles: &[Cycle], exceptions: &str) -> Vec<String> {
    let mut offences = Vec::new();
    let mut permitted = Vec::new();
    for line in exceptions.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#')) {
        match line.split('\t').collect::<Vec<_>>()[..] {
            [name, files, reason] if !reason.trim().is_empty() => {
                permitted.push((name, files.split(' ').collect::<BTreeSet<_>>()));
            }
            _ => offences.push(format!("{line:?} is no permitted cycle with a reason")),
        }
    }
    let covers = |(name, files): &(&str, BTreeSet<&str>), cycle: &Cycle| {
        *name == cycle.name && cycle.files.iter().all(|file| files.contains(file.as_str()))
    };
    for cycle in cycles.iter().filter(|cycle| !permitted.iter().any(|it| covers(it, cycle))) {
        offences.push(cycle.to_string());
    }
    for exception in permitted.iter().filter(|it| !cycles.iter().any(|cycle| covers(it, cycle))) {
        offences.push(format!("{EXCEPTIONS}: the cycle of {} is gone: delete its line", exception.0));
    }
    offences
}

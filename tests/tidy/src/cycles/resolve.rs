//! The declaring file of a path.

use std::collections::BTreeSet;

use super::graph::Edge;
use super::modules::{Tree, UsedPath};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Target {
    Module(usize),
    /// Something that this module declares.
    Item(usize),
}

/// The edges between the files of a crate.
#[must_use]
pub fn edges(tree: &Tree) -> BTreeSet<Edge> {
    let mut edges = BTreeSet::new();
    for (index, module) in tree.modules.iter().enumerate() {
        for used in &module.used {
            let Some(declaring) = declaring_module(tree, index, used) else { continue };
            let to = &tree.modules[declaring].file;
            if *to != module.file {
                edges.insert(Edge {
                    from: module.file.clone(),
                    to: to.clone(),
                    line: used.line,
                    path: used.segments.join("::"),
                });
            }
        }
    }
    edges
}

fn declaring_module(tree: &Tree, module: usize, used: &UsedPath) -> Option<usize> {
    let target = resolve(tree, module, &used.segments, &mut BTreeSet::new())?;
    match target {
        // A private glob brings the names of the module; the names that it re-exports count where they are used.
        Target::Module(index) if used.is_glob && !used.is_import => {
            (!tree.modules[index].items.is_empty()).then_some(index)
        }
        // A word in the code that is also the name of a module may be a variable.
        Target::Module(index) => (used.is_import || used.segments.len() > 1).then_some(index),
        Target::Item(index) => Some(index),
    }
}

/// The names that are being looked up, against endless re-exports.
type Visited = BTreeSet<(usize, String)>;

fn resolve(tree: &Tree, module: usize, segments: &[String], visited: &mut Visited) -> Option<Target> {
    let mut at = module;
    let mut rest = segments;
    match segments.first()?.as_str() {
        "crate" => (at, rest) = (0, &segments[1..]),
        "self" => rest = &segments[1..],
        _ => {}
    }
    while rest.first().is_some_and(|it| it == "super") {
        at = tree.modules[at].parent?;
        rest = &rest[1..];
    }
    let mut is_named = false;
    for name in rest {
        match look_up(tree, at, name, visited) {
            Some(Target::Module(child)) => (at, is_named) = (child, true),
            Some(item @ Target::Item(_)) => return Some(item),
            // A macro may declare it in the module that the path names.
            None => return is_named.then_some(Target::Item(at)),
        }
    }
    Some(Target::Module(at))
}

fn look_up(tree: &Tree, at: usize, name: &str, visited: &mut Visited) -> Option<Target> {
    if !visited.insert((at, name.to_owned())) {
        return None;
    }
    let module = &tree.modules[at];
    let found = if let Some(child) = module.children.get(name) {
        Some(Target::Module(*child))
    } else if module.items.iter().any(|it| it == name) {
        Some(Target::Item(at))
    } else {
        let mut imports = module.imports.iter().filter(|(it, _)| it == name);
        imports.find_map(|(_, path)| resolve(tree, at, path, visited)).or_else(|| {
            module.globs.iter().find_map(|path| match resolve(tree, at, path, visited)? {
                Target::Module(from) => look_up(tree, from, name, visited),
                Target::Item(_) => None,
            })
        })
    };
    visited.remove(&(at, name.to_owned()));
    found
}

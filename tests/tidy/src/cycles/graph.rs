//! Strongly connected files.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// A use of something that another file declares.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Edge {
    /// The using file, below `src`.
    pub from: String,
    /// The declaring file, below `src`.
    pub to: String,
    /// Of the use.
    pub line: usize,
    /// As it is written.
    pub path: String,
}

/// Files of one crate that import each other.
#[derive(Debug)]
pub struct Cycle {
    /// The folder of the crate.
    pub name: String,
    /// Below `src`.
    pub files: BTreeSet<String>,
    /// Between these files, the first one for each pair.
    pub edges: Vec<Edge>,
}

impl fmt::Display for Cycle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let files: Vec<&str> = self.files.iter().map(String::as_str).collect();
        write!(f, "{}: files import each other: {}", self.name, files.join(" "))?;
        self.edges.iter().try_for_each(|edge| {
            write!(f, "\n  {}:{} uses {} of {}", edge.from, edge.line, edge.path, edge.to)
        })
    }
}

/// The cycles of a crate, each as large as possible.
#[must_use]
pub fn cycles(name: &str, edges: &BTreeSet<Edge>) -> Vec<Cycle> {
    let mut next: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for edge in edges {
        next.entry(&edge.from).or_default().insert(&edge.to);
    }
    let reached: BTreeMap<&str, BTreeSet<&str>> =
        next.keys().map(|file| (*file, reached_from(file, &next))).collect();
    let mut found: Vec<Cycle> = Vec::new();
    for (file, from_here) in &reached {
        if !from_here.contains(file) || found.iter().any(|cycle| cycle.files.contains(*file)) {
            continue;
        }
        let returns = |other: &&&str| reached.get(**other).is_some_and(|it| it.contains(file));
        let files: BTreeSet<String> = from_here.iter().filter(returns).map(|it| (*it).to_owned()).collect();
        let mut pairs = BTreeSet::new();
        let inner = edges.iter().filter(|edge| files.contains(&edge.from) && files.contains(&edge.to));
        let edges = inner.filter(|edge| pairs.insert((&edge.from, &edge.to))).cloned().collect();
        found.push(Cycle { name: name.to_owned(), files, edges });
    }
    found
}

fn reached_from<'a>(file: &'a str, next: &BTreeMap<&'a str, BTreeSet<&'a str>>) -> BTreeSet<&'a str> {
    let mut reached = BTreeSet::new();
    let mut open = vec![file];
    while let Some(at) = open.pop() {
        for to in next.get(at).into_iter().flatten() {
            if reached.insert(*to) {
                open.push(to);
            }
        }
    }
    reached
}

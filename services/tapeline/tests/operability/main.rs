//! What is under `deploy/helm/tapeline/{alerts,dashboards}` and `docs/runbooks`, held to the catalogue of metrics: nothing asks for what no
//! process tells, and each alert has its page.
//!
//! `promql` takes expressions apart, `catalogue` knows what may stand in them; whether an alert fires when it should is for
//! `deploy/alert-tests`, with Prometheus itself.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod alerts;
mod catalogue;
mod dashboards;
mod promql;
mod runbooks;

use std::fs;
use std::path::{Path, PathBuf};

/// The repository.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// Files of a folder of the repository with this ending, by name.
fn files(folder: &str, ending: &str) -> Vec<(String, String)> {
    let entries = fs::read_dir(root().join(folder)).unwrap();
    let mut files: Vec<(String, String)> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_str().unwrap().ends_with(ending))
        .map(|path| {
            (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read_to_string(&path).unwrap())
        })
        .collect();
    files.sort();
    assert!(!files.is_empty(), "no {ending} in {folder}");
    files
}

fn assert_none(faults: &[String]) {
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

//! Checks `deploy/helm/tapeline/{alerts,dashboards}` and `docs/runbooks` against the catalogue of metrics: they use exported metrics only,
//! and each alert has a runbook.
//!
//! `promql` parses expressions, `catalogue` has the exported names. `deploy/alert-tests` checks with Prometheus whether an alert fires.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod alerts;
mod catalogue;
mod dashboards;
mod promql;
mod runbooks;

use std::fs;
use std::path::{Path, PathBuf};

/// Returns the root of the repository.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// Returns name and text of the files with this ending in a folder of the repository, by name.
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

fn assert_none(errors: &[String]) {
    assert!(errors.is_empty(), "\n{}", errors.join("\n"));
}

//! Checks the chart under `deploy/helm/tapeline` against the services: the properties that its templates use, and the configurations
//! that they render. `deploy/helm/check` validates the objects for Kubernetes.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod facts;
mod objects;
mod rendered;
mod stages;

use std::path::{Path, PathBuf};

/// Returns the folder of the chart and its checks.
fn helm() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/helm").canonicalize().unwrap()
}

//! What the chart under `deploy/helm/tapeline` knows of the services, and what it makes of their configuration, held to the services
//! themselves. That its objects are ones that Kubernetes takes is for `deploy/helm/check`.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod facts;
mod objects;
mod rendered;
mod stages;

use std::path::{Path, PathBuf};

/// The chart's folder and that of its checks.
fn helm() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/helm").canonicalize().unwrap()
}

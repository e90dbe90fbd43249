//! What an operator may say about the registry.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Where the registry is, how long to wait for it, and where to keep what it said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RegistryConfig {
    /// Its address, as `http://localhost:8081`; the Confluent-compatible API begins there.
    pub url: String,
    /// How long one call may take.
    pub timeout_ms: u32,
    /// How long a start waits for a registry that doesn't answer.
    pub start_patience_ms: u32,
    /// How long a start waits for it when the cache folder holds all that the start needs.
    pub cached_start_patience_ms: u32,
    /// How long an id that the registry doesn't know is not asked for again.
    pub unknown_ttl_ms: u32,
    /// How long records wait for one lookup of their writer's schema. It goes on by itself, and the records come again.
    pub lookup_wait_ms: u32,
    /// Lookups that fail in a row before no more are made for a while: 1 s, doubled up to 30 s.
    pub breaker_failures: u32,
    /// A folder of this service's own for ids and schemas that the registry gave, so that a start can do without it. Empty: none.
    pub cache_folder: PathBuf,
}

impl Default for RegistryConfig {
    fn default() -> Self {
        Self {
            url: "http://localhost:8081".to_owned(),
            timeout_ms: 5_000,
            start_patience_ms: 30_000,
            cached_start_patience_ms: 2_000,
            unknown_ttl_ms: 45_000,
            lookup_wait_ms: 500,
            breaker_failures: 5,
            cache_folder: PathBuf::new(),
        }
    }
}

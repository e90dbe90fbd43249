//! Configuration section `registry`.

use std::fs::File;
use std::path::PathBuf;

use kit::secret::redacted_address;
use kit::{Millis, Secret};
use serde::{Deserialize, Serialize};

use super::address;
use crate::config_error::ConfigError;
use crate::features::has_security;

/// The section `registry`: address, credentials, timeouts and cache folder of the schema registry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RegistryConfig {
    /// The address, as `http://localhost:8081`: the root of the Confluent-compatible API.
    pub url: String,
    /// PEM file of the certificate authorities that are trusted. Unset: those of the operating system.
    pub ca_file: Option<PathBuf>,
    /// The user name, if the registry requires HTTP basic authentication.
    pub username: Option<String>,
    /// The user's password.
    pub password: Secret,
    /// The timeout of one call, milliseconds.
    pub timeout_ms: Millis<u32>,
    /// The time, milliseconds, that a start waits for an unavailable registry.
    pub start_patience_ms: Millis<u32>,
    /// The same if the cache folder holds all ids that the start needs.
    pub cached_start_patience_ms: Millis<u32>,
    /// The time, milliseconds, for which an id that the registry does not have is not looked up again.
    pub unknown_ttl_ms: Millis<u32>,
    /// The time, milliseconds, for which a lookup of a writer's schema blocks records. The lookup continues in the background, and the
    /// records are processed again later.
    pub lookup_wait_ms: Millis<u32>,
    /// Consecutive failed lookups that open the circuit breaker: for 1 s, doubled up to 30 s.
    pub breaker_failures: u32,
    /// The folder of this service for a cache of ids and schemas, so that it can start while the registry is unavailable. Empty: no
    /// cache.
    pub cache_folder: PathBuf,
}

impl Default for RegistryConfig {
    fn default() -> Self {
        Self {
            url: "http://localhost:8081".to_owned(),
            ca_file: None,
            username: None,
            password: Secret::default(),
            timeout_ms: Millis::new(5_000),
            start_patience_ms: Millis::new(30_000),
            cached_start_patience_ms: Millis::new(2_000),
            unknown_ttl_ms: Millis::new(45_000),
            lookup_wait_ms: Millis::new(500),
            breaker_failures: 5,
            cache_folder: PathBuf::new(),
        }
    }
}

impl RegistryConfig {
    /// Returns all validation errors.
    #[must_use]
    pub fn errors(&self) -> Vec<ConfigError> {
        let mut errors = Vec::new();
        let mut error = |key: &str, value: &str, rule: &str| {
            let (key, value, rule) = (key.to_owned(), value.to_owned(), rule.to_owned());
            errors.push(ConfigError { key, value, rule });
        };
        let url = address::parse(&self.url);
        if let Err(cause) = &url {
            let rule = format!("an http or https address: {cause}");
            error("url", &redacted_address(&self.url), &rule);
        }
        // The scheme of an invalid address is unknown: that error suffices.
        let is_encrypted = url.as_ref().map_or(true, |url| url.scheme() == "https");
        if url.is_ok_and(|url| url.scheme() == "https") && !has_security() {
            let rule = "an http address, because this build lacks the feature `security`";
            error("url", &redacted_address(&self.url), rule);
        }
        if let Some(file) = &self.ca_file {
            let file_name = file.display().to_string();
            if !is_encrypted {
                error("ca_file", &file_name, "left out unless the url begins with https://");
            } else if let Err(cause) = File::open(file) {
                error("ca_file", &file_name, &format!("a file that can be read: {cause}"));
            }
        }
        match (&self.username, self.password.is_set()) {
            (None, true) => error("username", "", "set: a password comes with a username"),
            (Some(_), false) => error("password", "", "set: a username comes with a password"),
            (Some(name), true) if name.contains(':') => {
                error("username", name, "without a colon, which ends it in basic authentication");
            }
            _ => {}
        }
        for (key, value) in
            [("timeout_ms", self.timeout_ms.get()), ("breaker_failures", self.breaker_failures)]
        {
            if value == 0 {
                error(key, "0", "at least 1");
            }
        }
        errors
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(config: &RegistryConfig) -> Vec<String> {
        config.errors().into_iter().map(|error| error.key).collect()
    }

    #[test]
    fn contradictions_are_all_invalid_and_secrets_redacted() {
        assert_eq!(keys(&RegistryConfig::default()), Vec::<String>::new());
        let config = RegistryConfig {
            url: "http://me:hun/ter2@registry:8081/path".to_owned(),
            ca_file: Some("/missing".into()),
            password: Secret::new("hunter2"),
            timeout_ms: 0.into(),
            ..RegistryConfig::default()
        };
        assert_eq!(keys(&config), ["url", "ca_file", "username", "timeout_ms"]);
        let shown = format!("{:?}", config.errors());
        assert!(!shown.contains("hunter2") && !shown.contains("ter2"), "{shown}");
    }

    #[test]
    fn incomplete_login_and_missing_ca_file_are_invalid() {
        let url = "https://registry".to_owned();
        let config = RegistryConfig {
            url,
            ca_file: Some("/missing".into()),
            username: Some("me".to_owned()),
            ..RegistryConfig::default()
        };
        assert_eq!(keys(&config), ["ca_file", "password"]);
        let login = RegistryConfig {
            username: Some("a:b".to_owned()),
            password: Secret::new("c"),
            ..RegistryConfig::default()
        };
        assert_eq!(keys(&login), ["username"]);
    }
}

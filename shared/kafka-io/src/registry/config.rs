//! What an operator may say about the registry.

use std::fs::File;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::config::ConfigError;
use crate::secret::{REDACTED, Secret};

/// Where the registry is, who we are to it, how long to wait for it, and where to keep what it said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RegistryConfig {
    /// Its address, as `http://localhost:8081`; the Confluent-compatible API begins there.
    pub url: String,
    /// PEM file of the authorities whose word on its certificate counts. Unset: those of the operating system.
    pub ca_file: Option<PathBuf>,
    /// Who we are to it, where it asks (HTTP basic authentication).
    pub username: Option<String>,
    /// Its password.
    pub password: Secret,
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
            ca_file: None,
            username: None,
            password: Secret::default(),
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

impl RegistryConfig {
    /// Everything that is wrong with it, at once.
    #[must_use]
    pub fn errors(&self) -> Vec<ConfigError> {
        let mut faults = Vec::new();
        let mut fault = |key: &str, value: &str, rule: &str| {
            let (key, value, rule) = (key.to_owned(), value.to_owned(), rule.to_owned());
            faults.push(ConfigError { key, value, rule });
        };
        let is_encrypted = self.url.starts_with("https://");
        if !is_encrypted && !self.url.starts_with("http://") {
            fault("url", &self.url, "an http or https address, as http://registry:8081");
        }
        if has_user(&self.url) {
            // Errors name the address.
            fault("url", REDACTED, "without a user: say it in username and password");
        }
        if let Some(file) = &self.ca_file {
            let file_name = file.display().to_string();
            if !is_encrypted {
                fault("ca_file", &file_name, "left out unless the url begins with https://");
            } else if let Err(cause) = File::open(file) {
                fault("ca_file", &file_name, &format!("a file that can be read: {cause}"));
            }
        }
        match (&self.username, self.password.is_set()) {
            (None, true) => fault("username", "", "set: a password comes with a username"),
            (Some(_), false) => fault("password", "", "set: a username comes with a password"),
            (Some(name), true) if name.contains(':') => {
                fault("username", name, "without a colon, which ends it in basic authentication");
            }
            _ => {}
        }
        for (key, value) in [("timeout_ms", self.timeout_ms), ("breaker_failures", self.breaker_failures)] {
            if value == 0 {
                fault(key, "0", "at least 1");
            }
        }
        faults
    }
}

/// Whether an address has a user part.
fn has_user(url: &str) -> bool {
    let authority = url.split_once("://").map_or("", |(_, rest)| rest.split('/').next().unwrap_or_default());
    authority.contains('@')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(config: &RegistryConfig) -> Vec<String> {
        config.errors().into_iter().map(|fault| fault.key).collect()
    }

    #[test]
    fn what_contradicts_itself_is_said_at_once_and_no_secret_is_shown() {
        assert_eq!(keys(&RegistryConfig::default()), Vec::<String>::new());
        let config = RegistryConfig {
            url: "http://me:hunter2@registry:8081/path".to_owned(),
            ca_file: Some("/nowhere".into()),
            password: Secret::new("hunter2"),
            timeout_ms: 0,
            ..RegistryConfig::default()
        };
        assert_eq!(keys(&config), ["url", "ca_file", "username", "timeout_ms"]);
        assert!(!format!("{:?}", config.errors()).contains("hunter2"));
    }

    #[test]
    fn a_login_is_two_and_an_authority_is_a_file() {
        let url = "https://registry".to_owned();
        let config = RegistryConfig {
            url,
            ca_file: Some("/nowhere".into()),
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

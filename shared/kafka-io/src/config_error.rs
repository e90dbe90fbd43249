//! Validation errors of a configuration section.

use std::fmt;

/// A validation error of a configuration section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// The key, relative to the section.
    pub key: String,
    /// The configured value; redacted if it is a secret.
    pub value: String,
    /// The rule that the value violates, with an example where that helps.
    pub rule: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} = {:?}: {}", self.key, self.value, self.rule)
    }
}

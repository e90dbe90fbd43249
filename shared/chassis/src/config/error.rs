//! Configuration errors: key, value, origin, rule and a valid example.

use std::fmt;
use std::path::PathBuf;

use kit::secret::REDACTED;

use crate::config::redaction::is_secret_key;

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The default: neither the file nor the environment sets the key.
    Default,
    File(PathBuf),
    /// The environment variable of this name.
    Variable(String),
}

/// One invalid or unknown key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// The dotted key.
    pub key: String,
    /// The value, redacted if the key is a secret's. `None` if the key itself is the error.
    pub value: Option<String>,
    pub origin: Origin,
    /// The rule that the value breaks.
    pub rule: String,
    /// A valid value.
    pub example: Option<String>,
}

/// All errors of a configuration. Displayed with one line per error.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct ConfigErrors {
    errors: Vec<ConfigError>,
}

// === impl ConfigError ===

impl ConfigError {
    pub(crate) fn new(key: impl Into<String>, origin: Origin, rule: impl Into<String>) -> Self {
        Self { key: key.into(), value: None, origin, rule: rule.into(), example: None }
    }

    pub(crate) fn value(mut self, value: impl Into<String>) -> Self {
        let hidden = is_secret_key(&self.key);
        self.value = Some(if hidden { REDACTED.to_owned() } else { value.into() });
        self
    }

    pub(crate) fn example(mut self, example: impl Into<String>) -> Self {
        self.example = Some(example.into());
        self
    }

    pub(crate) fn came_from(self, origin: Origin) -> Self {
        Self { origin, ..self }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.key)?;
        if let Some(value) = &self.value {
            write!(f, " = {value}")?;
        }
        write!(f, " ({}): {}", self.origin, self.rule)?;
        match &self.example {
            Some(example) => write!(f, "; for example {example}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Variable(name) => f.write_str(name),
        }
    }
}

// === impl ConfigErrors ===

impl ConfigErrors {
    /// Returns the errors in the order of the layers.
    pub fn iter(&self) -> impl Iterator<Item = &ConfigError> {
        self.errors.iter()
    }
}

impl From<Vec<ConfigError>> for ConfigErrors {
    fn from(errors: Vec<ConfigError>) -> Self {
        Self { errors }
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "invalid configuration: {} error(s)", self.errors.len())?;
        self.errors.iter().try_for_each(|error| write!(f, "\n  {error}"))
    }
}

//! What is wrong with a configuration, told so that the next attempt works.

use std::fmt;
use std::path::PathBuf;

use crate::config::secret::{REDACTED, looks_secret};

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Nobody set it.
    Default,
    /// This file.
    File(PathBuf),
    /// This variable.
    Variable(String),
}

/// One error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// The key, dotted.
    pub key: String,
    /// The value, redacted when the key is a secret's.
    pub value: Option<String>,
    /// Where it came from.
    pub origin: Origin,
    /// The rule that it breaks.
    pub rule: String,
    /// A value that would do.
    pub example: Option<String>,
}

/// Collects errors, under the key of whatever is being checked.
#[derive(Debug, Default)]
pub struct ErrorCollector {
    within: Vec<String>,
    errors: Vec<ConfigError>,
}

/// All errors of a configuration, one a line.
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
        let hidden = looks_secret(&self.key);
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

// === impl ErrorCollector ===

impl ErrorCollector {
    /// No errors yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Reports `key` unless `good`: its value, the rule that values must hold, and an example of one that does.
    pub fn check(&mut self, good: bool, key: &str, value: impl fmt::Display, rule: &str, example: &str) {
        if !good {
            let key = self.within.iter().map(String::as_str).chain([key]).collect::<Vec<_>>().join(".");
            let error = ConfigError::new(key, Origin::Default, format!("must be {rule}"));
            self.push(error.value(value.to_string()).example(example));
        }
    }

    /// Checks a part of the configuration: its keys are under `key`.
    pub fn nest(&mut self, key: &str, part: &impl super::Validate) {
        self.within.push(key.to_owned());
        part.validate(self);
        self.within.pop();
    }

    /// The errors so far, in the order of their report.
    #[must_use]
    pub fn into_errors(self) -> Vec<ConfigError> {
        self.errors
    }

    pub(crate) fn push(&mut self, error: ConfigError) {
        self.errors.push(error);
    }

    pub(crate) fn names(&self, key: &str) -> bool {
        self.errors.iter().any(|error| error.key == key)
    }
}

// === impl ConfigErrors ===

impl ConfigErrors {
    /// The errors, in the order of the layers.
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
        write!(f, "{} error(s) in the configuration", self.errors.len())?;
        self.errors.iter().try_for_each(|error| write!(f, "\n  {error}"))
    }
}

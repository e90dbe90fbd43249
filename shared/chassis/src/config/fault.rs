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

/// One fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
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

/// Collects faults, under the key of whatever is being checked.
#[derive(Debug, Default)]
pub struct FaultList {
    within: Vec<String>,
    faults: Vec<Fault>,
}

/// All faults of a configuration, one a line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Faults {
    faults: Vec<Fault>,
}

// === impl Fault ===

impl Fault {
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

impl fmt::Display for Fault {
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

// === impl FaultList ===

impl FaultList {
    /// No faults yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Reports `key` unless `good`: its value, the rule that values must hold, and an example of one that does.
    pub fn check(&mut self, good: bool, key: &str, value: impl fmt::Display, rule: &str, example: &str) {
        if !good {
            let key = self.within.iter().map(String::as_str).chain([key]).collect::<Vec<_>>().join(".");
            let fault = Fault::new(key, Origin::Default, format!("must be {rule}"));
            self.push(fault.value(value.to_string()).example(example));
        }
    }

    /// Checks a part of the configuration: its keys are under `key`.
    pub fn nest(&mut self, key: &str, part: &impl super::Validate) {
        self.within.push(key.to_owned());
        part.faults(self);
        self.within.pop();
    }

    /// The faults so far, in the order of their report.
    #[must_use]
    pub fn into_faults(self) -> Vec<Fault> {
        self.faults
    }

    pub(crate) fn push(&mut self, fault: Fault) {
        self.faults.push(fault);
    }

    pub(crate) fn names(&self, key: &str) -> bool {
        self.faults.iter().any(|fault| fault.key == key)
    }
}

// === impl Faults ===

impl Faults {
    /// The faults, in the order of the layers.
    pub fn iter(&self) -> impl Iterator<Item = &Fault> {
        self.faults.iter()
    }
}

impl From<Vec<Fault>> for Faults {
    fn from(faults: Vec<Fault>) -> Self {
        Self { faults }
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} fault(s) in the configuration", self.faults.len())?;
        self.faults.iter().try_for_each(|fault| write!(f, "\n  {fault}"))
    }
}

//! Validation of a loaded configuration.

use std::fmt;

use kit::secret::redacted_address;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::config::error::{ConfigError, Origin};

/// The rules of a configuration that its types do not express.
pub trait Validate {
    /// Dotted keys of maps that accept any key, for example `kafka.options`.
    const FREE_FORM: &'static [&'static str] = &[];

    /// Renamed keys as pairs of dotted names, old and new, for example `("alerts.batch_quiet_ms", "alerts.batch_linger_ms")`. The old
    /// name is accepted with a warning for one release. Setting both names is an error. Read from the whole configuration only, not
    /// from its sections.
    const RENAMED: &'static [(&'static str, &'static str)] = &[];

    /// Reports every invalid value.
    fn validate(&self, errors: &mut ErrorCollector);
}

/// The bounds of a configuration struct.
pub trait Config: Serialize + DeserializeOwned + Default + Validate + Send + 'static {}

impl<C: Serialize + DeserializeOwned + Default + Validate + Send + 'static> Config for C {}

/// Collects errors, each with the full key.
#[derive(Debug, Default)]
pub struct ErrorCollector {
    within: Vec<String>,
    errors: Vec<ConfigError>,
}

// === impl ErrorCollector ===

impl ErrorCollector {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Reports `key` unless `valid`, with its value, the rule that the value must follow, and an example that follows it.
    pub fn check(&mut self, valid: bool, key: &str, value: impl fmt::Display, rule: &str, example: &str) {
        if !valid {
            let key = self.within.iter().map(String::as_str).chain([key]).collect::<Vec<_>>().join(".");
            let error = ConfigError::new(key, Origin::Default, format!("must be {rule}"));
            self.push(error.value(redacted_address(&value.to_string())).example(example));
        }
    }

    /// Validates a section, whose keys are below `key`.
    pub fn nest(&mut self, key: &str, section: &impl Validate) {
        self.within.push(key.to_owned());
        section.validate(self);
        self.within.pop();
    }

    /// Returns the errors in the order in which they were reported.
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

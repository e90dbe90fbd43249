//! Violations of an event's rules.

use std::fmt;

/// A violated rule: the event, the path of the field, and the cause.
///
/// Displayed as `scanner.alert.raised: score: 1.7 is outside 0..=1`. The path is omitted if the violation concerns the whole event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Name of the event, or `finding` if the name could not be read.
    pub event: &'static str,
    /// Path of the field, such as `symbols[3].occurred_at`. Empty for the whole event.
    pub path: String,
    /// Cause, with the value.
    pub cause: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() {
            write!(f, "{}: {}", self.event, self.cause)
        } else {
            write!(f, "{}: {}: {}", self.event, self.path, self.cause)
        }
    }
}

impl std::error::Error for Violation {}

/// Paths within the event that is validated. Its methods add event and path to the cause of a violated rule; they allocate nothing
/// if the rule holds.
#[derive(Debug, Clone, Copy)]
pub struct EventPath {
    event: &'static str,
}

impl EventPath {
    pub(crate) const fn of(event: &'static str) -> Self {
        Self { event }
    }

    /// Adds the path of a field.
    pub(crate) fn field<T, C: fmt::Display>(self, path: &str, checked: Result<T, C>) -> Result<T, Violation> {
        checked.map_err(|cause| self.violation(path.to_owned(), &cause))
    }

    /// Adds the path of the item at `index` of `list`, or of its field `part` unless that is empty.
    pub(crate) fn item<T, C: fmt::Display>(
        self,
        list: &str,
        index: usize,
        part: &str,
        checked: Result<T, C>,
    ) -> Result<T, Violation> {
        checked.map_err(|cause| {
            let dot = if part.is_empty() { "" } else { "." };
            self.violation(format!("{list}[{index}]{dot}{part}"), &cause)
        })
    }

    /// Adds the path of the entry of `map` with this key.
    pub(crate) fn entry<T, C: fmt::Display>(
        self,
        map: &str,
        key: &str,
        checked: Result<T, C>,
    ) -> Result<T, Violation> {
        checked.map_err(|cause| self.violation(format!("{map}.{key}"), &cause))
    }

    fn violation(self, path: String, cause: &dyn fmt::Display) -> Violation {
        Violation { event: self.event, path, cause: cause.to_string() }
    }
}

//! What is wrong with an event, and where.

use std::fmt;

/// A broken rule: which event, where in it, and why.
///
/// Its text is `scanner.alert.raised: score: 1.7 is outside 0..=1`; the path is left out where the event as a whole is at fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The event's name, or `finding` where the name itself couldn't be read.
    pub event: &'static str,
    /// The field, as `symbols[3].occurred_at`; empty for the event as a whole.
    pub path: String,
    /// What is wrong with it, with the value.
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

/// The event whose rules are being checked: turns a broken rule into a [`Violation`]; costs nothing while rules hold.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    event: &'static str,
}

impl Place {
    pub(crate) const fn of(event: &'static str) -> Self {
        Self { event }
    }

    /// The fault of the field at `path`.
    pub(crate) fn field<T, C: fmt::Display>(self, path: &str, checked: Result<T, C>) -> Result<T, Violation> {
        checked.map_err(|cause| Violation {
            event: self.event,
            path: path.to_owned(),
            cause: cause.to_string(),
        })
    }

    /// The fault of the item at `index` of `list`, or of its field `part` when that isn't empty.
    pub(crate) fn item<T, C: fmt::Display>(
        self,
        list: &str,
        index: usize,
        part: &str,
        checked: Result<T, C>,
    ) -> Result<T, Violation> {
        checked.map_err(|cause| {
            let dot = if part.is_empty() { "" } else { "." };
            Violation {
                event: self.event,
                path: format!("{list}[{index}]{dot}{part}"),
                cause: cause.to_string(),
            }
        })
    }

    /// The fault of the entry of `map` under `key`.
    pub(crate) fn entry<T, C: fmt::Display>(
        self,
        map: &str,
        key: &str,
        checked: Result<T, C>,
    ) -> Result<T, Violation> {
        checked.map_err(|cause| Violation {
            event: self.event,
            path: format!("{map}.{key}"),
            cause: cause.to_string(),
        })
    }
}

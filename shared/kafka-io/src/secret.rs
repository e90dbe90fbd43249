//! A text that is never shown.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What is shown of one that is set.
pub(crate) const REDACTED: &str = "[redacted]";
/// What is shown of one that isn't. Among a configuration's defaults the chassis takes this text for the mark of a secret, which may
/// come from a file as well; the settings of `tapeline` have the test that both sides mean the same.
const UNSET: &str = "[unset]";

/// A text that no log, error or admin page shows. Unset by default.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(Option<String>);

// === impl Secret ===

impl Secret {
    /// A secret of this text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Some(text.into()))
    }

    /// The text, for the one place that needs it.
    #[must_use]
    pub fn expose(&self) -> Option<&str> {
        self.0.as_deref()
    }

    /// Whether there is a text.
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.0.is_some()
    }

    fn shown(&self) -> &'static str {
        if self.is_set() { REDACTED } else { UNSET }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.shown())
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.shown())
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match text.as_str() {
            UNSET => Ok(Self(None)),
            REDACTED => Err(serde::de::Error::custom("a redacted value is no secret")),
            _ => Ok(Self(Some(text))),
        }
    }
}

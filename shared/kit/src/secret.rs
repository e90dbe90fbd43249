//! A text that is never shown.

use std::fmt;

/// The text shown for a secret that is set.
pub const REDACTED: &str = "[redacted]";
/// The text shown for a secret that is not set. Among the defaults of a configuration it marks the key of a secret.
pub const UNSET: &str = "[unset]";

/// A text that no log, error, admin page or serialisation shows. Unset by default.
///
/// With the feature `serde` it is serialised as [`REDACTED`] or [`UNSET`]. It is deserialised from a text; [`UNSET`] gives an unset
/// secret and [`REDACTED`] is an error.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(Option<String>);

impl Secret {
    /// A secret that is set to this text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Some(text.into()))
    }

    /// The text, for the one place that needs it. `None` if unset.
    #[must_use]
    pub fn expose(&self) -> Option<&str> {
        self.0.as_deref()
    }

    /// Whether there is a text.
    #[must_use]
    pub const fn is_set(&self) -> bool {
        self.0.is_some()
    }

    const fn shown(&self) -> &'static str {
        if self.is_set() { REDACTED } else { UNSET }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.shown())
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.shown())
    }
}

#[cfg(feature = "serde")]
mod with_serde {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::{REDACTED, Secret, UNSET};

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
}

//! A text that is never shown.

use std::fmt;

/// The text shown for a secret that is set.
pub const REDACTED: &str = "[redacted]";
/// The text shown for a secret that is not set. Among the defaults of a configuration it marks the key of a secret.
pub const UNSET: &str = "[unset]";

/// Returns an address in the form that may be shown: everything before its last `@`, except the scheme, and its query or fragment are
/// replaced by [`REDACTED`].
///
/// A user may be there in any form: without a scheme (`me:password@host`), with a password that contains `/`, `:`, `,` or `@`, in one
/// address of a list. A text without `@`, query and fragment is returned unchanged.
#[must_use]
pub fn redacted_address(text: &str) -> String {
    let Some((user, host)) = text.rsplit_once('@') else { return without_query(text) };
    let host = without_query(host);
    let is_scheme = |scheme: &&str| {
        !scheme.is_empty()
            && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-._".contains(&byte))
    };
    match user.split_once("://").map(|(scheme, _)| scheme).filter(is_scheme) {
        Some(scheme) => format!("{scheme}://{REDACTED}@{host}"),
        None => format!("{REDACTED}@{host}"),
    }
}

fn without_query(text: &str) -> String {
    match text.find(['?', '#']) {
        Some(end) if end + 1 < text.len() => format!("{}{REDACTED}", &text[..=end]),
        _ => text.to_owned(),
    }
}

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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn address_without_user_is_unchanged() {
        for text in ["http://registry:8081/path", "a:9092,b:9092", "SASL_SSL://[::1]:9092", ""] {
            assert_eq!(redacted_address(text), text);
        }
        assert_eq!(redacted_address("HTTP://me:hun/ter2@registry:1"), "HTTP://[redacted]@registry:1");
        assert_eq!(redacted_address("me:hunter2@registry"), "[redacted]@registry");
        assert_eq!(redacted_address("http://a/b?token=hunter2"), "http://a/b?[redacted]");
        assert_eq!(redacted_address("http://me:x@a?token=hunter2"), "http://[redacted]@a?[redacted]");
        assert_eq!(redacted_address("http://a/#hunter2"), "http://a/#[redacted]");
        // The text before `://` may be a part of the password.
        assert_eq!(redacted_address("me:hunter2://x@registry"), "[redacted]@registry");
    }

    proptest! {
        #[test]
        fn no_form_of_an_address_shows_its_password(
            scheme in prop::sample::select(vec!["", "http://", "HTTPS://", "SASL_SSL://", "socks5h://"]),
            before in prop::sample::select(vec!["", "a:9092,", "a:9092, b:1;"]),
            user in "[a-z:/@?# ]{0,6}",
            password in "[a-z:/@?#,; %]{0,6}",
            host in "[a-z]{1,9}(:[0-9]{1,5})?(/[a-z]{0,5})?",
        ) {
            let text = format!("{before}{scheme}{user}:{password}hunter2{password}@{host}");
            let shown = redacted_address(&text);
            prop_assert!(!shown.contains("hunter2") && shown.ends_with(&format!("@{host}")), "{}", shown);
        }
    }
}

//! Values that are never shown.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

/// What is shown of a secret that is set.
pub(crate) const REDACTED: &str = "[redacted]";
/// What is shown of a secret that is not; among the defaults, the mark of a secret's key.
pub(crate) const UNSET: &str = "[unset]";

/// A text that no log, error or admin page shows. Its default is unset, and configurations have no other.
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

    fn shown(&self) -> &'static str {
        if self.0.is_some() { REDACTED } else { UNSET }
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

/// A configuration as it may be shown: secrets, texts under secret-sounding keys (in maps that take any key) and the
/// user part of addresses are hidden.
#[must_use]
pub fn redacted<C: Serialize>(config: &C) -> Value {
    match serde_json::to_value(config) {
        Ok(mut value) => {
            hide("", &mut value);
            value
        }
        Err(error) => Value::String(format!("this configuration can't be shown: {error}")),
    }
}

/// Whether a key sounds like a secret's.
pub(crate) fn looks_secret(key: &str) -> bool {
    const SIGNS: [&str; 8] =
        ["password", "secret", "token", "credential", "private_key", "api_key", "user.info", ".pem"];
    let key = key.to_ascii_lowercase();
    SIGNS.iter().any(|sign| key.contains(sign))
}

/// A value as a error may show it.
pub(crate) fn shown_of(key: &str, value: &Value) -> String {
    let mut value = value.clone();
    hide(key, &mut value);
    value.to_string()
}

/// A text as a error may show it.
pub(crate) fn shown_text(key: &str, text: String) -> String {
    let mut value = Value::String(text);
    hide(key, &mut value);
    value.as_str().unwrap_or(REDACTED).to_owned()
}

fn hide(key: &str, value: &mut Value) {
    match value {
        Value::Object(map) => map.iter_mut().for_each(|(key, value)| hide(key, value)),
        Value::Array(items) => items.iter_mut().for_each(|item| hide(key, item)),
        Value::String(text) if text != UNSET && looks_secret(key) => REDACTED.clone_into(text),
        Value::String(text) => hide_user(text),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// `http://user:password@host` becomes `http://[redacted]@host`.
fn hide_user(text: &mut String) {
    let Some(start) = text.find("://").map(|at| at + 3) else { return };
    let end = text[start..].find('/').map_or(text.len(), |at| start + at);
    if let Some(at) = text[start..end].rfind('@') {
        text.replace_range(start..start + at, REDACTED);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize)]
    struct Shown {
        password: Secret,
        spare: Secret,
        registry: &'static str,
        options: std::collections::BTreeMap<&'static str, &'static str>,
    }

    #[test]
    fn no_secret_is_shown_by_any_way_out() {
        let shown = Shown {
            password: Secret::new("hunter2"),
            spare: Secret::default(),
            registry: "http://me:hunter2@registry:8081/path@v1",
            options: [("sasl.password", "hunter2"), ("client.rack", "a")].into(),
        };
        let value = redacted(&shown);
        assert_eq!(value["password"], REDACTED);
        assert_eq!(value["spare"], UNSET);
        assert_eq!(value["registry"], "http://[redacted]@registry:8081/path@v1");
        assert_eq!(value["options"]["sasl.password"], REDACTED);
        assert_eq!(value["options"]["client.rack"], "a");
        assert_eq!(format!("{:?} {}", shown.password, shown.password), "[redacted] [redacted]");
        assert_eq!(shown.password.expose(), Some("hunter2"));
    }
}

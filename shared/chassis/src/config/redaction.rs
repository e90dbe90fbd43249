//! Redaction: removes secrets from a configuration before it is shown.

use kit::secret::{REDACTED, UNSET, redacted_address};
use serde::Serialize;
use serde_json::Value;

/// Returns a configuration in a form that may be shown. Secrets, strings under keys that suggest a secret (in maps that accept any
/// key) and what precedes an `@`, which may be a user with a password, are redacted.
#[must_use]
pub fn redacted<C: Serialize>(config: &C) -> Value {
    match serde_json::to_value(config) {
        Ok(mut value) => {
            hide("", &mut value);
            value
        }
        Err(error) => Value::String(format!("failed to serialise the configuration: {error}")),
    }
}

/// Returns whether the name of a key suggests a secret.
pub(crate) fn is_secret_key(key: &str) -> bool {
    const PARTS: [&str; 8] =
        ["password", "secret", "token", "credential", "private_key", "api_key", "user.info", ".pem"];
    let key = key.to_ascii_lowercase();
    PARTS.iter().any(|part| key.contains(part))
}

/// Returns a value in the form that an error may show.
pub(crate) fn redacted_value(key: &str, value: &Value) -> String {
    let mut value = value.clone();
    hide(key, &mut value);
    value.to_string()
}

/// Returns a string in the form that an error may show.
pub(crate) fn redacted_text(key: &str, text: String) -> String {
    let mut value = Value::String(text);
    hide(key, &mut value);
    value.as_str().unwrap_or(REDACTED).to_owned()
}

fn hide(key: &str, value: &mut Value) {
    match value {
        Value::Object(map) => map.iter_mut().for_each(|(key, value)| hide(key, value)),
        Value::Array(items) => items.iter_mut().for_each(|item| hide(key, item)),
        Value::String(text) if text != UNSET && is_secret_key(key) => REDACTED.clone_into(text),
        Value::String(text) => *text = redacted_address(text),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use kit::Secret;

    use super::*;

    #[derive(Serialize)]
    struct Shown {
        password: Secret,
        spare: Secret,
        registry: &'static str,
        options: std::collections::BTreeMap<&'static str, &'static str>,
    }

    #[test]
    fn shown_configuration_contains_no_secret() {
        let shown = Shown {
            password: Secret::new("hunter2"),
            spare: Secret::default(),
            registry: "http://me:hun/ter2@registry:8081/path",
            options: [
                ("sasl.password", "hunter2"),
                ("client.rack", "a"),
                ("http.proxy", "me:hunter2@proxy:3128"),
            ]
            .into(),
        };
        let value = redacted(&shown);
        assert_eq!(value["password"], REDACTED);
        assert_eq!(value["spare"], UNSET);
        assert_eq!(value["registry"], "http://[redacted]@registry:8081/path");
        assert_eq!(value["options"]["http.proxy"], "[redacted]@proxy:3128");
        assert_eq!(value["options"]["sasl.password"], REDACTED);
        assert_eq!(value["options"]["client.rack"], "a");
        assert_eq!(format!("{:?} {}", shown.password, shown.password), "[redacted] [redacted]");
        assert_eq!(shown.password.expose(), Some("hunter2"));
    }
}

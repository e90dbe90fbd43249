//! The file and the environment as lists of assignments, in the order in which they are applied.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use crate::config::error::{ConfigError, Origin};
use crate::config::validation::ErrorCollector;

/// Replaces bytes that are not UTF-8 in the name or value of a variable.
const NOT_UTF8: char = char::REPLACEMENT_CHARACTER;

/// One value for one key, with its origin.
#[derive(Debug, Clone)]
pub(crate) struct Assignment {
    pub(crate) path: Vec<String>,
    pub(crate) raw: RawValue,
    pub(crate) origin: Origin,
}

/// A value as the file or the environment provides it.
#[derive(Debug, Clone)]
pub(crate) enum RawValue {
    /// From TOML, with its type.
    Typed(Value),
    /// From the environment, to be parsed as the type of the default.
    Text(String),
}

/// Reads the top-level assignments of a TOML file.
pub(crate) fn of_file(path: &Path) -> Result<Vec<Assignment>, Box<ConfigError>> {
    let origin = Origin::File(path.to_owned());
    let bytes = std::fs::read(path).map_err(|error| {
        Box::new(ConfigError::new("file", origin.clone(), format!("failed to read: {error}")))
    })?;
    let line_of = |end: usize| 1 + bytes[..end].iter().filter(|byte| **byte == b'\n').count();
    let text = std::str::from_utf8(&bytes).map_err(|error| {
        let key = format!("line {}", line_of(error.valid_up_to()));
        Box::new(ConfigError::new(key, origin.clone(), "the file must be UTF-8"))
    })?;
    let table: toml::Table = toml::from_str(text).map_err(|error| {
        let line = error.span().map_or(1, |span| line_of(span.start));
        let rule = format!("invalid TOML: {}", error.message());
        Box::new(ConfigError::new(format!("line {line}"), origin.clone(), rule))
    })?;
    Ok(table
        .into_iter()
        .map(|(key, value)| Assignment {
            path: vec![key],
            raw: RawValue::Typed(json_of(value)),
            origin: origin.clone(),
        })
        .collect())
}

/// Returns the assignments of the variables that start with `PREFIX__`, in the order of their names. Reports those that are not UTF-8.
pub(crate) fn of_env(
    prefix: &str,
    env: impl Iterator<Item = (String, String)>,
    errors: &mut ErrorCollector,
) -> Vec<Assignment> {
    let variables: BTreeMap<String, String> = env.collect();
    let mut assignments = Vec::new();
    for (name, value) in variables {
        let Some(rest) = name.strip_prefix(prefix).and_then(|rest| rest.strip_prefix("__")) else { continue };
        let path: Vec<String> = rest.split("__").map(str::to_ascii_lowercase).collect();
        if name.contains(NOT_UTF8) || value.contains(NOT_UTF8) {
            // Without the value: it may be a secret.
            let origin = Origin::Variable(name);
            errors.push(ConfigError::new(path.join("."), origin, "the variable must be UTF-8"));
            continue;
        }
        assignments.push(Assignment { path, raw: RawValue::Text(value), origin: Origin::Variable(name) });
    }
    assignments
}

fn json_of(value: toml::Value) -> Value {
    match value {
        toml::Value::String(text) => Value::String(text),
        toml::Value::Integer(number) => Value::from(number),
        // JSON has no nan and no inf: they become strings, which have the wrong type and are reported.
        toml::Value::Float(number) => serde_json::Number::from_f64(number)
            .map_or_else(|| Value::String(number.to_string()), Value::Number),
        toml::Value::Boolean(flag) => Value::Bool(flag),
        toml::Value::Datetime(time) => Value::String(time.to_string()),
        toml::Value::Array(items) => items.into_iter().map(json_of).collect(),
        toml::Value::Table(table) => {
            Value::Object(table.into_iter().map(|(key, value)| (key, json_of(value))).collect())
        }
    }
}

//! The file and the environment as lists of assignments, in the order in which they apply.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use crate::config::error::{ConfigError, Origin};

/// One value for one key, from one place.
#[derive(Debug, Clone)]
pub(crate) struct Assignment {
    pub(crate) path: Vec<String>,
    pub(crate) raw: Raw,
    pub(crate) origin: Origin,
}

/// A value as its place can write it.
#[derive(Debug, Clone)]
pub(crate) enum Raw {
    /// Has a type.
    Typed(Value),
    /// A text, to be read as the type that the default has.
    Text(String),
}

/// The top-level assignments of a TOML file.
pub(crate) fn of_file(path: &Path) -> Result<Vec<Assignment>, Box<ConfigError>> {
    let origin = Origin::File(path.to_owned());
    let text = std::fs::read_to_string(path).map_err(|error| {
        Box::new(ConfigError::new("file", origin.clone(), format!("can't be read: {error}")))
    })?;
    let table: toml::Table = toml::from_str(&text).map_err(|error| {
        let line = error.span().map_or(1, |span| text[..span.start].matches('\n').count() + 1);
        let rule = format!("is no TOML: {}", error.message());
        Box::new(ConfigError::new(format!("line {line}"), origin.clone(), rule))
    })?;
    Ok(table
        .into_iter()
        .map(|(key, value)| Assignment {
            path: vec![key],
            raw: Raw::Typed(json_of(value)),
            origin: origin.clone(),
        })
        .collect())
}

/// The assignments of the variables that start with `PREFIX__`, in the order of their names.
pub(crate) fn of_env(prefix: &str, env: impl Iterator<Item = (String, String)>) -> Vec<Assignment> {
    let variables: BTreeMap<String, String> = env.collect();
    variables
        .into_iter()
        .filter_map(|(name, value)| {
            let rest = name.strip_prefix(prefix)?.strip_prefix("__")?;
            let path = rest.split("__").map(str::to_ascii_lowercase).collect();
            Some(Assignment { path, raw: Raw::Text(value), origin: Origin::Variable(name) })
        })
        .collect()
}

fn json_of(value: toml::Value) -> Value {
    match value {
        toml::Value::String(text) => Value::String(text),
        toml::Value::Integer(number) => Value::from(number),
        // A number that JSON can't write (nan, inf) stays a text, and so has the wrong type.
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

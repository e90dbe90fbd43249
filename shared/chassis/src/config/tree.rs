//! The layers laid on the defaults, key by key.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::config::Config;
use crate::config::error::{ConfigError, ErrorCollector, Origin};
use crate::config::key;
use crate::config::layers::{Assignment, Raw};
use crate::config::secret::{REDACTED, UNSET, shown_of, shown_text};

/// The defaults, the values laid over them, and where each value came from.
#[derive(Debug)]
pub(crate) struct Tree {
    defaults: Value,
    pub(crate) values: Value,
    free_form: &'static [&'static str],
    /// By dotted key.
    pub(crate) set: BTreeMap<String, Set>,
}

/// How one key was set.
#[derive(Debug, Clone)]
pub(crate) struct Set {
    pub(crate) path: Vec<String>,
    pub(crate) shown: String,
    pub(crate) origin: Origin,
    /// A text whose default has no type: it may yet mean a number or a flag.
    pub(crate) untyped: bool,
}

/// What the defaults say about a key.
enum Place<'a> {
    /// A section with keys of its own.
    Section,
    /// A map that takes any key.
    FreeForm,
    /// A value in a map that takes any key.
    Free,
    /// A value, with its default.
    Leaf(&'a Value),
    Unknown,
}

// === impl Tree ===

impl Tree {
    pub(crate) fn of_defaults<C: Config>() -> Result<Self, Box<ConfigError>> {
        let error = |rule: String| Box::new(ConfigError::new("defaults", Origin::Default, rule));
        let defaults = as_value(&C::default()).map_err(|cause| error(format!("can't be listed: {cause}")))?;
        if !defaults.is_object() {
            return Err(error("are no table of keys".to_owned()));
        }
        Ok(Self { values: defaults.clone(), defaults, free_form: C::FREE_FORM, set: BTreeMap::new() })
    }

    /// Where the value of `key` came from.
    pub(crate) fn origin(&self, key: &str) -> Origin {
        self.set.get(key).map_or(Origin::Default, |set| set.origin.clone())
    }

    /// Lays one value over what is there, or reports why it can't be.
    pub(crate) fn assign(&mut self, assignment: Assignment, errors: &mut ErrorCollector) {
        let dotted = assignment.path.join(".");
        match self.place(&assignment.path) {
            Place::Section | Place::FreeForm => self.assign_map(&dotted, assignment, errors),
            Place::Leaf(default) if default == UNSET => self.assign_secret(&dotted, assignment, errors),
            Place::Free => self.assign_leaf(&dotted, &Value::Null, assignment, errors),
            Place::Leaf(default) => {
                let default = default.clone();
                self.assign_leaf(&dotted, &default, assignment, errors);
            }
            Place::Unknown => match self.secret_of_file_key(&assignment) {
                Some((path, file)) => self.assign_secret_file(path, &file, assignment.origin, errors),
                None => errors.push(self.unknown(&dotted, assignment.origin)),
            },
        }
    }

    /// Takes the default again, because the value that was set is a error.
    pub(crate) fn reset(&mut self, path: &[String]) {
        let default = lookup(&self.defaults, path).cloned();
        put(&mut self.values, path, default);
    }

    /// Replaces a value by the same value in another type.
    pub(crate) fn retype(&mut self, path: &[String], value: Value) {
        put(&mut self.values, path, Some(value));
    }

    /// The default of a key, for an example.
    pub(crate) fn default_of(&self, path: &[String]) -> Option<&Value> {
        lookup(&self.defaults, path).filter(|value| !value.is_null() && *value != UNSET)
    }

    fn place(&self, path: &[String]) -> Place<'_> {
        let dotted = path.join(".");
        if self.free_form.contains(&dotted.as_str()) {
            return Place::FreeForm;
        }
        if self.free_form.iter().any(|map| dotted.strip_prefix(map).is_some_and(|rest| rest.starts_with('.')))
        {
            return Place::Free;
        }
        match lookup(&self.defaults, path) {
            Some(Value::Object(_)) => Place::Section,
            Some(value) => Place::Leaf(value),
            None => Place::Unknown,
        }
    }

    fn assign_map(&mut self, dotted: &str, assignment: Assignment, errors: &mut ErrorCollector) {
        let map = match assignment.raw {
            Raw::Typed(Value::Object(map)) => Ok(map),
            Raw::Typed(other) => Err(shown_of(dotted, &other)),
            // What is meant as a table, but is none, may hold secrets.
            Raw::Text(text) => serde_json::from_str::<Map<String, Value>>(&text).map_err(|_| "…".to_owned()),
        };
        match map {
            Ok(map) => {
                for (key, value) in map {
                    let path = assignment.path.iter().cloned().chain([key]).collect();
                    let origin = assignment.origin.clone();
                    self.assign(Assignment { path, raw: Raw::Typed(value), origin }, errors);
                }
            }
            Err(shown) => {
                let error =
                    ConfigError::new(dotted, assignment.origin, "must be a table of keys, not one value");
                errors.push(error.value(shown));
            }
        }
    }

    fn assign_leaf(&mut self, dotted: &str, default: &Value, from: Assignment, errors: &mut ErrorCollector) {
        let (value, shown, untyped) = match from.raw {
            Raw::Typed(value) => (Ok(value.clone()), shown_of(dotted, &value), false),
            Raw::Text(text) => (read_as(&text, default), shown_text(dotted, text), default.is_null()),
        };
        match value {
            Ok(value) => {
                self.lay(from.path, value, Set { path: Vec::new(), shown, origin: from.origin, untyped })
            }
            Err(rule) => {
                let error = ConfigError::new(dotted, from.origin, rule).value(shown);
                errors.push(error.example(default.to_string()));
            }
        }
    }

    fn assign_secret(&mut self, dotted: &str, from: Assignment, errors: &mut ErrorCollector) {
        match from.raw {
            Raw::Text(text) | Raw::Typed(Value::String(text)) => {
                let set =
                    Set { path: Vec::new(), shown: REDACTED.to_owned(), origin: from.origin, untyped: false };
                self.lay(from.path, Value::String(text), set);
            }
            Raw::Typed(Value::Object(map))
                if map.len() == 1 && map.get("file").is_some_and(Value::is_string) =>
            {
                let file = map["file"].as_str().unwrap_or_default().to_owned();
                self.assign_secret_file(from.path, &file, from.origin, errors);
            }
            Raw::Typed(_) => {
                let rule = "must be a text, or a table with the one key file";
                errors.push(ConfigError::new(dotted, from.origin, rule).value(REDACTED));
            }
        }
    }

    /// The trailing line end of the file is not part of the secret.
    fn assign_secret_file(
        &mut self,
        path: Vec<String>,
        file: &str,
        origin: Origin,
        errors: &mut ErrorCollector,
    ) {
        match std::fs::read_to_string(file) {
            Ok(text) => {
                let text = text.trim_end_matches(['\n', '\r']).to_owned();
                let set = Set { path: Vec::new(), shown: REDACTED.to_owned(), origin, untyped: false };
                self.lay(path, Value::String(text), set);
            }
            Err(error) => {
                let rule = format!("secret file {file} can't be read: {error}");
                errors.push(ConfigError::new(path.join("."), origin, rule));
            }
        }
    }

    /// `…_FILE` of a secret: the secret's path, and the file.
    fn secret_of_file_key(&self, from: &Assignment) -> Option<(Vec<String>, String)> {
        let Raw::Text(file) = &from.raw else { return None };
        let mut path = from.path.clone();
        let stem = path.last()?.strip_suffix("_file")?.to_owned();
        *path.last_mut()? = stem;
        (lookup(&self.defaults, &path)? == UNSET).then(|| (path, file.clone()))
    }

    fn lay(&mut self, path: Vec<String>, value: Value, set: Set) {
        let path = self.joined(path);
        put(&mut self.values, &path, Some(value));
        self.set.insert(path.join("."), Set { path, ..set });
    }

    /// Keys of maps that take any key may hold dots: what is below the map is one key.
    fn joined(&self, path: Vec<String>) -> Vec<String> {
        for depth in 1..path.len() {
            if self.free_form.contains(&path[..depth].join(".").as_str()) {
                let mut joined = path[..depth].to_vec();
                joined.push(path[depth..].join("."));
                return joined;
            }
        }
        path
    }

    fn unknown(&self, dotted: &str, origin: Origin) -> ConfigError {
        let mut known = Vec::new();
        leaves("", &self.defaults, &mut known);
        let rule = match key::nearest(dotted, known.iter().map(String::as_str)) {
            Some(nearest) => format!("unknown key; the nearest known key is {nearest}"),
            None => "unknown key; there are none".to_owned(),
        };
        ConfigError::new(dotted, origin, rule)
    }
}

fn as_value(config: &impl Serialize) -> Result<Value, serde_json::Error> {
    serde_json::to_value(config)
}

/// Reads a text as the type of `default`.
fn read_as(text: &str, default: &Value) -> Result<Value, String> {
    match default {
        Value::Bool(_) => text.parse().map(Value::Bool).map_err(|_| "must be true or false".to_owned()),
        Value::Number(number) if number.is_f64() => text
            .parse()
            .ok()
            .and_then(serde_json::Number::from_f64)
            .map(Value::Number)
            .ok_or_else(|| "must be a number".to_owned()),
        Value::Number(_) => text
            .parse::<u64>()
            .map(Value::from)
            .or_else(|_| text.parse::<i64>().map(Value::from))
            .map_err(|_| "must be a whole number".to_owned()),
        Value::Array(items) => read_list(text, items.first()),
        Value::Object(_) | Value::String(_) | Value::Null => Ok(Value::String(text.to_owned())),
    }
}

fn read_list(text: &str, first: Option<&Value>) -> Result<Value, String> {
    if text.trim_start().starts_with('[') {
        return serde_json::from_str(text).map_err(|error| format!("must be a JSON list: {error}"));
    }
    let default = first.cloned().unwrap_or_else(|| Value::String(String::new()));
    text.split(',')
        .map(str::trim)
        .filter(|item| !item.is_empty())
        .map(|item| read_as(item, &default))
        .collect()
}

fn lookup<'a>(tree: &'a Value, path: &[String]) -> Option<&'a Value> {
    path.iter().try_fold(tree, |node, key| node.get(key))
}

/// Sets the value at `path`, or removes the key.
fn put(tree: &mut Value, path: &[String], value: Option<Value>) {
    let Some((last, sections)) = path.split_last() else { return };
    let section = sections.iter().try_fold(tree, |node, key| node.get_mut(key));
    if let Some(Value::Object(keys)) = section {
        match value {
            Some(value) => drop(keys.insert(last.clone(), value)),
            None => drop(keys.remove(last)),
        }
    }
}

fn leaves(within: &str, node: &Value, known: &mut Vec<String>) {
    match node {
        Value::Object(keys) => {
            for (key, value) in keys {
                let dotted = if within.is_empty() { key.clone() } else { format!("{within}.{key}") };
                leaves(&dotted, value, known);
            }
        }
        _ => known.push(within.to_owned()),
    }
}

//! The value tree: the defaults, overwritten key by key by the layers.

use std::collections::BTreeMap;
use std::fmt;

use kit::secret::{REDACTED, UNSET};
use serde_json::{Map, Value};

use crate::config::error::{ConfigError, Origin};
use crate::config::key;
use crate::config::layers::{Assignment, RawValue};
use crate::config::redaction::{redacted_text, redacted_value};
use crate::config::validation::{Config, ErrorCollector};
use crate::config::{secret_file, text};

/// The defaults, the current values, and the origin of each value.
#[derive(Debug)]
pub(crate) struct Tree {
    defaults: Value,
    pub(crate) values: Value,
    free_form: &'static [&'static str],
    /// The keys that a layer set, by dotted key.
    pub(crate) set: BTreeMap<String, SetKey>,
    /// Old and new names of [`Validate::RENAMED`](crate::config::Validate::RENAMED).
    renames: &'static [(&'static str, &'static str)],
    /// The keys that a layer set by their old name.
    pub(crate) renamed: Vec<RenamedKey>,
    /// The origin of each renamed key that a layer set by its new name.
    set_by_new_name: BTreeMap<String, Origin>,
}

/// A key that was set by its old name. Displayed as a note for the operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RenamedKey {
    pub old: &'static str,
    pub new: &'static str,
    /// Where the old name is used.
    pub origin: Origin,
}

/// A key that a layer set.
#[derive(Debug, Clone)]
pub(crate) struct SetKey {
    pub(crate) path: Vec<String>,
    /// The value, redacted if it is a secret.
    pub(crate) shown: String,
    pub(crate) origin: Origin,
    /// A string for a key without a typed default: it may be a number or a flag.
    pub(crate) untyped: bool,
}

/// The kind of a key, by the defaults.
enum KeyKind<'a> {
    /// A section with fixed keys.
    Section,
    /// A map that accepts any key.
    FreeForm,
    /// A value in a map that accepts any key.
    FreeValue,
    /// A value, with its default.
    Leaf(&'a Value),
    Unknown,
}

// === impl RenamedKey ===

impl fmt::Display for RenamedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { old, new, origin } = self;
        write!(f, "{old} ({origin}): renamed to {new}; the old name is accepted for one release")
    }
}

// === impl Tree ===

impl Tree {
    pub(crate) fn of_defaults<C: Config>() -> Result<Self, Box<ConfigError>> {
        let error = |rule: String| Box::new(ConfigError::new("defaults", Origin::Default, rule));
        let defaults = serde_json::to_value(C::default())
            .map_err(|cause| error(format!("failed to serialise: {cause}")))?;
        if !defaults.is_object() {
            return Err(error("must serialise to a table of keys".to_owned()));
        }
        Ok(Self {
            values: defaults.clone(),
            defaults,
            free_form: C::FREE_FORM,
            set: BTreeMap::new(),
            renames: C::RENAMED,
            renamed: Vec::new(),
            set_by_new_name: BTreeMap::new(),
        })
    }

    /// Returns where the value of `key` came from.
    pub(crate) fn origin(&self, key: &str) -> Origin {
        self.set.get(key).map_or(Origin::Default, |set| set.origin.clone())
    }

    /// Overwrites one value, or reports why it is invalid. Accepts old names of renamed keys.
    pub(crate) fn assign(&mut self, assignment: Assignment, errors: &mut ErrorCollector) {
        let dotted = assignment.path.join(".");
        for &(old, new) in self.renames {
            if dotted == old {
                let path = new.split('.').map(str::to_owned).collect();
                self.renamed.push(RenamedKey { old, new, origin: assignment.origin.clone() });
                return self.assign_by_new_name(Assignment { path, ..assignment }, errors);
            }
            if dotted == new {
                self.set_by_new_name.insert(dotted.clone(), assignment.origin.clone());
            }
        }
        self.assign_by_new_name(assignment, errors);
    }

    /// Reports the renamed keys that are set by both names, in any layer: neither value is obviously the intended one.
    pub(crate) fn check_renamed(&self, errors: &mut ErrorCollector) {
        for RenamedKey { old, new, origin } in &self.renamed {
            if let Some(other) = self.set_by_new_name.get(*new) {
                let rule = format!("renamed to {new}, which is set too ({other}); remove {old}");
                errors.push(ConfigError::new(*old, origin.clone(), rule));
            }
        }
    }

    /// Returns an error with the name of the key as the operator wrote it.
    pub(crate) fn as_written(&self, mut error: ConfigError) -> ConfigError {
        let used = self.renamed.iter().find(|used| used.new == error.key && used.origin == error.origin);
        if let Some(used) = used {
            used.old.clone_into(&mut error.key);
        }
        error
    }

    fn assign_by_new_name(&mut self, assignment: Assignment, errors: &mut ErrorCollector) {
        let dotted = assignment.path.join(".");
        match self.kind(&assignment.path) {
            KeyKind::Section | KeyKind::FreeForm => self.assign_map(&dotted, assignment, errors),
            KeyKind::Leaf(default) if default == UNSET => self.assign_secret(&dotted, assignment, errors),
            KeyKind::FreeValue => self.assign_leaf(&dotted, &Value::Null, assignment, errors),
            KeyKind::Leaf(default) => {
                let default = default.clone();
                self.assign_leaf(&dotted, &default, assignment, errors);
            }
            KeyKind::Unknown => match self.secret_of_file_key(&assignment) {
                Some((path, file)) => self.assign_secret_file(path, &file, assignment.origin, errors),
                None => errors.push(self.unknown(&dotted, assignment.origin)),
            },
        }
    }

    /// Restores the default of a key whose value is invalid.
    pub(crate) fn reset(&mut self, path: &[String]) {
        let default = lookup(&self.defaults, path).cloned();
        put(&mut self.values, path, default);
    }

    /// Replaces a value by the same value of another type.
    pub(crate) fn retype(&mut self, path: &[String], value: Value) {
        put(&mut self.values, path, Some(value));
    }

    /// Returns the default of a key as an example. `None` if it has none or is a secret.
    pub(crate) fn default_of(&self, path: &[String]) -> Option<&Value> {
        lookup(&self.defaults, path).filter(|value| !value.is_null() && *value != UNSET)
    }

    fn kind(&self, path: &[String]) -> KeyKind<'_> {
        let dotted = path.join(".");
        if self.free_form.contains(&dotted.as_str()) {
            return KeyKind::FreeForm;
        }
        if self.free_form.iter().any(|map| dotted.strip_prefix(map).is_some_and(|rest| rest.starts_with('.')))
        {
            return KeyKind::FreeValue;
        }
        match lookup(&self.defaults, path) {
            Some(Value::Object(_)) => KeyKind::Section,
            Some(value) => KeyKind::Leaf(value),
            None => KeyKind::Unknown,
        }
    }

    fn assign_map(&mut self, dotted: &str, assignment: Assignment, errors: &mut ErrorCollector) {
        let map = match assignment.raw {
            RawValue::Typed(Value::Object(map)) => Ok(map),
            RawValue::Typed(other) => Err(redacted_value(dotted, &other)),
            // Text that is not a table may contain secrets.
            RawValue::Text(text) => {
                serde_json::from_str::<Map<String, Value>>(&text).map_err(|_| "…".to_owned())
            }
        };
        match map {
            Ok(map) => {
                for (key, value) in map {
                    let path = assignment.path.iter().cloned().chain([key]).collect();
                    let origin = assignment.origin.clone();
                    self.assign(Assignment { path, raw: RawValue::Typed(value), origin }, errors);
                }
            }
            Err(shown) => {
                let error = ConfigError::new(
                    dotted,
                    assignment.origin,
                    "must be a table of keys, not a single value",
                );
                errors.push(error.value(shown));
            }
        }
    }

    fn assign_leaf(&mut self, dotted: &str, default: &Value, from: Assignment, errors: &mut ErrorCollector) {
        let (value, shown, untyped) = match from.raw {
            RawValue::Typed(value) => (Ok(value.clone()), redacted_value(dotted, &value), false),
            RawValue::Text(text) => {
                (text::parse(&text, default), redacted_text(dotted, text), default.is_null())
            }
        };
        match value {
            Ok(value) => self.set_value(
                from.path,
                value,
                SetKey { path: Vec::new(), shown, origin: from.origin, untyped },
            ),
            Err(rule) => {
                let error = ConfigError::new(dotted, from.origin, rule.to_string()).value(shown);
                errors.push(error.example(default.to_string()));
            }
        }
    }

    fn assign_secret(&mut self, dotted: &str, from: Assignment, errors: &mut ErrorCollector) {
        match from.raw {
            RawValue::Text(text) | RawValue::Typed(Value::String(text)) => {
                let set = SetKey {
                    path: Vec::new(),
                    shown: REDACTED.to_owned(),
                    origin: from.origin,
                    untyped: false,
                };
                self.set_value(from.path, Value::String(text), set);
            }
            RawValue::Typed(Value::Object(map))
                if map.len() == 1 && map.get("file").is_some_and(Value::is_string) =>
            {
                let file = map["file"].as_str().unwrap_or_default().to_owned();
                self.assign_secret_file(from.path, &file, from.origin, errors);
            }
            RawValue::Typed(_) => {
                let rule = "must be a string, or a table with the single key file";
                errors.push(ConfigError::new(dotted, from.origin, rule).value(REDACTED));
            }
        }
    }

    /// Sets a secret to the content of a file.
    fn assign_secret_file(
        &mut self,
        path: Vec<String>,
        file: &str,
        origin: Origin,
        errors: &mut ErrorCollector,
    ) {
        match secret_file::read(file) {
            Ok(text) => {
                let set = SetKey { path: Vec::new(), shown: REDACTED.to_owned(), origin, untyped: false };
                self.set_value(path, Value::String(text), set);
            }
            Err(error) => {
                let rule = format!("secret file {file} {error}");
                errors.push(ConfigError::new(path.join("."), origin, rule));
            }
        }
    }

    /// Returns the path of the secret and the file, if the key is `…_FILE` of a secret.
    fn secret_of_file_key(&self, from: &Assignment) -> Option<(Vec<String>, String)> {
        let RawValue::Text(file) = &from.raw else { return None };
        let mut path = from.path.clone();
        let stem = path.last()?.strip_suffix("_file")?.to_owned();
        *path.last_mut()? = stem;
        (lookup(&self.defaults, &path)? == UNSET).then(|| (path, file.clone()))
    }

    fn set_value(&mut self, path: Vec<String>, value: Value, set: SetKey) {
        let path = self.joined(path);
        put(&mut self.values, &path, Some(value));
        self.set.insert(path.join("."), SetKey { path, ..set });
    }

    /// Joins the parts of a path below a map that accepts any key: its keys may contain dots.
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
            None => "unknown key; no keys are known".to_owned(),
        };
        ConfigError::new(dotted, origin, rule)
    }
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

//! Deserialisation of the value tree. A value of the wrong type is reported and replaced by its default, so that later errors are
//! reported too.

use serde_json::Value;
use serde_path_to_error::Segment;

use crate::config::error::{ConfigError, Origin};
use crate::config::redaction::is_secret_key;
use crate::config::rule;
use crate::config::tree::Tree;
use crate::config::validation::{Config, ErrorCollector};

/// Deserialises the tree. `None` if that fails even after each invalid value was replaced by its default.
pub(crate) fn read<C: Config>(tree: &mut Tree, errors: &mut ErrorCollector) -> Option<C> {
    loop {
        let error = match serde_path_to_error::deserialize::<_, C>(tree.values.clone()) {
            Ok(config) => return Some(config),
            Err(error) => error,
        };
        let keys: Vec<&str> = error
            .path()
            .iter()
            .map_while(|segment| match segment {
                Segment::Map { key } => Some(key.as_str()),
                Segment::Seq { .. } | Segment::Enum { .. } | Segment::Unknown => None,
            })
            .collect();
        let rule = rule::of_serde(&error.inner().to_string());
        // The innermost key that was set. Each iteration removes one, so the loop terminates.
        let culprit =
            (1..=keys.len()).rev().find_map(|depth| tree.set.remove_entry(&keys[..depth].join(".")));
        let Some((key, mut set)) = culprit else {
            errors.push(ConfigError::new(
                keys.join("."),
                Origin::Default,
                format!("invalid default: {rule}"),
            ));
            return None;
        };
        if set.untyped
            && let Ok(value @ (Value::Bool(_) | Value::Number(_))) = serde_json::from_str(&set.shown)
        {
            set.untyped = false;
            tree.retype(&set.path, value);
            tree.set.insert(key, set);
            continue;
        }
        let rule = if is_secret_key(&key) { "has the wrong type".to_owned() } else { rule };
        let mut error = ConfigError::new(key, set.origin.clone(), rule).value(set.shown.clone());
        if let Some(default) = tree.default_of(&set.path) {
            error = error.example(default.to_string());
        }
        errors.push(error);
        tree.reset(&set.path);
    }
}

//! The laid tree as a configuration. A value of the wrong type is reported and replaced by its default, so that the
//! next error shows as well.

use serde_json::Value;
use serde_path_to_error::Segment;

use crate::config::Config;
use crate::config::error::{ConfigError, ErrorCollector, Origin};
use crate::config::secret::looks_secret;
use crate::config::tree::Tree;

/// Reads the tree; `None` when it can't be read even with defaults in the place of errors.
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
        let rule = error.inner().to_string();
        // The innermost key that somebody set; every turn takes one away, so the loop ends.
        let culprit =
            (1..=keys.len()).rev().find_map(|depth| tree.set.remove_entry(&keys[..depth].join(".")));
        let Some((key, mut set)) = culprit else {
            errors.push(ConfigError::new(
                keys.join("."),
                Origin::Default,
                format!("the default can't be read: {rule}"),
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
        let rule = if looks_secret(&key) { "has the wrong type".to_owned() } else { rule };
        let mut error = ConfigError::new(key, set.origin.clone(), rule).value(set.shown.clone());
        if let Some(default) = tree.default_of(&set.path) {
            error = error.example(default.to_string());
        }
        errors.push(error);
        tree.reset(&set.path);
    }
}

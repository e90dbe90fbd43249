//! Configuration: defaults, then a TOML file, then the environment; every error of all three at once.
//!
//! The serialised defaults are the list of known keys and of their types, so a configuration struct serialises every
//! field (no `skip_serializing`, no `flatten`) and derives `#[serde(default)]`. Its enums are plain names. Maps whose
//! keys nobody knows in advance are listed in [`Validate::FREE_FORM`].
//!
//! `FEATURE__KAFKA__BROKERS=a:9092,b:9092` sets `kafka.brokers`: two underscores nest, and the text is read as the
//! type that the default has. Lists are separated by commas or written as JSON, maps are written as JSON. A
//! [`Secret`] may also come from a file: `FEATURE__KAFKA__PASSWORD_FILE=/run/secrets/p`, or `{ file = "…" }` in TOML.

mod error;
mod key;
mod layers;
mod secret;
mod tree;
mod typed;

#[cfg(test)]
mod tests;

use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

pub use error::{ConfigError, ConfigErrors, ErrorCollector, Origin};
pub use secret::{Secret, redacted};

use tree::Tree;

/// The rules of a configuration that its types can't say.
pub trait Validate {
    /// Dotted keys of maps that take any key, like `kafka.options`.
    const FREE_FORM: &'static [&'static str] = &[];

    /// Reports every value that breaks a rule.
    fn validate(&self, errors: &mut ErrorCollector);
}

/// What a configuration struct is.
pub trait Config: Serialize + DeserializeOwned + Default + Validate + Send + 'static {}

impl<C: Serialize + DeserializeOwned + Default + Validate + Send + 'static> Config for C {}

/// Loads a configuration: the defaults, then `file`, then the variables of `env` that start with `PREFIX__`.
///
/// # Errors
///
/// Every error of all three: unknown keys, wrong types, broken rules.
pub fn load<C: Config>(
    prefix: &str,
    file: Option<&Path>,
    env: impl Iterator<Item = (String, String)>,
) -> Result<C, ConfigErrors> {
    let mut errors = ErrorCollector::new();
    let mut tree = match Tree::of_defaults::<C>() {
        Ok(tree) => tree,
        Err(error) => return Err(ConfigErrors::from(vec![*error])),
    };
    let mut assignments = Vec::new();
    if let Some(path) = file {
        match layers::of_file(path) {
            Ok(table) => assignments.extend(table),
            Err(error) => errors.push(*error),
        }
    }
    assignments.extend(layers::of_env(prefix, env));
    for assignment in assignments {
        tree.assign(assignment, &mut errors);
    }
    let config = typed::read::<C>(&mut tree, &mut errors);
    if let Some(config) = &config {
        let mut broken = ErrorCollector::new();
        config.validate(&mut broken);
        for error in broken.into_errors() {
            // One error a key: a value of the wrong type was replaced by the default, whose rules say nothing.
            if !errors.names(&error.key) {
                let origin = tree.origin(&error.key);
                errors.push(error.came_from(origin));
            }
        }
    }
    match (config, errors.into_errors()) {
        (Some(config), errors) if errors.is_empty() => Ok(config),
        (_, errors) => Err(ConfigErrors::from(errors)),
    }
}

/// The prefix of a service's variables: its name in capitals, with underscores.
#[must_use]
pub fn prefix(service: &str) -> String {
    service.to_ascii_uppercase().replace('-', "_")
}

/// The process's environment. Variables that are no UTF-8 are nobody's keys and are left out.
pub fn system_env() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}

//! Configuration from defaults, a TOML file and the environment, in this order. All errors are reported at once.
//!
//! The serialised defaults define the known keys and their types. A configuration struct therefore serialises every field (no
//! `skip_serializing`, no `flatten`) and derives `#[serde(default)]`. Its enums have unit variants only. Maps with arbitrary keys are
//! listed in [`Validate::FREE_FORM`], renamed keys in [`Validate::RENAMED`].
//!
//! `FEATURE__KAFKA__BROKERS=a:9092,b:9092` sets `kafka.brokers`: two underscores separate the parts of a key, and the text is parsed as
//! the type of the default. Lists are separated by commas or written as JSON, maps are written as JSON. A [`Secret`] may also come from
//! a file: `FEATURE__KAFKA__PASSWORD_FILE=/run/secrets/p`, or `{ file = "…" }` in TOML.

mod error;
mod key;
mod layers;
mod redaction;
mod rule;
mod secret_file;
mod text;
mod tree;
mod typed;
mod validation;

#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::path::Path;

pub use error::{ConfigError, ConfigErrors, Origin};
pub use kit::Secret;
pub use redaction::redacted;
pub use tree::RenamedKey;
pub use validation::{Config, ErrorCollector, Validate};

use tree::Tree;

/// A valid configuration.
#[derive(Debug)]
pub struct Loaded<C> {
    pub config: C,
    /// The keys that were set by their old name, to be reported to the operator.
    pub renamed: Vec<RenamedKey>,
}

/// Loads a configuration: the defaults, then `file`, then the variables of `env` that start with `PREFIX__`.
///
/// # Errors
/// All errors of all three layers: unknown keys, wrong types, invalid values, variables with U+FFFD, which are not UTF-8.
pub fn load<C: Config>(
    prefix: &str,
    file: Option<&Path>,
    env: impl Iterator<Item = (String, String)>,
) -> Result<C, ConfigErrors> {
    load_with_renames(prefix, file, env).map(|loaded| loaded.config)
}

/// As [`load`], and returns the uses of renamed keys as well.
///
/// # Errors
/// As [`load`].
pub fn load_with_renames<C: Config>(
    prefix: &str,
    file: Option<&Path>,
    env: impl Iterator<Item = (String, String)>,
) -> Result<Loaded<C>, ConfigErrors> {
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
    assignments.extend(layers::of_env(prefix, env, &mut errors));
    for assignment in assignments {
        tree.assign(assignment, &mut errors);
    }
    tree.check_renamed(&mut errors);
    let config = typed::read::<C>(&mut tree, &mut errors);
    if let Some(config) = &config {
        let mut invalid = ErrorCollector::new();
        config.validate(&mut invalid);
        for error in invalid.into_errors() {
            // One error per key: a value of the wrong type was replaced by the default, so its validation proves nothing.
            if !errors.names(&error.key) {
                let origin = tree.origin(&error.key);
                errors.push(error.came_from(origin));
            }
        }
    }
    match (config, errors.into_errors()) {
        (Some(config), errors) if errors.is_empty() => Ok(Loaded { config, renamed: tree.renamed }),
        (_, errors) => Err(errors.into_iter().map(|error| tree.as_written(error)).collect::<Vec<_>>().into()),
    }
}

/// Returns the prefix of a service's variables: its name in upper case, with underscores.
#[must_use]
pub fn prefix(service: &str) -> String {
    service.to_ascii_uppercase().replace('-', "_")
}

/// Returns the environment of the process. Bytes that are not UTF-8 are replaced by U+FFFD, which [`load`] reports.
pub fn system_env() -> impl Iterator<Item = (String, String)> {
    let text = |text: OsString| text.to_string_lossy().into_owned();
    std::env::vars_os().map(move |(name, value)| (text(name), text(value)))
}

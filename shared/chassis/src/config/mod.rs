//! Configuration: defaults, then a TOML file, then the environment; every fault of all three at once.
//!
//! The serialised defaults are the list of known keys and of their types, so a configuration struct serialises every
//! field (no `skip_serializing`, no `flatten`) and derives `#[serde(default)]`. Its enums are plain names. Maps whose
//! keys nobody knows in advance are listed in [`Validate::FREE_FORM`].
//!
//! `FEATURE__KAFKA__BROKERS=a:9092,b:9092` sets `kafka.brokers`: two underscores nest, and the text is read as the
//! type that the default has. Lists are separated by commas or written as JSON, maps are written as JSON. A
//! [`Secret`] may also come from a file: `FEATURE__KAFKA__PASSWORD_FILE=/run/secrets/p`, or `{ file = "…" }` in TOML.

mod fault;
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

pub use fault::{Fault, FaultList, Faults, Origin};
pub use secret::{Secret, redacted};

use tree::Tree;

/// The rules of a configuration that its types can't say.
pub trait Validate {
    /// Dotted keys of maps that take any key, like `kafka.options`.
    const FREE_FORM: &'static [&'static str] = &[];

    /// Reports every value that breaks a rule.
    fn faults(&self, faults: &mut FaultList);
}

/// What a configuration struct is.
pub trait Config: Serialize + DeserializeOwned + Default + Validate + Send + 'static {}

impl<C: Serialize + DeserializeOwned + Default + Validate + Send + 'static> Config for C {}

/// Loads a configuration: the defaults, then `file`, then the variables of `env` that start with `PREFIX__`.
///
/// # Errors
///
/// Every fault of all three: unknown keys, wrong types, broken rules.
pub fn load<C: Config>(
    prefix: &str,
    file: Option<&Path>,
    env: impl Iterator<Item = (String, String)>,
) -> Result<C, Faults> {
    let mut faults = FaultList::new();
    let mut tree = match Tree::of_defaults::<C>() {
        Ok(tree) => tree,
        Err(fault) => return Err(Faults::from(vec![*fault])),
    };
    let mut assignments = Vec::new();
    if let Some(path) = file {
        match layers::of_file(path) {
            Ok(table) => assignments.extend(table),
            Err(fault) => faults.push(*fault),
        }
    }
    assignments.extend(layers::of_env(prefix, env));
    for assignment in assignments {
        tree.assign(assignment, &mut faults);
    }
    let config = typed::read::<C>(&mut tree, &mut faults);
    if let Some(config) = &config {
        let mut broken = FaultList::new();
        config.faults(&mut broken);
        for fault in broken.into_faults() {
            // One fault a key: a value of the wrong type was replaced by the default, whose rules say nothing.
            if !faults.names(&fault.key) {
                let origin = tree.origin(&fault.key);
                faults.push(fault.came_from(origin));
            }
        }
    }
    match (config, faults.into_faults()) {
        (Some(config), faults) if faults.is_empty() => Ok(config),
        (_, faults) => Err(Faults::from(faults)),
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

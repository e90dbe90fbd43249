//! The programs that are configured, each with its defaults.

use std::path::Path;

use chassis::Service;
use chassis::config::{self, Config};
use serde_json::Value;

use crate::Error;

/// A program with a configuration.
#[derive(Debug)]
pub struct Program {
    /// Its name, also that of its crate.
    pub name: &'static str,
    /// Prefix of its environment variables.
    pub prefix: String,
    /// The type of its configuration.
    pub root: String,
    /// The serialized defaults.
    pub defaults: Value,
    /// Dotted keys of tables with any keys.
    pub free_form: &'static [&'static str],
    /// Loads a file and compares the result with the defaults.
    load: fn(&str, &Path) -> Result<bool, String>,
}

impl Program {
    /// Returns all programs, in the order of the data flow.
    ///
    /// # Errors
    /// If the defaults of one cannot be serialized.
    pub fn all() -> Result<Vec<Self>, Error> {
        Ok(vec![
            Self::of_service::<publisher::service::Publisher>()?,
            Self::of_service::<scanner_bridge::service::Bridge>()?,
            Self::of_service::<feature::service::Feature>()?,
            Self::of_service::<backfill::service::Backfill>()?,
            Self::of::<tapeline::cluster::Settings>("tapeline", tapeline::cluster::PREFIX.to_owned())?,
        ])
    }

    fn of_service<S: Service>() -> Result<Self, Error>
    where
        S::Config: PartialEq,
    {
        Self::of::<S::Config>(S::NAME, config::prefix(S::NAME))
    }

    fn of<C: Config + PartialEq>(name: &'static str, prefix: String) -> Result<Self, Error> {
        let defaults =
            serde_json::to_value(C::default()).map_err(|source| Error::Defaults { service: name, source })?;
        let path = std::any::type_name::<C>();
        let root = path.rsplit("::").next().unwrap_or(path).to_owned();
        Ok(Self { name, prefix, root, defaults, free_form: C::FREE_FORM, load: load::<C> })
    }

    /// Returns `true` if a file holds exactly the defaults.
    ///
    /// # Errors
    /// If the service would reject the file.
    pub fn is_default(&self, file: &Path) -> Result<bool, String> {
        (self.load)(&self.prefix, file)
    }
}

fn load<C: Config + PartialEq>(prefix: &str, file: &Path) -> Result<bool, String> {
    let config =
        config::load::<C>(prefix, Some(file), std::iter::empty()).map_err(|errors| errors.to_string())?;
    Ok(config == C::default())
}

//! Mapping of alert types as a TOML file.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use domain::{AlertType, FeatureSet, FeatureSets, Timeframe};
use serde::Deserialize;

use crate::rules::mapping::{BOOST_MAX, Mapping, Row};

/// The built-in mapping, used if no other is configured.
pub const DEFAULT: &str = include_str!("../config/mapping.toml");

/// The name for all feature sets.
const ALL: &str = "all";

/// An invalid mapping, with the path of the first invalid key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MappingError {
    /// Invalid TOML, an unknown key, or a value of another type.
    #[error("invalid mapping: {key}: {cause}")]
    Toml {
        /// `.` if the text is not TOML.
        key: String,
        /// The message of the TOML parser, in one line and without its excerpt of the file.
        cause: String,
    },
    #[error("invalid mapping: {key} is missing")]
    Missing { key: String },
    #[error("invalid mapping: {key}: {value} is not {rule}")]
    Value {
        key: String,
        value: String,
        /// The permitted values.
        rule: &'static str,
    },
}

/// A configured mapping file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error("failed to read alerts.mapping_file {}", .path.display())]
    Read {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("failed to load alerts.mapping_file {}", .path.display())]
    Invalid {
        path: PathBuf,
        #[source]
        source: MappingError,
    },
    #[error("failed to load the built-in mapping")]
    BuiltIn(#[source] MappingError),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RowToml {
    sets: Option<Vec<String>>,
    timeframe: Option<String>,
    boost: Option<i64>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct MappingToml {
    default: RowToml,
    #[serde(default)]
    alert: BTreeMap<String, RowToml>,
}

/// Loads the mapping of a file, or the built-in one if the path is empty.
///
/// # Errors
/// The file cannot be read, or its content is invalid.
pub fn load(path: &Path) -> Result<Mapping, LoadError> {
    if path.as_os_str().is_empty() {
        return parse(DEFAULT).map_err(LoadError::BuiltIn);
    }
    let text =
        std::fs::read_to_string(path).map_err(|source| LoadError::Read { path: path.to_owned(), source })?;
    parse(&text).map_err(|source| LoadError::Invalid { path: path.to_owned(), source })
}

/// Parses a mapping.
///
/// # Errors
/// The first invalid key.
pub fn parse(text: &str) -> Result<Mapping, MappingError> {
    let invalid = |key: String, cause: &toml::de::Error| MappingError::Toml {
        key,
        cause: cause.message().replace('\n', " "),
    };
    let reader = toml::Deserializer::parse(text).map_err(|cause| invalid(".".to_owned(), &cause))?;
    let file: MappingToml = serde_path_to_error::deserialize(reader)
        .map_err(|error| invalid(error.path().to_string(), error.inner()))?;

    let default = default_row(&file.default)?;
    let mut mapping = Mapping::of_default(default);
    for (name, row) in &file.alert {
        let path = format!("alert.{name}");
        let Some(alert_type) = AlertType::from_name(name) else {
            return Err(MappingError::Value { key: path, value: format!("{name:?}"), rule: "an alert type" });
        };
        mapping.set(alert_type, row_over(&default, row, &path)?);
    }
    Ok(mapping)
}

fn default_row(row: &RowToml) -> Result<Row, MappingError> {
    let missing = |key: &str| MappingError::Missing { key: format!("default.{key}") };
    let sets = row.sets.as_ref().ok_or_else(|| missing("sets"))?;
    let timeframe = row.timeframe.as_ref().ok_or_else(|| missing("timeframe"))?;
    Ok(Row {
        sets: sets_of(sets, "default")?,
        timeframe: timeframe_of(timeframe, "default")?,
        boost: row.boost.map_or(Ok(0), |boost| boost_of(boost, "default"))?,
    })
}

fn row_over(default: &Row, row: &RowToml, path: &str) -> Result<Row, MappingError> {
    Ok(Row {
        sets: row.sets.as_ref().map_or(Ok(default.sets), |names| sets_of(names, path))?,
        timeframe: row.timeframe.as_ref().map_or(Ok(default.timeframe), |name| timeframe_of(name, path))?,
        boost: row.boost.map_or(Ok(default.boost), |boost| boost_of(boost, path))?,
    })
}

fn sets_of(names: &[String], path: &str) -> Result<FeatureSets, MappingError> {
    if names.is_empty() {
        return Err(MappingError::Value {
            key: format!("{path}.sets"),
            value: "[]".to_owned(),
            rule: "at least one feature set",
        });
    }
    let mut sets = FeatureSets::EMPTY;
    for (index, name) in names.iter().enumerate() {
        match FeatureSet::from_name(name) {
            Some(set) => sets.insert(set),
            None if name == ALL => sets = FeatureSets::all(),
            None => {
                return Err(MappingError::Value {
                    key: format!("{path}.sets[{index}]"),
                    value: format!("{name:?}"),
                    rule: "a feature set",
                });
            }
        }
    }
    Ok(sets)
}

fn timeframe_of(name: &str, path: &str) -> Result<Timeframe, MappingError> {
    Timeframe::from_name(name).ok_or_else(|| MappingError::Value {
        key: format!("{path}.timeframe"),
        value: format!("{name:?}"),
        rule: "one of 1min, 5min, 1hour, 1day",
    })
}

fn boost_of(boost: i64, path: &str) -> Result<u8, MappingError> {
    match u8::try_from(boost) {
        Ok(boost) if boost <= BOOST_MAX => Ok(boost),
        _ => Err(MappingError::Value {
            key: format!("{path}.boost"),
            value: boost.to_string(),
            rule: "one of 0..=3",
        }),
    }
}

#[cfg(test)]
mod tests {
    use domain::{AlertType, FeatureSet, Timeframe};

    use std::path::Path;

    use super::{DEFAULT, LoadError, load, parse};

    const SMALL: &str = "[default]\nsets = [\"price_features\"]\ntimeframe = \"1day\"\n";

    fn error(text: &str) -> String {
        parse(text).unwrap_err().to_string()
    }

    #[test]
    fn default_mapping_is_valid() {
        let mapping = parse(DEFAULT).unwrap();
        assert_eq!(mapping.row(AlertType::Unknown).sets.len(), 3);
    }

    #[test]
    fn omitted_key_of_a_row_has_its_default() {
        let mapping = parse(&format!("{SMALL}[alert.momentum]\nboost = 2\ntimeframe = \"5min\"\n")).unwrap();
        let row = mapping.row(AlertType::Momentum);
        assert_eq!((row.boost, row.timeframe), (2, Timeframe::Minute5));
        assert!(row.sets.contains(FeatureSet::PriceFeatures) && row.sets.len() == 1);
        assert_eq!(mapping.row(AlertType::TrendChange).boost, 0);
    }

    #[test]
    fn invalid_value_is_reported_with_its_key() {
        let over = |row: &str| error(&format!("{SMALL}[alert.momentum]\n{row}\n"));
        assert_eq!(
            over(r#"sets = ["price_features", "prise"]"#),
            r#"invalid mapping: alert.momentum.sets[1]: "prise" is not a feature set"#
        );
        assert_eq!(
            over("sets = []"),
            "invalid mapping: alert.momentum.sets: [] is not at least one feature set"
        );
        assert_eq!(over("boost = 4"), "invalid mapping: alert.momentum.boost: 4 is not one of 0..=3");
        assert_eq!(
            over(r#"timeframe = "2min""#),
            r#"invalid mapping: alert.momentum.timeframe: "2min" is not one of 1min, 5min, 1hour, 1day"#
        );
        assert_eq!(
            error(&format!("{SMALL}[alert.momentun]\nboost = 1\n")),
            r#"invalid mapping: alert.momentun: "momentun" is not an alert type"#
        );
        assert_eq!(error("[default]\nsets = [\"all\"]\n"), "invalid mapping: default.timeframe is missing");
    }

    #[test]
    fn unknown_key_or_type_is_reported_with_its_key() {
        let over = |row: &str| error(&format!("{SMALL}[alert.momentum]\n{row}\n"));
        assert!(over("boost = \"2\"").starts_with("invalid mapping: alert.momentum.boost: invalid type"));
        assert!(over("boots = 2").contains("alert.momentum"), "{}", over("boots = 2"));
        assert!(over("boots = 2").contains("boots"));
        assert!(error("not toml").starts_with("invalid mapping: .: "));
        assert!(error("").contains("default"));
    }

    #[test]
    fn missing_file_fails_with_its_path() {
        let error = load(Path::new("/no/such/mapping.toml")).unwrap_err();
        assert_eq!(error.to_string(), "failed to read alerts.mapping_file /no/such/mapping.toml");
        let LoadError::Read { source, .. } = error else { panic!("{error:?}") };
        assert_eq!(source.kind(), std::io::ErrorKind::NotFound);
    }

    #[test]
    fn empty_path_loads_the_default_mapping() {
        assert_eq!(load(Path::new("")).unwrap(), parse(DEFAULT).unwrap());
    }
}

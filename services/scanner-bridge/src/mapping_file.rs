//! The mapping as a TOML file.

use std::collections::BTreeMap;

use domain::{AlertType, FeatureSet, FeatureSets, Timeframe};
use serde::Deserialize;

use crate::rules::mapping::{MAX_BOOST, Mapping, Row};

/// The mapping that the bridge has when no other is configured.
pub const DEFAULT: &str = include_str!("../config/mapping.toml");

/// The name that stands for every feature set.
const ALL: &str = "all";

/// Why a text is no mapping; names the key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MappingError {
    /// No TOML, or a key or a type that a mapping doesn't have.
    #[error("mapping: {key}: {cause}")]
    Shape {
        /// The path to it, `.` when the text is no TOML at all.
        key: String,
        /// What is wrong, in the words of the TOML reader.
        cause: String,
    },
    /// A key without which there is no mapping.
    #[error("mapping: {key} is missing")]
    Missing {
        /// The path to it.
        key: String,
    },
    /// A value outside its list or range.
    #[error("mapping: {key}: {value} is not {rule}")]
    Value {
        /// The path to it.
        key: String,
        /// What it is.
        value: String,
        /// What it may be.
        rule: &'static str,
    },
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileRow {
    sets: Option<Vec<String>>,
    timeframe: Option<String>,
    boost: Option<i64>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    default: FileRow,
    #[serde(default)]
    alert: BTreeMap<String, FileRow>,
}

/// Reads a mapping.
///
/// # Errors
/// When the text is none, with the first key that is wrong and why.
pub fn parse(text: &str) -> Result<Mapping, MappingError> {
    let shape = |key: String, cause: &toml::de::Error| MappingError::Shape {
        key,
        cause: cause.message().replace('\n', " "),
    };
    let reader = toml::Deserializer::parse(text).map_err(|cause| shape(".".to_owned(), &cause))?;
    let file: File = serde_path_to_error::deserialize(reader)
        .map_err(|fault| shape(fault.path().to_string(), fault.inner()))?;

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

fn default_row(row: &FileRow) -> Result<Row, MappingError> {
    let missing = |key: &str| MappingError::Missing { key: format!("default.{key}") };
    let sets = row.sets.as_ref().ok_or_else(|| missing("sets"))?;
    let timeframe = row.timeframe.as_ref().ok_or_else(|| missing("timeframe"))?;
    Ok(Row {
        sets: sets_of(sets, "default")?,
        timeframe: timeframe_of(timeframe, "default")?,
        boost: row.boost.map_or(Ok(0), |boost| boost_of(boost, "default"))?,
    })
}

fn row_over(default: &Row, row: &FileRow, path: &str) -> Result<Row, MappingError> {
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
    for (place, name) in names.iter().enumerate() {
        match FeatureSet::from_name(name) {
            Some(set) => sets.insert(set),
            None if name == ALL => sets = FeatureSets::all(),
            None => {
                return Err(MappingError::Value {
                    key: format!("{path}.sets[{place}]"),
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
        Ok(boost) if boost <= MAX_BOOST => Ok(boost),
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

    use super::{DEFAULT, parse};

    const SMALL: &str = "[default]\nsets = [\"price_features\"]\ntimeframe = \"1day\"\n";

    fn fault(text: &str) -> String {
        parse(text).unwrap_err().to_string()
    }

    #[test]
    fn the_default_mapping_is_one() {
        let mapping = parse(DEFAULT).unwrap();
        assert_eq!(mapping.row(AlertType::Unknown).sets.len(), 3);
    }

    #[test]
    fn a_row_takes_from_the_default_what_it_leaves_out() {
        let mapping = parse(&format!("{SMALL}[alert.momentum]\nboost = 2\ntimeframe = \"5min\"\n")).unwrap();
        let row = mapping.row(AlertType::Momentum);
        assert_eq!((row.boost, row.timeframe), (2, Timeframe::Minute5));
        assert!(row.sets.contains(FeatureSet::PriceFeatures) && row.sets.len() == 1);
        assert_eq!(mapping.row(AlertType::TrendChange).boost, 0);
    }

    #[test]
    fn a_fault_names_the_key_and_the_value() {
        let over = |row: &str| fault(&format!("{SMALL}[alert.momentum]\n{row}\n"));
        assert_eq!(
            over(r#"sets = ["price_features", "prise"]"#),
            r#"mapping: alert.momentum.sets[1]: "prise" is not a feature set"#
        );
        assert_eq!(over("sets = []"), "mapping: alert.momentum.sets: [] is not at least one feature set");
        assert_eq!(over("boost = 4"), "mapping: alert.momentum.boost: 4 is not one of 0..=3");
        assert_eq!(
            over(r#"timeframe = "2min""#),
            r#"mapping: alert.momentum.timeframe: "2min" is not one of 1min, 5min, 1hour, 1day"#
        );
        assert_eq!(
            fault(&format!("{SMALL}[alert.momentun]\nboost = 1\n")),
            r#"mapping: alert.momentun: "momentun" is not an alert type"#
        );
        assert_eq!(fault("[default]\nsets = [\"all\"]\n"), "mapping: default.timeframe is missing");
    }

    #[test]
    fn a_fault_of_shape_names_the_key_too() {
        let over = |row: &str| fault(&format!("{SMALL}[alert.momentum]\n{row}\n"));
        assert!(over("boost = \"2\"").starts_with("mapping: alert.momentum.boost: invalid type"));
        assert!(over("boots = 2").contains("alert.momentum"), "{}", over("boots = 2"));
        assert!(over("boots = 2").contains("boots"));
        assert!(fault("not toml").starts_with("mapping: .: "));
        assert!(fault("").contains("default"));
    }
}

//! Alerts of type `manual`: a person says which feature sets are wanted.

use domain::{FeatureSet, FeatureSets};

/// The metadata key whose value names the sets, separated by commas.
pub const FEATURE_SETS_KEY: &str = "feature_sets";

/// A metadata value that names no feature sets.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ManualError {
    /// A name that no feature set has.
    #[error("metadata.{FEATURE_SETS_KEY}: no feature set is called {0:?}")]
    UnknownSet(String),
}

/// The sets that a manual alert asks for: those named in `named`, or `otherwise` when it names none (absent, or blank).
///
/// # Errors
/// When a name is no feature set's.
pub fn asked_sets(named: Option<&str>, otherwise: FeatureSets) -> Result<FeatureSets, ManualError> {
    let mut sets = FeatureSets::EMPTY;
    for name in named.unwrap_or_default().split(',').map(str::trim).filter(|name| !name.is_empty()) {
        match FeatureSet::from_name(name) {
            Some(set) => sets.insert(set),
            None => return Err(ManualError::UnknownSet(name.chars().take(64).collect())),
        }
    }
    Ok(if sets.is_empty() { otherwise } else { sets })
}

#[cfg(test)]
mod tests {
    use domain::{FeatureSet, FeatureSets};

    use super::asked_sets;

    #[test]
    fn the_sets_named_are_the_sets_asked() {
        let sets = asked_sets(Some("trend_features, price_features,trend_features"), FeatureSets::all());
        let named = [FeatureSet::PriceFeatures, FeatureSet::TrendFeatures].into_iter().collect();
        assert_eq!(sets, Ok(named));
    }

    #[test]
    fn naming_none_asks_for_all() {
        for none in [None, Some(""), Some(" , ")] {
            assert_eq!(asked_sets(none, FeatureSets::all()), Ok(FeatureSets::all()));
        }
    }

    #[test]
    fn an_unknown_set_is_named_with_its_place() {
        let fault = asked_sets(Some("price_features,prise"), FeatureSets::all()).unwrap_err();
        assert_eq!(fault.to_string(), r#"metadata.feature_sets: no feature set is called "prise""#);
    }
}

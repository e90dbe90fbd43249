//! Feature sets of an alert of type `manual`, which a person may list.

use domain::{FeatureSet, FeatureSets};

/// The metadata key whose value lists the sets, separated by commas.
pub const FEATURE_SETS_KEY: &str = "feature_sets";

/// An invalid metadata value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestedSetsError {
    /// The name, at most 64 characters of it.
    #[error("metadata.{FEATURE_SETS_KEY}: unknown feature set {0:?}")]
    UnknownSet(String),
}

/// Returns the sets that a manual alert requests: those listed, or `default` if it lists none (the value is absent or blank).
///
/// # Errors
/// A name that is not a feature set.
pub fn requested_sets(listed: Option<&str>, default: FeatureSets) -> Result<FeatureSets, RequestedSetsError> {
    let mut sets = FeatureSets::EMPTY;
    for name in listed.unwrap_or_default().split(',').map(str::trim).filter(|name| !name.is_empty()) {
        match FeatureSet::from_name(name) {
            Some(set) => sets.insert(set),
            None => return Err(RequestedSetsError::UnknownSet(name.chars().take(64).collect())),
        }
    }
    Ok(if sets.is_empty() { default } else { sets })
}

#[cfg(test)]
mod tests {
    use domain::{FeatureSet, FeatureSets};

    use super::requested_sets;

    #[test]
    fn listed_sets_are_requested() {
        let sets = requested_sets(Some("trend_features, price_features,trend_features"), FeatureSets::all());
        let expected = [FeatureSet::PriceFeatures, FeatureSet::TrendFeatures].into_iter().collect();
        assert_eq!(sets, Ok(expected));
    }

    #[test]
    fn blank_list_requests_the_default() {
        for none in [None, Some(""), Some(" , ")] {
            assert_eq!(requested_sets(none, FeatureSets::all()), Ok(FeatureSets::all()));
        }
    }

    #[test]
    fn unknown_set_is_rejected_with_its_key() {
        let error = requested_sets(Some("price_features,prise"), FeatureSets::all()).unwrap_err();
        assert_eq!(error.to_string(), r#"metadata.feature_sets: unknown feature set "prise""#);
    }
}

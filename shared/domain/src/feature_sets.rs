//! A set of feature sets in 64 bits.

use crate::feature_set::FeatureSet;

/// A set of feature sets. Iterated in the order of their names, as on the wire.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct FeatureSets(u64);

// One bit per feature set.
const _: () = assert!(FeatureSet::ALL.len() <= 64);

impl FeatureSets {
    /// The empty set.
    pub const EMPTY: Self = Self(0);

    /// Returns the set of all feature sets.
    #[must_use]
    pub const fn all() -> Self {
        Self((1 << FeatureSet::ALL.len()) - 1)
    }

    /// Adds a feature set.
    pub fn insert(&mut self, set: FeatureSet) {
        self.0 |= bit(set);
    }

    #[must_use]
    pub const fn contains(self, set: FeatureSet) -> bool {
        self.0 & bit(set) != 0
    }

    /// Returns the union of both sets.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    #[must_use]
    pub const fn len(self) -> usize {
        self.0.count_ones() as usize
    }

    /// Returns the feature sets in the order of their names.
    pub fn iter(self) -> impl Iterator<Item = FeatureSet> {
        FeatureSet::ALL.into_iter().filter(move |set| self.contains(*set))
    }
}

const fn bit(set: FeatureSet) -> u64 {
    1 << set.index()
}

impl FromIterator<FeatureSet> for FeatureSets {
    fn from_iter<I: IntoIterator<Item = FeatureSet>>(sets: I) -> Self {
        let mut collected = Self::EMPTY;
        for set in sets {
            collected.insert(set);
        }
        collected
    }
}

impl std::fmt::Debug for FeatureSets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.iter().map(FeatureSet::as_str)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::{FeatureSet, FeatureSets};

    #[test]
    fn sets_are_iterated_in_the_order_of_their_names() {
        let sets: FeatureSets =
            [FeatureSet::VolumeFeatures, FeatureSet::AnomalyScores, FeatureSet::PriceFeatures]
                .into_iter()
                .collect();
        let names: Vec<_> = sets.iter().map(FeatureSet::as_str).collect();
        assert_eq!(names, ["anomaly_scores", "price_features", "volume_features"]);
        assert_eq!(sets.len(), 3);
    }

    #[test]
    fn all_holds_every_feature_set() {
        assert_eq!(FeatureSets::all().len(), FeatureSet::ALL.len());
        assert_eq!(FeatureSet::ALL.into_iter().collect::<FeatureSets>(), FeatureSets::all());
    }

    #[test]
    fn union_contains_the_sets_of_both() {
        let price: FeatureSets = [FeatureSet::PriceFeatures].into_iter().collect();
        let news: FeatureSets = [FeatureSet::NewsFeatures].into_iter().collect();
        let both = price.union(news);
        assert!(both.contains(FeatureSet::PriceFeatures) && both.contains(FeatureSet::NewsFeatures));
        assert_eq!(both.len(), 2);
        assert!(FeatureSets::EMPTY.is_empty() && !both.is_empty());
    }
}

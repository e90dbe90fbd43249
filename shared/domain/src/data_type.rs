//! Data types with a history.

use crate::names::named;

named! {
    /// Type of data that can be backfilled.
    DataType {
        /// Splits, dividends and other corporate actions.
        CorporateActions = "corporate_actions",
        /// Company fundamentals; no source today.
        Fundamentals = "fundamentals",
        /// Bars.
        MarketData = "market_data",
        /// News items.
        News = "news",
        /// Option quotes; no source today.
        Options = "options",
    }
}

#[cfg(test)]
mod tests {
    use super::DataType;

    #[test]
    fn value_is_found_by_its_name() {
        for data_type in DataType::ALL {
            assert_eq!(DataType::from_name(data_type.as_str()), Some(data_type));
        }
        assert_eq!(DataType::from_name("bars"), None);
    }

    #[test]
    fn values_are_ordered_by_name() {
        assert!(DataType::ALL.is_sorted_by(|a, b| a.as_str() < b.as_str()));
        assert!(DataType::ALL.is_sorted());
    }
}

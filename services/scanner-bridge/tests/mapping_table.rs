//! The built-in mapping against the expected table: one row per alert type, sets by their short names.

use domain::{AlertType, FeatureSet, FeatureSets, Timeframe};
use scanner_bridge::mapping_file;

/// Alert type, sets, boost. A short name means `<name>_features` or, if there is no such set, itself.
const TABLE: [(&str, &str, u8); 34] = [
    ("unknown", "price, volume, volatility", 0),
    ("volume_spike", "volume, price, momentum, market_microstructure", 0),
    ("unusual_activity", "volume, price, volatility, market_microstructure, order_flow", 0),
    ("technical_breakout", "price, technical_indicators, momentum, support_resistance, trend", 0),
    ("technical_signal", "technical_indicators, price, momentum, trend", 0),
    ("momentum", "momentum, price, volume, relative_strength", 0),
    ("momentum_shift", "momentum, price, volatility, trend", 0),
    ("trend_change", "trend, price, momentum, volatility", 0),
    ("news_catalyst", "news, sentiment, price, volume, social", 1),
    ("sentiment_spike", "sentiment, news, social, price", 0),
    ("sentiment_surge", "sentiment, social, volume, price", 0),
    ("social_buzz", "social, sentiment, volume", 0),
    ("social_sentiment", "social, sentiment, price", 0),
    ("social_volume", "social, volume, sentiment", 0),
    ("social_viral", "social, sentiment, volume, price", 0),
    ("earnings_surprise", "fundamental, earnings, price, volume, options", 2),
    ("earnings_announcement", "fundamental, earnings, price, volatility", 0),
    ("insider_activity", "insider, price, volume, fundamental", 2),
    ("insider_buying", "insider, price, volume, momentum", 0),
    ("options_flow", "options, price, volume, volatility", 0),
    ("unusual_options", "options, volume, volatility, price", 1),
    ("sector_rotation", "sector, relative_strength, price, correlation", 0),
    ("correlation_break", "correlation, price, volatility, market_regime", 0),
    ("correlation_anomaly", "correlation, price, volatility, intermarket", 0),
    ("intermarket_signal", "intermarket, correlation, price, market_regime", 0),
    ("divergence", "price, momentum, correlation, relative_strength", 0),
    ("regime_change", "market_regime, volatility, correlation, intermarket", 0),
    ("coordinated_activity", "social, volume, network, sentiment, order_flow", 0),
    ("price_breakout", "price, support_resistance, volatility, momentum", 0),
    ("price_reversal", "price, momentum, support_resistance, volume", 0),
    ("support_resistance", "support_resistance, price, volume, technical_indicators", 0),
    ("catalyst_detected", "all", 3),
    ("opportunity_signal", "all", 3),
    ("manual", "all", 0),
];

fn set_of(short: &str) -> FeatureSet {
    FeatureSet::from_name(&format!("{short}_features"))
        .or_else(|| FeatureSet::from_name(short))
        .unwrap_or_else(|| panic!("{short} is not a feature set"))
}

#[test]
fn default_mapping_matches_the_table() {
    let mapping = mapping_file::parse(mapping_file::DEFAULT).unwrap();
    for (name, sets, boost) in TABLE {
        let row = mapping.row(AlertType::from_name(name).unwrap());
        let expected: FeatureSets = match sets {
            "all" => FeatureSets::all(),
            listed => listed.split(", ").map(set_of).collect(),
        };
        assert_eq!(row.sets, expected, "{name}");
        assert_eq!((row.boost, row.timeframe), (boost, Timeframe::Day1), "{name}");
    }
}

#[test]
fn table_contains_every_alert_type_once() {
    let mut names: Vec<_> = TABLE.iter().map(|(name, _, _)| *name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), AlertType::ALL.len());
}

//! Feature sets.

use crate::names::named;

named! {
    /// A feature set. The variants are sorted by name, so the derived order is the order of the names.
    FeatureSet {
        AnomalyScores = "anomaly_scores",
        CalendarFeatures = "calendar_features",
        ClusteringFeatures = "clustering_features",
        CorrelationFeatures = "correlation_features",
        CorrelationRegime = "correlation_regime",
        DistributionFeatures = "distribution_features",
        EarningsFeatures = "earnings_features",
        FinancialRatios = "financial_ratios",
        FundamentalFeatures = "fundamental_features",
        GrowthMetrics = "growth_metrics",
        InsiderFeatures = "insider_features",
        IntermarketFeatures = "intermarket_features",
        LiquidityFeatures = "liquidity_features",
        LogReturns = "log_returns",
        MarketMicrostructure = "market_microstructure",
        MarketRegime = "market_regime",
        MomentumFeatures = "momentum_features",
        NetworkFeatures = "network_features",
        NewsFeatures = "news_features",
        OptionsFeatures = "options_features",
        OrderFlowFeatures = "order_flow_features",
        PriceFeatures = "price_features",
        PricePatterns = "price_patterns",
        PriceRatios = "price_ratios",
        RelativeStrength = "relative_strength",
        ReturnsFeatures = "returns_features",
        SeasonalityFeatures = "seasonality_features",
        SectorFeatures = "sector_features",
        SentimentFeatures = "sentiment_features",
        SocialFeatures = "social_features",
        SpreadFeatures = "spread_features",
        StatisticalMoments = "statistical_moments",
        SupportResistance = "support_resistance",
        TailRiskFeatures = "tail_risk_features",
        TechnicalIndicators = "technical_indicators",
        TimeFeatures = "time_features",
        TrendFeatures = "trend_features",
        VolatilityFeatures = "volatility_features",
        VolatilityRegime = "volatility_regime",
        VolumeFeatures = "volume_features",
        VolumePatterns = "volume_patterns",
        VolumeProfile = "volume_profile",
        VolumeWeightedFeatures = "volume_weighted_features",
    }
}

impl FeatureSet {
    /// Returns the index in [`FeatureSet::ALL`].
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }
}

#[cfg(test)]
mod tests {
    use super::FeatureSet;

    #[test]
    fn forty_three_feature_sets_exist() {
        assert_eq!(FeatureSet::ALL.len(), 43);
    }

    #[test]
    fn values_are_ordered_by_name() {
        assert!(FeatureSet::ALL.is_sorted_by(|a, b| a.as_str() < b.as_str()));
        assert!(FeatureSet::ALL.iter().enumerate().all(|(index, set)| set.index() == index));
    }

    #[test]
    fn value_is_found_by_its_name() {
        for set in FeatureSet::ALL {
            assert_eq!(FeatureSet::from_name(set.as_str()), Some(set));
        }
        assert_eq!(FeatureSet::from_name("price"), None);
    }
}

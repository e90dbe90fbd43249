//! Rules of the feature sets, one file per set. The names are in the order of `docs/features.md`; the formulas are in
//! [`super::indicators`] and [`super::stats`].

mod anomaly_scores;
mod calendar_features;
mod correlation_features;
mod correlation_regime;
mod distribution_features;
mod intermarket_features;
mod liquidity_features;
mod log_returns;
mod market_microstructure;
mod market_regime;
mod momentum_features;
mod price_features;
mod price_patterns;
mod price_ratios;
mod relative_strength;
mod returns_features;
mod seasonality_features;
mod spread_features;
mod statistical_moments;
mod support_resistance;
mod tail_risk_features;
mod technical_indicators;
mod time_features;
mod trend_features;
mod volatility_features;
mod volatility_regime;
mod volume_features;
mod volume_patterns;
mod volume_profile;
mod volume_weighted_features;

use domain::{FeatureSet, Symbol};

use super::benchmarks::{INTERMARKET, MARKET};
use super::comparison::compared;
use super::value::Values;
use super::window::Window;

/// The reason why a set has no rule.
pub(super) enum Unsupported {
    /// The formulas are documented but not implemented.
    NotBuilt,
    /// No topic has the data that the set needs.
    NoSource(&'static str),
}

/// Returns the rule of a set, which puts the values of a window, or the reason why there is none.
pub(super) fn rule(set: FeatureSet) -> Result<fn(&Window<'_>, &mut Values), Unsupported> {
    use FeatureSet as Set;
    match set {
        Set::PriceFeatures => Ok(price_features::put),
        Set::ReturnsFeatures => Ok(returns_features::put),
        Set::LogReturns => Ok(log_returns::put),
        Set::PriceRatios => Ok(price_ratios::put),
        Set::VolumeFeatures => Ok(volume_features::put),
        Set::TechnicalIndicators => Ok(technical_indicators::put),
        Set::MomentumFeatures => Ok(momentum_features::put),
        Set::TrendFeatures => Ok(trend_features::put),
        Set::VolatilityFeatures => Ok(volatility_features::put),
        Set::SupportResistance => Ok(support_resistance::put),
        Set::MarketMicrostructure => Ok(market_microstructure::put),
        Set::StatisticalMoments => Ok(statistical_moments::put),
        Set::PricePatterns => Ok(price_patterns::put),
        Set::VolumePatterns => Ok(volume_patterns::put),
        Set::VolumeProfile => Ok(volume_profile::put),
        Set::VolumeWeightedFeatures => Ok(volume_weighted_features::put),
        Set::SpreadFeatures => Ok(spread_features::put),
        Set::LiquidityFeatures => Ok(liquidity_features::put),
        Set::VolatilityRegime => Ok(volatility_regime::put),
        Set::AnomalyScores => Ok(anomaly_scores::put),
        Set::DistributionFeatures => Ok(distribution_features::put),
        Set::TailRiskFeatures => Ok(tail_risk_features::put),
        Set::CorrelationFeatures => Ok(correlation_features::put),
        Set::RelativeStrength => Ok(relative_strength::put),
        Set::IntermarketFeatures => Ok(intermarket_features::put),
        Set::MarketRegime => Ok(market_regime::put),
        Set::CorrelationRegime => Ok(correlation_regime::put),
        Set::TimeFeatures => Ok(time_features::put),
        Set::SeasonalityFeatures => Ok(seasonality_features::put),
        Set::CalendarFeatures => Ok(calendar_features::put),
        Set::NewsFeatures | Set::SentimentFeatures => Err(Unsupported::NotBuilt),
        Set::OrderFlowFeatures => Err(Unsupported::NoSource("trades and quotes")),
        Set::FundamentalFeatures | Set::EarningsFeatures | Set::FinancialRatios | Set::GrowthMetrics => {
            Err(Unsupported::NoSource("fundamentals"))
        }
        Set::SocialFeatures => Err(Unsupported::NoSource("social media")),
        Set::InsiderFeatures => Err(Unsupported::NoSource("insider filings")),
        Set::OptionsFeatures => Err(Unsupported::NoSource("option quotes")),
        Set::SectorFeatures => Err(Unsupported::NoSource("sector membership")),
        Set::NetworkFeatures | Set::ClusteringFeatures => Err(Unsupported::NoSource("models")),
    }
}

/// Returns `true` if the set reads the bars of the window's symbol, and not only their times.
pub(super) const fn reads_own_bars(set: FeatureSet) -> bool {
    !matches!(set, FeatureSet::TimeFeatures | FeatureSet::CalendarFeatures | FeatureSet::MarketRegime)
}

/// Returns the benchmarks whose bars the set reads.
pub(super) fn benchmarks_read<'a>(set: FeatureSet, window: &Window<'a>) -> &'a [Symbol] {
    match set {
        FeatureSet::CorrelationFeatures | FeatureSet::RelativeStrength => compared(window),
        FeatureSet::IntermarketFeatures => &INTERMARKET,
        FeatureSet::MarketRegime | FeatureSet::CorrelationRegime => &[MARKET],
        _ => &[],
    }
}

//! The feature sets, a file each: names in the catalogue's order, formulas in [`super::indicators`] and [`super::stats`].

mod correlation_features;
mod correlation_regime;
mod intermarket_features;
mod log_returns;
mod market_microstructure;
mod market_regime;
mod momentum_features;
mod price_features;
mod price_ratios;
mod relative_strength;
mod returns_features;
mod statistical_moments;
mod support_resistance;
mod technical_indicators;
mod trend_features;
mod volatility_features;
mod volume_features;

use domain::FeatureSet;

use super::value::Values;
use super::window::Window;

/// Why no window can give a set its values.
pub(super) enum Lack {
    /// The catalogue says how it is computed; this program doesn't do so yet.
    NotBuilt,
    /// It takes data that no topic carries.
    Source(&'static str),
}

/// The rule of a set, or why there is none.
pub(super) fn rule(set: FeatureSet) -> Result<fn(&Window<'_>, &mut Values), Lack> {
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
        Set::CorrelationFeatures => Ok(correlation_features::put),
        Set::RelativeStrength => Ok(relative_strength::put),
        Set::IntermarketFeatures => Ok(intermarket_features::put),
        Set::MarketRegime => Ok(market_regime::put),
        Set::CorrelationRegime => Ok(correlation_regime::put),
        Set::PricePatterns
        | Set::VolumePatterns
        | Set::VolumeProfile
        | Set::VolumeWeightedFeatures
        | Set::SpreadFeatures
        | Set::LiquidityFeatures
        | Set::VolatilityRegime
        | Set::AnomalyScores
        | Set::DistributionFeatures
        | Set::TailRiskFeatures
        | Set::TimeFeatures
        | Set::SeasonalityFeatures
        | Set::CalendarFeatures
        | Set::NewsFeatures
        | Set::SentimentFeatures => Err(Lack::NotBuilt),
        Set::OrderFlowFeatures => Err(Lack::Source("trades and quotes")),
        Set::FundamentalFeatures | Set::EarningsFeatures | Set::FinancialRatios | Set::GrowthMetrics => {
            Err(Lack::Source("fundamentals"))
        }
        Set::SocialFeatures => Err(Lack::Source("social media")),
        Set::InsiderFeatures => Err(Lack::Source("insider filings")),
        Set::OptionsFeatures => Err(Lack::Source("option quotes")),
        Set::SectorFeatures => Err(Lack::Source("sector membership")),
        Set::NetworkFeatures | Set::ClusteringFeatures => Err(Lack::Source("models")),
    }
}

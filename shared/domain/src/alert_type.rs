//! Types of alerts.

use crate::names::named;

named! {
    /// Type of a scanner's alert.
    AlertType {
        CatalystDetected = "catalyst_detected",
        CoordinatedActivity = "coordinated_activity",
        CorrelationAnomaly = "correlation_anomaly",
        CorrelationBreak = "correlation_break",
        Divergence = "divergence",
        EarningsAnnouncement = "earnings_announcement",
        EarningsSurprise = "earnings_surprise",
        InsiderActivity = "insider_activity",
        InsiderBuying = "insider_buying",
        IntermarketSignal = "intermarket_signal",
        /// Requested by a person; exempt from the dedup window.
        Manual = "manual",
        Momentum = "momentum",
        MomentumShift = "momentum_shift",
        NewsCatalyst = "news_catalyst",
        OpportunitySignal = "opportunity_signal",
        OptionsFlow = "options_flow",
        PriceBreakout = "price_breakout",
        PriceReversal = "price_reversal",
        RegimeChange = "regime_change",
        SectorRotation = "sector_rotation",
        SentimentSpike = "sentiment_spike",
        SentimentSurge = "sentiment_surge",
        SocialBuzz = "social_buzz",
        SocialSentiment = "social_sentiment",
        SocialViral = "social_viral",
        SocialVolume = "social_volume",
        SupportResistance = "support_resistance",
        TechnicalBreakout = "technical_breakout",
        TechnicalSignal = "technical_signal",
        TrendChange = "trend_change",
        /// Not defined in this version (the default of the Avro enum); mapped like any other type without an own row.
        Unknown = "unknown",
        UnusualActivity = "unusual_activity",
        UnusualOptions = "unusual_options",
        VolumeSpike = "volume_spike",
    }
}

#[cfg(test)]
mod tests {
    use super::AlertType;

    #[test]
    fn thirty_alert_types_and_four_special_ones_exist() {
        assert_eq!(AlertType::ALL.len(), 34);
    }

    #[test]
    fn value_is_found_by_its_name() {
        for alert_type in AlertType::ALL {
            assert_eq!(AlertType::from_name(alert_type.as_str()), Some(alert_type));
        }
        assert_eq!(AlertType::from_name("Manual"), None);
    }
}

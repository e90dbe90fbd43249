//! A source whose bars are adjusted for splits already.

use std::sync::Arc;

use domain::{DataType, Interval, Symbol, Timeframe};

use super::records::News;
use super::source::{Part, Source, SourceBars, SourceError};

/// A source without the corporate actions of the one that it wraps: its bars would be adjusted twice.
pub struct Adjusted(Arc<dyn Source>);

impl Adjusted {
    /// Rejects the corporate actions of a source, with a warning.
    #[must_use]
    pub fn new(source: Arc<dyn Source>) -> Self {
        if source.serves(DataType::CorporateActions, None) {
            let source = source.name();
            tracing::warn!(source, "corporate actions are not requested: source.adjusted is true");
        }
        Self(source)
    }
}

impl Source for Adjusted {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn serves(&self, data_type: DataType, timeframe: Option<Timeframe>) -> bool {
        data_type != DataType::CorporateActions && self.0.serves(data_type, timeframe)
    }

    fn bars(&self, symbol: Symbol, timeframe: Timeframe, range: Interval) -> Result<SourceBars, SourceError> {
        self.0.bars(symbol, timeframe, range)
    }

    fn news(&self, symbol: Symbol, range: Interval) -> Result<Part<Vec<News>>, SourceError> {
        self.0.news(symbol, range)
    }
}

#[cfg(test)]
mod tests {
    use domain::calendar::{Date, day_open};

    use super::*;
    use crate::config::SyntheticSection;
    use crate::sources::SyntheticMarket;

    #[test]
    fn adjusted_source_serves_all_but_corporate_actions() {
        let settings =
            SyntheticSection { news_per_month: 30, splits_per_decade: 10, ..SyntheticSection::default() };
        let clock = Arc::new(chassis::ManualClock::at(day_open(Date::constant(2024, 7, 1)).micros()));
        let market = Arc::new(SyntheticMarket::with(1, settings, clock));
        let adjusted = Adjusted::new(Arc::clone(&market) as Arc<dyn Source>);
        assert!(
            market.serves(DataType::CorporateActions, None)
                && !adjusted.serves(DataType::CorporateActions, None)
        );
        let symbol = Symbol::constant("AAPL");
        let at = |month| day_open(Date::constant(2024, month, 3));
        let range = Interval::new(at(1), at(3)).unwrap();
        assert!(adjusted.actions(symbol, range).is_err());
        assert!(adjusted.serves(DataType::News, None));
        assert_eq!(adjusted.news(symbol, range).unwrap(), market.news(symbol, range).unwrap());
        let bars = |source: &dyn Source| source.bars(symbol, Timeframe::Day1, range).unwrap();
        assert_eq!(bars(&adjusted), bars(market.as_ref()));
        assert_eq!(adjusted.name(), market.name());
    }
}

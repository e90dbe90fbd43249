//! Data types and timeframes that the configured source serves: the service requests no others automatically.

use domain::{DataType, Timeframe};

use crate::config::{BackfillConfig, ExecutorSection, PlannerSection};
use crate::rules::planner::Planner;
use crate::rules::timeframes::Timeframes;
use crate::sources::Source;

/// Returns the data types that a source serves, in order.
#[must_use]
pub fn served_types(source: &dyn Source) -> Vec<DataType> {
    let timeframes = || Timeframe::ALL.into_iter().map(Some).chain([None]);
    let is_served = |it: &DataType| timeframes().any(|timeframe| source.serves(*it, timeframe));
    DataType::ALL.into_iter().filter(is_served).collect()
}

/// Returns the rules of the planner for this source.
#[must_use]
pub fn planner(section: &PlannerSection, source: &dyn Source) -> Planner {
    section.planner().restricted_to(&served_types(source))
}

/// Returns the timeframes that are fetched: those of the configuration. By default all that the source serves.
#[must_use]
pub fn timeframes(section: &ExecutorSection, source: &dyn Source) -> Timeframes {
    let is_served = |timeframe: &Timeframe| source.serves(DataType::MarketData, Some(*timeframe));
    let served: Vec<Timeframe> = Timeframe::ALL.into_iter().filter(is_served).collect();
    match section.timeframes.is_empty() && !served.is_empty() {
        true => Timeframes::restricted_to(served),
        false => section.settings().timeframes,
    }
}

/// Returns the names of the data types and timeframes that are configured and not requested, because the source does not serve them.
#[must_use]
pub fn not_requested(config: &BackfillConfig, source: &dyn Source) -> Vec<&'static str> {
    let requested = |planner: &Planner| planner.layer_data_types.concat();
    let (configured, planned) =
        (requested(&config.planner.planner()), requested(&planner(&config.planner, source)));
    let types = DataType::ALL.into_iter().filter(|it| configured.contains(it) && !planned.contains(it));
    let (all, fetched) = (config.executor.settings().timeframes, timeframes(&config.executor, source));
    let left_out = Timeframe::ALL.into_iter().filter(|it| all.includes(*it) && !fetched.includes(*it));
    types.map(DataType::as_str).chain(left_out.map(Timeframe::as_str)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources::SyntheticMarket;

    #[test]
    fn unserved_types_and_timeframes_are_not_requested() {
        let (config, source) = (BackfillConfig::default(), SyntheticMarket::new(0));
        let planner = planner(&config.planner, &source);
        assert!(planner.layer_data_types.iter().all(|types| *types == [DataType::MarketData]));
        let left_out = ["corporate_actions", "news", "1min", "5min", "1hour"];
        assert_eq!(not_requested(&config, &source), left_out);
    }

    #[test]
    fn configured_timeframes_are_kept() {
        let mut config = BackfillConfig::default();
        config.executor.timeframes = vec!["1hour".to_owned()];
        let fetched = timeframes(&config.executor, &SyntheticMarket::new(0));
        assert_eq!(fetched, Timeframes::restricted_to(vec![Timeframe::Hour1]));
    }
}

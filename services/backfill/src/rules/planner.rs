//! Planner: turns a fact into at most one request for a range.
//!
//! | fact | range | data types | priority |
//! |---|---|---|---|
//! | qualified | lookback of the layer | those of the layer | normal |
//! | promoted | lookback of the target layer | those of the target layer | high |
//! | gap | exactly the gap, if it is 4 h or longer | that of the gap | that of the gap |
//!
//! Data types of a layer that no source serves are left out. That of a gap is not: its request ends in a failure that names it.
//!
//! A lookback ends at the time of the fact. No clock is read, so a redelivered fact leads to the same request. The stage validates a
//! request before it writes it: a gap that ends in the future or spans more than 10 years is rejected there.

use domain::{DataType, Interval, Layer, Priority, Symbol, Timestamp};

const DAY_MICROS: i64 = 86_400_000_000;

/// The minimum duration of a gap that is filled: 4 h, in microseconds. The live feed fills shorter ones.
pub const GAP_MIN_MICROS: i64 = 4 * 3_600_000_000;

/// An event that may require history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fact {
    /// A symbol entered its first layer.
    Qualified { layer: Layer, occurred_at: Timestamp },
    /// A symbol moved to a higher layer.
    Promoted {
        /// The target layer.
        to: Layer,
        occurred_at: Timestamp,
    },
    /// A part of the history of a symbol is missing.
    Gap {
        data_type: DataType,
        /// The first missing instant.
        start: Timestamp,
        /// The last missing instant.
        last: Timestamp,
        priority: Priority,
    },
}

/// The cause of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Trigger {
    Qualified,
    Promoted,
    Gap,
    /// A person. The planner does not create such requests.
    Manual,
}

/// A request for a range of history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RangePlan {
    pub symbol: Symbol,
    /// The layer whose timeframes are requested.
    pub layer: Layer,
    /// Sorted, without duplicates.
    pub data_types: Vec<DataType>,
    pub range: Interval,
    pub priority: Priority,
    pub trigger: Trigger,
}

/// The reason why a fact leads to no request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoPlan {
    /// The gap is shorter than [`GAP_MIN_MICROS`].
    GapTooShort,
    /// No data is configured for the layer.
    NothingConfigured,
    /// The times of the fact do not form a range.
    NoRange,
}

/// The rules of the planner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planner {
    /// The data types of each layer, indexed by its number.
    pub layer_data_types: [Vec<DataType>; Layer::ALL.len()],
    /// The layer of a request for a gap, which names none. By default the highest: it has all timeframes.
    pub gap_layer: Layer,
}

impl Default for Planner {
    fn default() -> Self {
        let with_actions = vec![DataType::CorporateActions, DataType::MarketData, DataType::News];
        Self {
            layer_data_types: [
                vec![DataType::MarketData],
                vec![DataType::MarketData, DataType::News],
                with_actions.clone(),
                with_actions,
            ],
            gap_layer: Layer::Active,
        }
    }
}

impl Planner {
    /// Leaves out the data types of each layer that no source serves. A layer of which nothing would be left keeps them, so that each of its
    /// facts still has a request: its failure names them.
    #[must_use]
    pub fn restricted_to(mut self, served: &[DataType]) -> Self {
        for types in &mut self.layer_data_types {
            if types.iter().any(|data_type| served.contains(data_type)) {
                types.retain(|data_type| served.contains(data_type));
            }
        }
        self
    }

    /// Returns the request that a fact about `symbol` leads to.
    ///
    /// # Errors
    /// The reason if it leads to none.
    pub fn plan(&self, symbol: Symbol, fact: Fact) -> Result<RangePlan, NoPlan> {
        match fact {
            Fact::Qualified { layer, occurred_at } => {
                self.lookback(symbol, layer, occurred_at, Priority::NORMAL, Trigger::Qualified)
            }
            Fact::Promoted { to, occurred_at } => {
                self.lookback(symbol, to, occurred_at, Priority::HIGH, Trigger::Promoted)
            }
            Fact::Gap { data_type, start, last, priority } => {
                if last.micros_since(start) < GAP_MIN_MICROS {
                    return Err(NoPlan::GapTooShort);
                }
                Ok(RangePlan {
                    symbol,
                    layer: self.gap_layer,
                    data_types: vec![data_type],
                    range: Interval::from_inclusive(start, last).map_err(|_| NoPlan::NoRange)?,
                    priority,
                    trigger: Trigger::Gap,
                })
            }
        }
    }

    fn lookback(
        &self,
        symbol: Symbol,
        layer: Layer,
        occurred_at: Timestamp,
        priority: Priority,
        trigger: Trigger,
    ) -> Result<RangePlan, NoPlan> {
        let start = occurred_at.saturating_add_micros(-layer.lookback_days() * DAY_MICROS);
        let range = Interval::from_inclusive(start, occurred_at).map_err(|_| NoPlan::NoRange)?;
        let mut data_types = self.of_layer(layer).to_vec();
        data_types.sort_unstable();
        data_types.dedup();
        if data_types.is_empty() {
            return Err(NoPlan::NothingConfigured);
        }
        Ok(RangePlan { symbol, layer, data_types, range, priority, trigger })
    }

    fn of_layer(&self, layer: Layer) -> &[DataType] {
        let [basic, liquid, catalyst, active] = &self.layer_data_types;
        match layer {
            Layer::Basic => basic,
            Layer::Liquid => liquid,
            Layer::Catalyst => catalyst,
            Layer::Active => active,
        }
    }
}

#[cfg(test)]
mod tests {
    use domain::{DataType, Layer, Priority, Symbol, Timestamp};

    use super::{DAY_MICROS, Fact, NoPlan, Planner, Trigger};

    fn symbol() -> Symbol {
        Symbol::parse("AAPL").unwrap()
    }

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    fn gap(last: &str) -> Fact {
        Fact::Gap {
            data_type: DataType::News,
            start: at("2024-03-04T10:00:00Z"),
            last: at(last),
            priority: Priority::clamped(3),
        }
    }

    #[test]
    fn lookback_ends_at_the_time_of_the_fact() {
        let occurred_at = at("2019-03-04T21:00:00Z");
        for layer in Layer::ALL {
            let plan = Planner::default().plan(symbol(), Fact::Qualified { layer, occurred_at }).unwrap();
            assert_eq!(plan.range.last(), occurred_at);
            assert_eq!(occurred_at.micros_since(plan.range.start()), layer.lookback_days() * DAY_MICROS);
            assert_eq!(
                (plan.layer, plan.priority, plan.trigger),
                (layer, Priority::NORMAL, Trigger::Qualified)
            );
        }
    }

    #[test]
    fn promotion_requests_the_target_layer_at_high_priority() {
        let fact = Fact::Promoted { to: Layer::Liquid, occurred_at: at("2024-03-04T21:00:00Z") };
        let plan = Planner::default().plan(symbol(), fact).unwrap();
        assert_eq!(plan.range.start(), at("2023-03-05T21:00:00Z"));
        assert_eq!(plan.data_types, [DataType::MarketData, DataType::News]);
        assert_eq!(
            (plan.layer, plan.priority, plan.trigger),
            (Layer::Liquid, Priority::HIGH, Trigger::Promoted)
        );
    }

    #[test]
    fn data_types_depend_on_the_layer() {
        let types = |layer| {
            let fact = Fact::Qualified { layer, occurred_at: at("2024-03-04T21:00:00Z") };
            Planner::default().plan(symbol(), fact).unwrap().data_types
        };
        assert_eq!(types(Layer::Basic), [DataType::MarketData]);
        assert_eq!(types(Layer::Catalyst), types(Layer::Active));
        assert_eq!(types(Layer::Active), [DataType::CorporateActions, DataType::MarketData, DataType::News]);
    }

    #[test]
    fn gap_is_requested_exactly() {
        let plan = Planner::default().plan(symbol(), gap("2024-03-04T14:00:00Z")).unwrap();
        assert_eq!(plan.range.start(), at("2024-03-04T10:00:00Z"));
        assert_eq!(plan.range.last(), at("2024-03-04T14:00:00Z"));
        assert_eq!((plan.data_types, plan.priority), (vec![DataType::News], Priority::clamped(3)));
        assert_eq!((plan.layer, plan.trigger), (Layer::Active, Trigger::Gap));
    }

    #[test]
    fn gap_shorter_than_four_hours_is_not_requested() {
        let plan = Planner::default().plan(symbol(), gap("2024-03-04T13:59:59.999999Z"));
        assert_eq!(plan, Err(NoPlan::GapTooShort));
    }

    #[test]
    fn layer_without_data_types_requests_nothing() {
        let mut planner = Planner::default();
        planner.layer_data_types[0].clear();
        let fact = Fact::Qualified { layer: Layer::Basic, occurred_at: at("2024-03-04T21:00:00Z") };
        assert_eq!(planner.plan(symbol(), fact), Err(NoPlan::NothingConfigured));
    }

    #[test]
    fn types_without_a_source_are_left_out() {
        let planner = Planner::default().restricted_to(&[DataType::MarketData]);
        let occurred_at = at("2024-03-04T21:00:00Z");
        for layer in Layer::ALL {
            let plan = planner.plan(symbol(), Fact::Qualified { layer, occurred_at }).unwrap();
            assert_eq!(plan.data_types, [DataType::MarketData], "layer {layer}");
        }
        let gap = planner.plan(symbol(), gap("2024-03-04T14:00:00Z")).unwrap();
        assert_eq!(gap.data_types, [DataType::News], "the executor ends it");
    }

    #[test]
    fn layer_without_any_served_type_is_requested() {
        let mut planner = Planner::default();
        planner.layer_data_types[1] = vec![DataType::News];
        let planner = planner.restricted_to(&[DataType::MarketData]);
        let fact = Fact::Qualified { layer: Layer::Liquid, occurred_at: at("2024-03-04T21:00:00Z") };
        assert_eq!(planner.plan(symbol(), fact).unwrap().data_types, [DataType::News]);
        assert_eq!(Planner::default().restricted_to(&[]), Planner::default());
    }

    #[test]
    fn times_out_of_bounds_request_nothing() {
        let fact = Fact::Qualified { layer: Layer::Basic, occurred_at: Timestamp::from_micros(i64::MAX) };
        assert_eq!(Planner::default().plan(symbol(), fact), Err(NoPlan::NoRange));
    }
}

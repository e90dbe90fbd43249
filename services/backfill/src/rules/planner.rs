//! A fact becomes at most one request for a range.
//!
//! | fact | range | data types | priority |
//! |---|---|---|---|
//! | qualified | the layer's lookback | the layer's | normal |
//! | promoted | the target layer's lookback | the target layer's | high |
//! | gap | exactly the gap, if it is 4 h or longer | that one | the gap's |
//!
//! A lookback ends at the fact's own time: no clock is read, so a fact gives the same request whenever it is read. Whether a request may be
//! made at all (a gap that ends in the future, or spans more than 10 years) is checked where the request is written.

use domain::{DataType, Interval, Layer, Priority, Symbol, Timestamp};

const DAY_MICROS: i64 = 86_400_000_000;

/// A gap shorter than this is left to the live feed: 4 h, in microseconds.
pub const SHORTEST_GAP_MICROS: i64 = 4 * 3_600_000_000;

/// Something that happened, after which history may be wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fact {
    /// A symbol entered its first layer.
    Qualified {
        /// The layer.
        layer: Layer,
        /// When.
        occurred_at: Timestamp,
    },
    /// A symbol rose to a higher layer.
    Promoted {
        /// The layer that it rose to.
        to: Layer,
        /// When.
        occurred_at: Timestamp,
    },
    /// Something is missing from its history.
    Gap {
        /// What.
        data_type: DataType,
        /// The first instant that is missing.
        start: Timestamp,
        /// The last one.
        last: Timestamp,
        /// How urgently it is wanted.
        priority: Priority,
    },
}

/// What asked for a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Trigger {
    /// A symbol qualified.
    Qualified,
    /// A symbol was promoted.
    Promoted,
    /// A gap was detected.
    Gap,
    /// A person; such a request is not planned, it comes as it is.
    Manual,
}

/// A request for a range of history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RangePlan {
    /// Whose.
    pub symbol: Symbol,
    /// Which bars there are to be.
    pub layer: Layer,
    /// Of which kinds; sorted, each once.
    pub data_types: Vec<DataType>,
    /// From when to when.
    pub range: Interval,
    /// How urgently.
    pub priority: Priority,
    /// Why.
    pub trigger: Trigger,
}

/// Why a fact asks for nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoPlan {
    /// The gap is shorter than [`SHORTEST_GAP_MICROS`].
    GapTooShort,
    /// No data is configured for the layer.
    NothingConfigured,
    /// The fact's times bound no range.
    NoRange,
}

/// What the planner is configured with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planner {
    /// The data types of each layer, by its number.
    pub layer_data_types: [Vec<DataType>; Layer::ALL.len()],
    /// The layer that a gap is filled for: the fact names none. The highest has every timeframe.
    pub gap_layer: Layer,
}

impl Default for Planner {
    fn default() -> Self {
        let followed = vec![DataType::CorporateActions, DataType::MarketData, DataType::News];
        Self {
            layer_data_types: [
                vec![DataType::MarketData],
                vec![DataType::MarketData, DataType::News],
                followed.clone(),
                followed,
            ],
            gap_layer: Layer::Active,
        }
    }
}

impl Planner {
    /// The request that a fact about `symbol` asks for.
    ///
    /// # Errors
    /// Why it asks for none; that is no fault of anyone's.
    pub fn plan(&self, symbol: Symbol, fact: Fact) -> Result<RangePlan, NoPlan> {
        match fact {
            Fact::Qualified { layer, occurred_at } => {
                self.lookback(symbol, layer, occurred_at, Priority::NORMAL, Trigger::Qualified)
            }
            Fact::Promoted { to, occurred_at } => {
                self.lookback(symbol, to, occurred_at, Priority::HIGH, Trigger::Promoted)
            }
            Fact::Gap { data_type, start, last, priority } => {
                if last.micros_since(start) < SHORTEST_GAP_MICROS {
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
    fn a_lookback_ends_at_the_fact_and_not_now() {
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
    fn a_promotion_asks_for_what_the_target_layer_has_and_is_high() {
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
    fn each_layer_has_its_data_types() {
        let types = |layer| {
            let fact = Fact::Qualified { layer, occurred_at: at("2024-03-04T21:00:00Z") };
            Planner::default().plan(symbol(), fact).unwrap().data_types
        };
        assert_eq!(types(Layer::Basic), [DataType::MarketData]);
        assert_eq!(types(Layer::Catalyst), types(Layer::Active));
        assert_eq!(types(Layer::Active), [DataType::CorporateActions, DataType::MarketData, DataType::News]);
    }

    #[test]
    fn a_gap_is_asked_for_exactly() {
        let plan = Planner::default().plan(symbol(), gap("2024-03-04T14:00:00Z")).unwrap();
        assert_eq!(plan.range.start(), at("2024-03-04T10:00:00Z"));
        assert_eq!(plan.range.last(), at("2024-03-04T14:00:00Z"));
        assert_eq!((plan.data_types, plan.priority), (vec![DataType::News], Priority::clamped(3)));
        assert_eq!((plan.layer, plan.trigger), (Layer::Active, Trigger::Gap));
    }

    #[test]
    fn a_gap_shorter_than_four_hours_asks_for_nothing() {
        let plan = Planner::default().plan(symbol(), gap("2024-03-04T13:59:59.999999Z"));
        assert_eq!(plan, Err(NoPlan::GapTooShort));
    }

    #[test]
    fn a_layer_without_data_types_asks_for_nothing() {
        let mut planner = Planner::default();
        planner.layer_data_types[0].clear();
        let fact = Fact::Qualified { layer: Layer::Basic, occurred_at: at("2024-03-04T21:00:00Z") };
        assert_eq!(planner.plan(symbol(), fact), Err(NoPlan::NothingConfigured));
    }

    #[test]
    fn times_beyond_all_bounds_ask_for_nothing() {
        let fact = Fact::Qualified { layer: Layer::Basic, occurred_at: Timestamp::from_micros(i64::MAX) };
        assert_eq!(Planner::default().plan(symbol(), fact), Err(NoPlan::NoRange));
    }
}

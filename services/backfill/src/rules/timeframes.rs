//! Which bars a layer has.

use domain::{DataType, Layer, Timeframe};

const BASIC: &[Timeframe] = &[Timeframe::Day1];
const LIQUID: &[Timeframe] = &[Timeframe::Day1, Timeframe::Hour1, Timeframe::Minute5];
const FOLLOWED: &[Timeframe] = &[Timeframe::Day1, Timeframe::Hour1, Timeframe::Minute5, Timeframe::Minute1];

/// The timeframes that may be filled at all: every one, or fewer by configuration (the dev mode has day bars alone).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timeframes {
    allowed: Vec<Timeframe>,
}

impl Default for Timeframes {
    fn default() -> Self {
        Self { allowed: Timeframe::ALL.to_vec() }
    }
}

impl Timeframes {
    /// Only these, of what a layer has.
    #[must_use]
    pub const fn restricted_to(allowed: Vec<Timeframe>) -> Self {
        Self { allowed }
    }

    /// What a backfill of this kind of data for a symbol of this layer is made of, longest timeframe first: a bar series each, or one
    /// without a timeframe.
    pub fn of(&self, layer: Layer, data_type: DataType) -> impl Iterator<Item = Option<Timeframe>> {
        let bars = match layer {
            Layer::Basic => BASIC,
            Layer::Liquid => LIQUID,
            Layer::Catalyst | Layer::Active => FOLLOWED,
        };
        let is_bars = data_type == DataType::MarketData;
        let timeframes = bars.iter().filter(move |timeframe| is_bars && self.allowed.contains(timeframe));
        timeframes.map(|timeframe| Some(*timeframe)).chain((!is_bars).then_some(None))
    }
}

#[cfg(test)]
mod tests {
    use domain::{DataType, Layer, Timeframe};

    use super::Timeframes;

    fn bars(timeframes: &Timeframes, layer: Layer) -> Vec<&'static str> {
        timeframes.of(layer, DataType::MarketData).map(|timeframe| timeframe.unwrap().as_str()).collect()
    }

    #[test]
    fn higher_layers_have_shorter_bars() {
        let all = Timeframes::default();
        assert_eq!(bars(&all, Layer::Basic), ["1day"]);
        assert_eq!(bars(&all, Layer::Liquid), ["1day", "1hour", "5min"]);
        assert_eq!(bars(&all, Layer::Catalyst), ["1day", "1hour", "5min", "1min"]);
        assert_eq!(bars(&all, Layer::Active), ["1day", "1hour", "5min", "1min"]);
    }

    #[test]
    fn a_configuration_can_leave_fewer() {
        let day = Timeframes::restricted_to(vec![Timeframe::Day1]);
        assert_eq!(bars(&day, Layer::Active), ["1day"]);
        assert_eq!(bars(&Timeframes::restricted_to(vec![Timeframe::Minute1]), Layer::Basic), [""; 0]);
    }

    #[test]
    fn data_other_than_bars_has_one_series_without_a_timeframe() {
        let day = Timeframes::restricted_to(vec![Timeframe::Day1]);
        assert_eq!(day.of(Layer::Active, DataType::News).collect::<Vec<_>>(), [None]);
    }
}

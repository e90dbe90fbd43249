//! Timeframes of the bars of a layer.

use domain::{DataType, Layer, Timeframe};

const BASIC: &[Timeframe] = &[Timeframe::Day1];
const LIQUID: &[Timeframe] = &[Timeframe::Day1, Timeframe::Hour1, Timeframe::Minute5];
const CATALYST_AND_ACTIVE: &[Timeframe] =
    &[Timeframe::Day1, Timeframe::Hour1, Timeframe::Minute5, Timeframe::Minute1];

/// The enabled timeframes: all by default; the configuration may enable fewer (development mode enables day bars only).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timeframes {
    enabled: Vec<Timeframe>,
}

impl Default for Timeframes {
    fn default() -> Self {
        Self { enabled: Timeframe::ALL.to_vec() }
    }
}

impl Timeframes {
    /// Enables only these timeframes.
    #[must_use]
    pub const fn restricted_to(enabled: Vec<Timeframe>) -> Self {
        Self { enabled }
    }

    /// Returns `true` if the timeframe is enabled.
    #[must_use]
    pub fn includes(&self, timeframe: Timeframe) -> bool {
        self.enabled.contains(&timeframe)
    }

    /// Returns the series of this data type that a symbol of this layer has, longest timeframe first: one per enabled timeframe of bars,
    /// or `None` once for data without timeframes.
    pub fn of(&self, layer: Layer, data_type: DataType) -> impl Iterator<Item = Option<Timeframe>> {
        let bars = match layer {
            Layer::Basic => BASIC,
            Layer::Liquid => LIQUID,
            Layer::Catalyst | Layer::Active => CATALYST_AND_ACTIVE,
        };
        let is_bars = data_type == DataType::MarketData;
        let timeframes = bars.iter().filter(move |timeframe| is_bars && self.enabled.contains(timeframe));
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
    fn higher_layers_have_shorter_timeframes() {
        let all = Timeframes::default();
        assert_eq!(bars(&all, Layer::Basic), ["1day"]);
        assert_eq!(bars(&all, Layer::Liquid), ["1day", "1hour", "5min"]);
        assert_eq!(bars(&all, Layer::Catalyst), ["1day", "1hour", "5min", "1min"]);
        assert_eq!(bars(&all, Layer::Active), ["1day", "1hour", "5min", "1min"]);
    }

    #[test]
    fn disabled_timeframes_are_left_out() {
        let day = Timeframes::restricted_to(vec![Timeframe::Day1]);
        assert_eq!(bars(&day, Layer::Active), ["1day"]);
        assert_eq!(bars(&Timeframes::restricted_to(vec![Timeframe::Minute1]), Layer::Basic), [""; 0]);
    }

    #[test]
    fn data_other_than_bars_has_one_series() {
        let day = Timeframes::restricted_to(vec![Timeframe::Day1]);
        assert_eq!(day.of(Layer::Active, DataType::News).collect::<Vec<_>>(), [None]);
    }
}

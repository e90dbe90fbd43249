//! Layers of the tradable universe.

/// Layer of a symbol. Higher layers have fewer symbols and more history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Layer {
    /// 0: all tradable symbols.
    Basic,
    /// 1: liquid symbols.
    Liquid,
    /// 2: symbols with a catalyst.
    Catalyst,
    /// 3: currently active symbols.
    Active,
}

/// Error of a number that is not a layer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("layer {0} is not one of 0..=3")]
pub struct LayerError(i32);

impl Layer {
    /// Every layer, lowest first.
    pub const ALL: [Self; 4] = [Self::Basic, Self::Liquid, Self::Catalyst, Self::Active];

    /// Returns the layer with this number.
    ///
    /// # Errors
    /// If the number is not in 0..=3.
    pub const fn from_number(number: i32) -> Result<Self, LayerError> {
        match number {
            0 => Ok(Self::Basic),
            1 => Ok(Self::Liquid),
            2 => Ok(Self::Catalyst),
            3 => Ok(Self::Active),
            other => Err(LayerError(other)),
        }
    }

    /// Returns the number on the wire.
    #[must_use]
    pub const fn number(self) -> i32 {
        match self {
            Self::Basic => 0,
            Self::Liquid => 1,
            Self::Catalyst => 2,
            Self::Active => 3,
        }
    }

    /// Returns the retention of the layer's history, which is also the range of automatic backfills, in days.
    #[must_use]
    pub const fn lookback_days(self) -> i64 {
        match self {
            Self::Basic => 30,
            Self::Liquid => 365,
            Self::Catalyst => 730,
            Self::Active => 1_825,
        }
    }

    /// Returns the maximal number of symbols.
    #[must_use]
    pub const fn capacity(self) -> usize {
        match self {
            Self::Basic => 10_000,
            Self::Liquid => 2_000,
            Self::Catalyst => 500,
            Self::Active => 50,
        }
    }
}

impl std::fmt::Display for Layer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(&self.number(), f)
    }
}

#[cfg(test)]
mod tests {
    use super::Layer;

    #[test]
    fn layer_is_found_by_its_number() {
        for layer in Layer::ALL {
            assert_eq!(Layer::from_number(layer.number()), Ok(layer));
        }
    }

    #[test]
    fn number_out_of_range_is_reported() {
        let error = |number| Layer::from_number(number).unwrap_err().to_string();
        assert_eq!(error(4), "layer 4 is not one of 0..=3");
        assert_eq!(error(-1), "layer -1 is not one of 0..=3");
    }

    #[test]
    fn higher_layers_have_fewer_symbols_and_more_history() {
        assert!(Layer::ALL.is_sorted());
        assert!(Layer::ALL.is_sorted_by_key(|layer| layer.lookback_days()));
        assert!(Layer::ALL.iter().rev().is_sorted_by_key(|layer| layer.capacity()));
    }
}

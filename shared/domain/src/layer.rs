//! The layers of the tradable universe, from everything to what moves now.

/// How closely a symbol is followed; higher layers hold fewer symbols and more of their history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Layer {
    /// 0: all that can be traded.
    Basic,
    /// 1: liquid.
    Liquid,
    /// 2: has a catalyst.
    Catalyst,
    /// 3: active now.
    Active,
}

/// A number that names no layer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("layer {0} is not one of 0..=3")]
pub struct LayerError(i32);

impl Layer {
    /// Every layer, lowest first.
    pub const ALL: [Self; 4] = [Self::Basic, Self::Liquid, Self::Catalyst, Self::Active];

    /// The layer of this number.
    ///
    /// # Errors
    /// When it isn't one of 0..=3.
    pub const fn from_number(number: i32) -> Result<Self, LayerError> {
        match number {
            0 => Ok(Self::Basic),
            1 => Ok(Self::Liquid),
            2 => Ok(Self::Catalyst),
            3 => Ok(Self::Active),
            other => Err(LayerError(other)),
        }
    }

    /// Its number on the wire.
    #[must_use]
    pub const fn number(self) -> i32 {
        match self {
            Self::Basic => 0,
            Self::Liquid => 1,
            Self::Catalyst => 2,
            Self::Active => 3,
        }
    }

    /// How far back its history is kept, and filled automatically, in days.
    #[must_use]
    pub const fn lookback_days(self) -> i64 {
        match self {
            Self::Basic => 30,
            Self::Liquid => 365,
            Self::Catalyst => 730,
            Self::Active => 1_825,
        }
    }

    /// How many symbols it can hold.
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
        let fault = Layer::from_number(4).unwrap_err();
        assert_eq!(fault.to_string(), "layer 4 is not one of 0..=3");
        assert!(Layer::from_number(-1).is_err());
    }

    #[test]
    fn higher_layers_have_fewer_symbols_and_more_history() {
        assert!(Layer::ALL.is_sorted());
        assert!(Layer::ALL.is_sorted_by_key(|layer| layer.lookback_days()));
        assert!(Layer::ALL.iter().rev().is_sorted_by_key(|layer| layer.capacity()));
    }
}

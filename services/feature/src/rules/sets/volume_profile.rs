//! Volume by price: the price with the most volume, and the range of prices that holds most of the volume.

use crate::rules::stats::{count, highest, lowest, newest};
use crate::rules::value::{Omission, Values};
use crate::rules::window::Window;

const BARS: usize = 60;
const BINS: usize = 24;
/// The share of the volume that the value area holds.
const VALUE_AREA_SHARE: f64 = 0.7;

pub(super) fn put(window: &Window<'_>, values: &mut Values) {
    let profile = Profile::of(window);
    let area = profile.map(|profile| profile.value_area());
    values.put("poc_price", profile.map(|profile| profile.price(count(profile.fullest()) + 0.5)));
    values.put("value_area_low", area.map(|(low, _)| low));
    values.put("value_area_high", area.map(|(_, high)| high));
}

/// The volume in bins of equal width, from the lowest low to the highest high.
#[derive(Debug, Clone, Copy)]
struct Profile {
    low: f64,
    width: f64,
    volumes: [f64; BINS],
    total: f64,
}

impl Profile {
    /// A bar's volume is in the bin of its typical price: the highest one whose lower edge is not above it. Omitted without volume.
    fn of(window: &Window<'_>) -> Result<Self, Omission> {
        let (high, low) = (highest(newest(window.high(), BARS)?), lowest(newest(window.low(), BARS)?));
        let volume = newest(window.volume(), BARS)?;
        let total = volume.iter().sum();
        if total == 0.0 {
            return Err(Omission::ZeroDivisor);
        }
        let mut profile = Self { low, width: (high - low) / count(BINS), volumes: [0.0; BINS], total };
        for (typical, volume) in newest(window.typical(), BARS)?.iter().zip(volume) {
            let bin = (0..BINS).rev().find(|bin| profile.price(count(*bin)) <= *typical);
            // The typical price of equal prices can be rounded to a value below them.
            profile.volumes[bin.unwrap_or(0)] += volume;
        }
        Ok(profile)
    }

    /// The price this number of bins above the lowest low.
    fn price(&self, bins: f64) -> f64 {
        self.low + bins * self.width
    }

    /// The bin with the most volume, the lowest of equal ones.
    fn fullest(&self) -> usize {
        let fuller = |best, bin| if self.volumes[bin] > self.volumes[best] { bin } else { best };
        (1..BINS).fold(0, fuller)
    }

    /// The edges of the bins around the fullest one that hold the share of the volume. They grow by the larger neighbour, the upper one of
    /// equal ones.
    fn value_area(&self) -> (f64, f64) {
        let fullest = self.fullest();
        let (mut start, mut end, mut held) = (fullest, fullest + 1, self.volumes[fullest]);
        while held < VALUE_AREA_SHARE * self.total {
            let below = start.checked_sub(1).map(|bin| self.volumes[bin]);
            held += match (below, self.volumes.get(end)) {
                (below, Some(above)) if below.is_none_or(|below| below <= *above) => {
                    end += 1;
                    *above
                }
                (Some(below), _) => {
                    start -= 1;
                    below
                }
                (None, _) => break, // a rounding error of the sum
            };
        }
        (self.price(count(start)), self.price(count(end)))
    }
}

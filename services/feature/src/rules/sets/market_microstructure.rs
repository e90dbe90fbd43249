//! Costs of trading: price impact and spread, estimated from bars.

use crate::rules::indicators::spread::{amihud, corwin_schultz, roll};
use crate::rules::value::Values;
use crate::rules::window::Window;

pub(super) fn put(window: &Window<'_>, values: &mut Values) {
    values.put("amihud_20", amihud(window, 20));
    values.put("roll_spread_20", roll(window, 20));
    values.put("corwin_schultz_20", corwin_schultz(window, 20));
}

//! Effective spread, estimated from highs, lows and closes.

use crate::rules::indicators::spread::{abdi_ranaldo, corwin_schultz};
use crate::rules::value::Values;
use crate::rules::window::Window;

pub(super) fn put(window: &Window<'_>, values: &mut Values) {
    for (n, name) in [(5, "corwin_schultz_5"), (20, "corwin_schultz_20")] {
        values.put(name, corwin_schultz(window, n));
    }
    values.put("abdi_ranaldo_20", abdi_ranaldo(window, 20));
}

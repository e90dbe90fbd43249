//! Candlestick patterns: positive for a rise that may follow, negative for a fall, 0 for none.

use crate::rules::indicators::candles;
use crate::rules::value::Values;
use crate::rules::window::Window;

pub(super) fn put(window: &Window<'_>, values: &mut Values) {
    values.put("cdl_doji", candles::doji(window));
    values.put("cdl_hammer", candles::hammer(window));
    values.put("cdl_engulfing", candles::engulfing(window));
    values.put("cdl_harami", candles::harami(window));
    values.put("cdl_morning_star", candles::morning_star(window));
    values.put("cdl_evening_star", candles::evening_star(window));
    values.put("cdl_shooting_star", candles::shooting_star(window));
    values.put("cdl_marubozu", candles::marubozu(window));
}

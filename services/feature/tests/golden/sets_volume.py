"""The sets of candlestick patterns, volume, spread and liquidity, as in sets.py."""

import numpy as np
import pandas as pd
import talib
from talib import abstract

from sets import arrays, finite, last, log_returns, market_microstructure, ratio, typical

PATTERNS = {
    "cdl_doji": talib.CDLDOJI,
    "cdl_hammer": talib.CDLHAMMER,
    "cdl_engulfing": talib.CDLENGULFING,
    "cdl_harami": talib.CDLHARAMI,
    "cdl_morning_star": lambda *prices: talib.CDLMORNINGSTAR(*prices, penetration=0.3),
    "cdl_evening_star": lambda *prices: talib.CDLEVENINGSTAR(*prices, penetration=0.3),
    "cdl_shooting_star": talib.CDLSHOOTINGSTAR,
    "cdl_marubozu": talib.CDLMARUBOZU,
}
LOOKBACKS = {name: abstract.Function(f"CDL{name[4:].replace('_', '').upper()}").lookback for name in PATTERNS}


def price_patterns(w):
    opened, high, low, close, _ = arrays(w)
    # TA-Lib returns 0 within the lookback too.
    held = {name: pattern for name, pattern in PATTERNS.items() if len(w) > LOOKBACKS[name]}
    return {name: finite(pattern(opened, high, low, close)[-1]) for name, pattern in held.items()}


def z_score(values, n):
    """The newest value against the mean and the standard deviation of the n before it."""
    if len(values) < n + 1:
        return None
    before = pd.Series(np.asarray(values)[-n - 1 : -1])
    return None if np.ptp(before) == 0 else ratio(np.asarray(values)[-1] - before.mean(), before.std())


def volume_patterns(w):
    _, high, low, close, volume = arrays(w)
    up = (w.close.diff() > 0).iloc[-20:]
    price = typical(w)
    moved = (price.diff().abs() > 1e-14 * (price + price.shift(1))).iloc[-14:]
    flows = moved & (w.volume.iloc[-14:] > 0)
    return {
        "obv": finite(talib.OBV(close, volume)[-1]),
        "ad": finite(talib.AD(high, low, close, volume)[-1]),
        "adosc_3_10": finite(talib.ADOSC(high, low, close, volume, 3, 10)[-1]),
        "mfi_14": finite(talib.MFI(high, low, close, volume, 14)[-1]) if flows.any() else None,
        "volume_zscore_20": z_score(w.volume, 20),
        "up_volume_share_20": ratio(w.volume.iloc[-20:][up].sum(), w.volume.iloc[-20:].sum()) if len(w) > 20 else None,
    }


def volume_profile(w):
    out = dict.fromkeys(("poc_price", "value_area_low", "value_area_high"))
    t = w.iloc[-60:]
    if len(t) < 60 or t.volume.sum() == 0:
        return out
    low, high = t.low.min(), t.high.max()
    if low == high:
        return dict.fromkeys(out, float(low))
    volumes, edges = np.histogram(typical(t).clip(low, high), bins=24, range=(low, high), weights=t.volume)
    first = last_bin = int(np.argmax(volumes))
    while volumes[first : last_bin + 1].sum() < 0.7 * volumes.sum():
        below = volumes[first - 1] if first > 0 else -1
        above = volumes[last_bin + 1] if last_bin < 23 else -1
        if above >= below:
            last_bin += 1
        else:
            first -= 1
    poc = int(np.argmax(volumes))
    out["poc_price"] = float((edges[poc] + edges[poc + 1]) / 2)
    out["value_area_low"], out["value_area_high"] = float(edges[first]), float(edges[last_bin + 1])
    return out


def weighted_mean(values, volume, n):
    return None if len(values) < n else ratio(np.dot(values.iloc[-n:], volume.iloc[-n:]), volume.iloc[-n:].sum())


def volume_weighted_features(w):
    vwap = weighted_mean(typical(w), w.volume, 20)
    out = {"vwap_20": vwap, "close_to_vwap_20": ratio(last(w.close), vwap)}
    out |= {f"vwma_{n}": weighted_mean(w.close, w.volume, n) for n in (10, 20, 50)}
    out["volume_weighted_return_20"] = weighted_mean(log_returns(w), w.volume, 20)
    return out


def spread_features(w):
    out = {"corwin_schultz_5": None, "corwin_schultz_20": market_microstructure(w)["corwin_schultz_20"], "abdi_ranaldo_20": None}
    if len(w) >= 6:
        h, l = w.high.to_numpy()[-6:], w.low.to_numpy()[-6:]
        beta = np.log(h[1:] / l[1:]) ** 2 + np.log(h[:-1] / l[:-1]) ** 2
        gamma = np.log(np.maximum(h[1:], h[:-1]) / np.minimum(l[1:], l[:-1])) ** 2
        scale = 3 - 2 * np.sqrt(2)
        alpha = (np.sqrt(2 * beta) - np.sqrt(beta)) / scale - np.sqrt(gamma / scale)
        out["corwin_schultz_5"] = finite(np.maximum(2 * (np.exp(alpha) - 1) / (1 + np.exp(alpha)), 0).mean())
    if len(w) >= 21:
        t = w.iloc[-21:]
        close, middle = np.log(t.close), (np.log(t.high) + np.log(t.low)) / 2
        products = 4 * (close - middle) * (close - middle.shift(-1))
        out["abdi_ranaldo_20"] = finite(np.sqrt(max(0.0, products.iloc[:-1].mean())))
    return out


def liquidity_features(w):
    dollars = w.close * w.volume
    simple = w.close.pct_change().abs()
    out = {}
    for n in (5, 20, 60):
        d = dollars.iloc[-n:]
        out[f"amihud_{n}"] = None if len(w) <= n or (d == 0).any() else finite((simple.iloc[-n:] / d).mean() * 1e6)
        out[f"dollar_volume_mean_{n}"] = None if len(w) < n else finite(np.mean(d.to_numpy()))
    out["zero_return_share_20"] = None if len(w) <= 20 else finite((w.close.diff().iloc[-20:] == 0).mean())
    return out


VOLUME_SETS = {
    "price_patterns": price_patterns,
    "volume_patterns": volume_patterns,
    "volume_profile": volume_profile,
    "volume_weighted_features": volume_weighted_features,
    "spread_features": spread_features,
    "liquidity_features": liquidity_features,
}

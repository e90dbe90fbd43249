"""The feature sets by TA-Lib, pandas and numpy: independent code with which the Rust rules are compared.

Each function takes a window (a data frame of open, high, low, close, volume, oldest first) and returns {name: value}. A value is None if
it is omitted, because bars are missing or a divisor is 0. The functions of COMPARING also take the bars of the benchmarks up to the
newest bar of the window, by symbol.

A window of day bars has no `attrs`. One below a day has `bars_a_year`, the number of its bars in a year, and `earlier_days`, the columns
of the day bars of earlier dates.
"""

import numpy as np
import pandas as pd
import talib


def year(w):
    """The factor from a standard deviation per bar to one per year."""
    return np.sqrt(w.attrs.get("bars_a_year", 252.0))


def finite(value):
    """Returns the value, or None if TA-Lib or pandas return none."""
    return None if value is None or not np.isfinite(value) else float(value)


def ratio(a, b):
    a, b = finite(a), finite(b)
    return None if a is None or b is None or b == 0 else a / b


def plus(a, b):
    return None if a is None or b is None else a + b


def times(a, b):
    return None if a is None or b is None else a * b


def root(a):
    return None if a is None else float(np.sqrt(a))


def last(series, n=0):
    """The value n before the newest."""
    return None if len(series) <= n else finite(series.iloc[-1 - n])


def arrays(w):
    return (w[name].to_numpy(dtype=float) for name in ("open", "high", "low", "close", "volume"))


def typical(w):
    return (w.high + w.low + w.close) / 3


def log_returns(w):
    return np.log(w.close).diff().iloc[1:]


def change(w, n):
    return plus(ratio(last(w.close), last(w.close, n)), -1.0)


def price_features(w):
    out = {name: last(w[name]) for name in ("open", "high", "low", "close")}
    out["typical_price"] = last(typical(w))
    for n in (5, 10, 20, 50):
        high, low = last(w.high.rolling(n).max()), last(w.low.rolling(n).min())
        out[f"high_{n}"], out[f"low_{n}"] = high, low
        out[f"sma_{n}"] = None if len(w) < n else float(np.mean(w.close.to_numpy()[-n:]))
        out[f"position_{n}"] = None if high is None else ratio(last(w.close) - low, high - low)
    for n in (1, 5, 20):
        out[f"return_{n}"] = change(w, n)
    return out


def returns_features(w):
    out = {f"return_{n}": change(w, n) for n in (1, 2, 3, 5, 10, 20, 60)}
    out["overnight_return"] = plus(ratio(last(w.open), last(w.close, 1)), -1.0)
    out["intraday_return"] = plus(ratio(last(w.close), last(w.open)), -1.0)
    return out


def log_returns_set(w):
    def log(value):
        return None if value is None else float(np.log(value))

    out = {f"log_return_{n}": log(ratio(last(w.close), last(w.close, n))) for n in (1, 2, 3, 5, 10, 20, 60)}
    out["log_overnight"] = log(ratio(last(w.open), last(w.close, 1)))
    out["log_intraday"] = log(ratio(last(w.close), last(w.open)))
    return out


def price_ratios(w):
    close = last(w.close)
    out = {"close_to_open": ratio(close, last(w.open)), "high_to_low": ratio(last(w.high), last(w.low))}
    for n in (20, 50, 200):
        out[f"close_to_sma_{n}"] = None if len(w) < n else ratio(close, np.mean(w.close.to_numpy()[-n:]))
    out["close_to_high_252"] = ratio(close, last(w.high.rolling(252).max()))
    out["close_to_low_252"] = ratio(close, last(w.low.rolling(252).min()))
    return out


def volume_features(w):
    out = {"volume": last(w.volume)}
    dollars = w.close * w.volume
    for n in (5, 10, 30):
        mean = None if len(w) < n else float(np.mean(w.volume.to_numpy()[-n:]))
        out[f"volume_mean_{n}"] = mean
        out[f"volume_ratio_{n}"] = ratio(last(w.volume), mean)
    for n in (5, 15, 60):
        tail = w.iloc[-n:]
        out[f"vwap_{n}"] = None if len(w) < n else ratio(np.dot(typical(tail), tail.volume), tail.volume.sum())
    out["dollar_volume"] = last(dollars)
    out["dollar_volume_mean_20"] = None if len(w) < 20 else float(np.mean(dollars.to_numpy()[-20:]))
    return out


def pivots(w):
    """Returns pivot, classic resistances and supports, and the range, of the previous day."""
    days = pd.DataFrame(w.attrs.get("earlier_days", w.iloc[:-1]))
    if len(days) == 0:
        return None, [None] * 3, [None] * 3, None
    h, l, c = (float(days[name].iloc[-1]) for name in ("high", "low", "close"))
    p = (h + l + c) / 3
    return p, [2 * p - l, p + h - l, h + 2 * (p - l)], [2 * p - h, p - h + l, l - 2 * (h - p)], h - l


def technical_indicators(w):
    _, high, low, close, _ = arrays(w)
    upper, middle, lower = (finite(band[-1]) for band in talib.BBANDS(close, 20, 2.0, 2.0, 0)) if len(w) > 1 else [None] * 3
    out = {"bb_upper": upper, "bb_middle": middle, "bb_lower": lower, "bb_width": None, "bb_percent": None}
    if middle is not None:
        # TA-Lib may return a rounding error for equal closes; the spread of equal values is 0.
        equal = np.ptp(close[-20:]) == 0
        out["bb_width"] = 0.0 if equal else ratio(upper - lower, middle)
        out["bb_percent"] = None if equal else ratio(close[-1] - lower, upper - lower)

    def mid(n):
        return None if len(w) < n else float((np.max(high[-n:]) + np.min(low[-n:])) / 2)

    out["ichimoku_tenkan"], out["ichimoku_kijun"] = mid(9), mid(26)
    out["ichimoku_senkou_a"] = times(plus(mid(9), mid(26)), 0.5)
    out["ichimoku_senkou_b"] = mid(52)
    out["sar"] = finite(talib.SAR(high, low, 0.02, 0.2)[-1]) if len(w) > 1 else None
    p, up, down, _ = pivots(w)
    out["pivot"] = p
    for k in range(3):
        out[f"pivot_r{k + 1}"], out[f"pivot_s{k + 1}"] = up[k], down[k]
    return out


def momentum_features(w):
    _, high, low, close, _ = arrays(w)
    out = {}
    unmoved = np.all(np.diff(close) == 0)
    for n in (9, 14, 21):
        out[f"rsi_{n}"] = None if unmoved else finite(talib.RSI(close, n)[-1])
    for name, line in zip(("macd", "macd_signal", "macd_hist"), talib.MACD(close, 12, 26, 9)):
        out[name] = finite(line[-1])
    out["roc_10"] = finite(talib.ROC(close, 10)[-1])
    out["mom_10"] = finite(talib.MOM(close, 10)[-1])
    span = w.high.rolling(14).max() - w.low.rolling(14).min()
    k, d = talib.STOCH(high, low, close, 14, 3, 0, 3, 0)
    out["stoch_k"] = None if (span.iloc[-3:] == 0).any() else finite(k[-1])
    out["stoch_d"] = None if (span.iloc[-5:] == 0).any() else finite(d[-1])
    out["willr_14"] = None if span.iloc[-1] == 0 else finite(talib.WILLR(high, low, close, 14)[-1])
    equal = np.ptp(typical(w).to_numpy()[-20:]) == 0
    out["cci_20"] = None if equal else finite(talib.CCI(high, low, close, 20)[-1])
    ranges = true_range(w)
    flat = any(ranges.iloc[-n:].sum() == 0 for n in (7, 14, 28))
    out["ultosc"] = None if flat else finite(talib.ULTOSC(high, low, close, 7, 14, 28)[-1])
    return out


def true_range(w):
    """Each bar that has a predecessor has a value."""
    before = w.close.shift(1)
    parts = [w.high - w.low, (before - w.high).abs(), (before - w.low).abs()]
    return pd.concat(parts, axis=1).max(axis=1).iloc[1:]


def trend_features(w):
    _, high, low, close, _ = arrays(w)
    out = {}
    for n in (10, 20, 50, 200):
        out[f"sma_{n}"] = finite(talib.SMA(close, n)[-1])
        out[f"ema_{n}"] = finite(talib.EMA(close, n)[-1])
    no_range = bool((true_range(w) == 0).all())
    up, down = w.high.diff(), -w.low.diff()
    moved = ((up > 0) & (up > down)) | ((down > 0) & (down > up))
    out["adx_14"] = None if no_range or not moved.any() else finite(talib.ADX(high, low, close, 14)[-1])
    out["plus_di_14"] = None if no_range else finite(talib.PLUS_DI(high, low, close, 14)[-1])
    out["minus_di_14"] = None if no_range else finite(talib.MINUS_DI(high, low, close, 14)[-1])
    aroon_down, aroon_up = talib.AROON(high, low, 25)
    out["aroon_up_25"], out["aroon_down_25"] = finite(aroon_up[-1]), finite(aroon_down[-1])
    for n in (20, 50):
        out[f"donchian_high_{n}"] = finite(talib.MAX(high, n)[-1])
        out[f"donchian_low_{n}"] = finite(talib.MIN(low, n)[-1])
    out["linreg_slope_20"] = finite(talib.LINEARREG_SLOPE(close, 20)[-1])
    return out


def volatility_features(w):
    _, high, low, close, _ = arrays(w)
    r = log_returns(w)
    out = {}
    for n in (10, 20, 50):
        out[f"realized_{n}"] = None if len(r) < n else finite(r.iloc[-n:].std() * year(w))
    for n in (10, 20):
        out[f"ewm_{n}"] = None if len(r) < n else finite(r.ewm(span=n, min_periods=n).std().iloc[-1] * year(w))
    t = w.iloc[-20:]
    enough = len(w) >= 20
    hl, co = np.log(t.high / t.low) ** 2, np.log(t.close / t.open) ** 2
    rs = np.log(t.high / t.close) * np.log(t.high / t.open) + np.log(t.low / t.close) * np.log(t.low / t.open)
    out["parkinson_20"] = finite(np.sqrt(hl.mean() / (4 * np.log(2))) * year(w)) if enough else None
    gk = (hl / 2 - (2 * np.log(2) - 1) * co).mean()
    out["garman_klass_20"] = finite(np.sqrt(gk) * year(w)) if enough else None
    out["rogers_satchell_20"] = finite(np.sqrt(rs.mean()) * year(w)) if enough else None
    gaps = np.log(w.open / w.close.shift(1)).iloc[1:]
    k = 0.34 / (1.34 + 21 / 19)
    yz = gaps.iloc[-20:].var() + k * np.log(t.close / t.open).var() + (1 - k) * rs.mean()
    out["yang_zhang_20"] = finite(np.sqrt(yz) * year(w)) if len(w) >= 21 else None
    out["atr_14"] = finite(talib.ATR(high, low, close, 14)[-1])
    out["natr_14"] = finite(talib.NATR(high, low, close, 14)[-1])
    return out


def support_resistance(w):
    p, up, down, span = pivots(w)
    out = {"pivot": p, "pivot_r1": up[0], "pivot_s1": down[0]}
    for k, share in enumerate((0.382, 0.618, 1.0)):
        out[f"fib_r{k + 1}"] = plus(p, times(span, share))
        out[f"fib_s{k + 1}"] = plus(p, times(span, -share))

    def newest(column, sign):
        values = sign * column.to_numpy()
        for i in range(len(values) - 6, 4, -1):
            if values[i] > max(values[i - 5 : i].max(), values[i + 1 : i + 6].max()):
                return float(sign * values[i])
        return None

    for name, column, sign in (("swing_high", w.high, 1), ("swing_low", w.low, -1)):
        level = newest(column, sign)
        out[name], out[f"{name}_distance"] = level, plus(ratio(last(w.close), level), -1.0)
    return out


def market_microstructure(w):
    out = {"amihud_20": None, "roll_spread_20": None, "corwin_schultz_20": None}
    if len(w) >= 21:
        t = w.iloc[-21:]
        dollars = (t.close * t.volume).iloc[1:]
        simple = t.close.pct_change().iloc[1:].abs()
        out["amihud_20"] = None if (dollars == 0).any() else finite((simple / dollars).mean() * 1e6)
        beta = (np.log(t.high / t.low) ** 2).rolling(2).sum()
        gamma = np.log(t.high.rolling(2).max() / t.low.rolling(2).min()) ** 2
        scale = 3 - 2 * np.sqrt(2)
        alpha = (np.sqrt(2 * beta) - np.sqrt(beta)) / scale - np.sqrt(gamma / scale)
        spreads = (2 * (np.exp(alpha) - 1) / (1 + np.exp(alpha))).iloc[1:].clip(lower=0)
        out["corwin_schultz_20"] = finite(spreads.mean())
    if len(w) >= 22:
        steps = w.close.diff().to_numpy()[-21:]
        out["roll_spread_20"] = finite(2 * np.sqrt(max(0.0, -np.cov(steps[1:], steps[:-1])[0, 1])))
    return out


def statistical_moments(w):
    r = log_returns(w)
    out = {}
    for n in (20, 60, 252):
        t = r.iloc[-n:] if len(r) >= n else pd.Series([], dtype=float)
        out[f"mean_{n}"], out[f"std_{n}"] = finite(t.mean()), finite(t.std())
        equal = len(t) == 0 or np.ptp(t.to_numpy()) == 0
        out[f"skew_{n}"] = None if equal else finite(t.skew())
        out[f"kurt_{n}"] = None if equal else finite(t.kurt())
    return out


SETS = {
    "price_features": price_features,
    "returns_features": returns_features,
    "log_returns": log_returns_set,
    "price_ratios": price_ratios,
    "volume_features": volume_features,
    "technical_indicators": technical_indicators,
    "momentum_features": momentum_features,
    "trend_features": trend_features,
    "volatility_features": volatility_features,
    "support_resistance": support_resistance,
    "market_microstructure": market_microstructure,
    "statistical_moments": statistical_moments,
}


def common(w, b, n=None):
    """Returns the newest n common bars (all of them without n) with both closes; None if there are fewer, or if the benchmark lacks the newest bar."""
    if len(b) == 0 or b.date.iloc[-1] != w.date.iloc[-1]:
        return None
    m = w.merge(b, on="date", suffixes=("", "_b"))
    return None if n is not None and len(m) < n else m.iloc[-n:] if n is not None else m


def common_returns(w, b, n):
    m = common(w, b, n + 1)
    return None if m is None else (np.log(m.close).diff().iloc[1:], np.log(m.close_b).diff().iloc[1:])


def correlation(w, b, n):
    r = common_returns(w, b, n)
    return None if r is None or np.ptp(r[0]) == 0 or np.ptp(r[1]) == 0 else finite(r[0].corr(r[1]))


def beta(w, b, n):
    r = common_returns(w, b, n)
    return None if r is None or np.ptp(r[1]) == 0 else ratio(r[0].cov(r[1]), r[1].var())


def strength(w, b, n):
    m = common(w, b, n + 1)
    if m is None:
        return None
    return plus(ratio(ratio(last(m.close), last(m.close, n)), ratio(last(m.close_b), last(m.close_b, n))), -1.0)


COMPARED = ("SPY", "QQQ", "IWM")


def correlation_features(w, benchmarks):
    out = {}
    for symbol in COMPARED:
        name, b = symbol.lower(), benchmarks[symbol]
        out |= {f"corr_{name}_{n}": correlation(w, b, n) for n in (20, 60, 252)}
        out[f"beta_{name}_60"] = beta(w, b, 60)
    return out


def relative_strength(w, benchmarks):
    return {f"rs_{symbol.lower()}_{n}": strength(w, benchmarks[symbol], n) for symbol in COMPARED for n in (20, 60, 252)}


def intermarket_features(w, benchmarks):
    return {f"corr_{symbol.lower()}_60": correlation(w, benchmarks[symbol], 60) for symbol in ("TLT", "GLD", "UUP")}


def market_regime(w, benchmarks):
    b = benchmarks["SPY"]
    names = ("spy_above_sma_200", "spy_sma_50_to_200", "spy_realized_20", "spy_drawdown_252")
    if common(w, b) is None:
        return dict.fromkeys(names)
    sma = {n: None if len(b) < n else float(np.mean(b.close.to_numpy()[-n:])) for n in (50, 200)}
    r = log_returns(b).iloc[-20:]
    drawdown = ratio(last(b.close), last(b.close.rolling(252).max()))
    return {
        "spy_above_sma_200": None if sma[200] is None else float(last(b.close) > sma[200]),
        "spy_sma_50_to_200": ratio(sma[50], sma[200]),
        "spy_realized_20": None if len(r) < 20 else times(finite(r.std()), year(w)),
        "spy_drawdown_252": None if drawdown is None else 1.0 - drawdown,
    }


def correlation_regime(w, benchmarks):
    b = benchmarks["SPY"]
    long = correlation(w, b, 60)
    return {"corr_spy_20_minus_60": None if long is None else plus(correlation(w, b, 20), -long)}


COMPARING = {
    "correlation_features": correlation_features,
    "relative_strength": relative_strength,
    "intermarket_features": intermarket_features,
    "market_regime": market_regime,
    "correlation_regime": correlation_regime,
}

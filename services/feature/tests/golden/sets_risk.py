"""The sets of volatility regimes, anomalies, distributions and tail risk, as in sets.py."""

import numpy as np
import scipy.stats

from sets import finite, log_returns, ratio
from sets_volume import z_score


def rolling_std(r, n):
    """The standard deviations of all windows of n; equal values have exactly 0."""
    windows = np.lib.stride_tricks.sliding_window_view(r.to_numpy(), n)
    return np.where(np.ptp(windows, axis=1) == 0, 0.0, windows.std(axis=1, ddof=1))


def volatility_regime(w):
    r = log_returns(w)
    out = {"vol_percentile_252": None, "vol_ratio_20_60": None}
    if len(r) >= 79:
        stds = rolling_std(r, 20)[-252:]
        out["vol_percentile_252"] = finite((stds <= stds[-1] * (1 + 1e-12)).mean())
    if len(r) >= 60:
        out["vol_ratio_20_60"] = ratio(rolling_std(r, 20)[-1], rolling_std(r, 60)[-1])
    return out


def anomaly_scores(w):
    r, ranges = log_returns(w), np.log(w.high) - np.log(w.low)
    out = {f"return_zscore_{n}": z_score(r, n) for n in (20, 60)}
    out |= {f"volume_zscore_{n}": z_score(w.volume, n) for n in (20, 60)}
    out["range_zscore_20"] = z_score(ranges, 20)
    return out


def distribution_features(w):
    r = log_returns(w).to_numpy()[-252:]
    if len(r) < 252:
        return {}
    out = {f"quantile_{p:02}": finite(np.quantile(r, p / 100)) for p in (5, 25, 50, 75, 95)}
    out["jarque_bera_252"] = None if np.ptp(r) == 0 else finite(scipy.stats.jarque_bera(r).statistic)
    return out


def tail_risk_features(w):
    out = {}
    r = log_returns(w).to_numpy()[-252:]
    for p, q in ((95, 0.05), (99, 0.01)):
        quantile = np.quantile(r, q) if len(r) == 252 else None
        out[f"var_{p}"] = None if quantile is None else finite(-quantile)
        out[f"cvar_{p}"] = None if quantile is None else finite(-r[r <= quantile].mean())
    close = w.close.iloc[-252:]
    out["max_drawdown_252"] = finite((1 - close / close.cummax()).max()) if len(close) == 252 else None
    out["downside_deviation_252"] = finite(np.sqrt((np.minimum(r, 0) ** 2).mean())) if len(r) == 252 else None
    return out


RISK_SETS = {
    "volatility_regime": volatility_regime,
    "anomaly_scores": anomaly_scores,
    "distribution_features": distribution_features,
    "tail_risk_features": tail_risk_features,
}

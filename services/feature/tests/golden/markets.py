"""Synthetic day bars for cases that real bars do not cover: equal values, zero divisors, ties, extreme scales."""

import numpy as np
import pandas as pd


def frame(close, spread=0.0, volume=1000.0, gap=0.0, digits=4):
    """Bars around closes: each opens `gap` times the last move away from its close; high and low are `spread` outside both."""
    close = np.round(np.asarray(close, dtype=float), digits)
    before = np.r_[close[0], close[:-1]]
    start = np.round(close - gap * (close - before), digits)
    high = np.round(np.maximum(start, close) + spread, digits)
    low = np.round(np.minimum(start, close) - spread, digits)
    dates = pd.bdate_range("2015-01-02", periods=len(close)).strftime("%Y-%m-%d")
    volume = np.broadcast_to(volume, len(close))
    return pd.DataFrame({"date": dates, "open": start, "high": high, "low": low, "close": close, "volume": volume})


def walk(seed, n, start, scale):
    return start * np.exp(np.cumsum(np.random.default_rng(seed).normal(0, scale, n)))


def no_range(n):
    """Bars without a range, whose price changes."""
    return frame(walk(5, n, 50, 0.02), gap=0.0, spread=0.0)


def zero_volume(n):
    """No volume at first, then volume in every other interval of 33 bars."""
    volume = np.where((np.arange(n) // 33) % 2 == 0, 0.0, 1500.0)
    return frame(walk(7, n, 20, 0.02), spread=0.05, volume=volume, gap=0.4)


def ties(n):
    """Prices on a coarse grid, so that highs and lows repeat."""
    return frame(np.round(walk(11, n, 30, 0.03)), spread=1.0, volume=(np.arange(n) % 4) * 100.0, gap=1.0, digits=0)


def flat_then_move(n):
    return frame(np.r_[np.full(60, 0.1), walk(13, n - 60, 0.1, 0.05)], spread=0.0, gap=0.5)


def move_then_flat(n):
    return frame(np.r_[walk(17, 40, 33.33, 0.03), np.full(n - 40, 33.33)], spread=0.0, gap=0.5)


def sparse(n):
    """A market that is closed on every seventh day."""
    bars = frame(walk(29, n, 80, 0.015), spread=0.4, gap=0.6, digits=2)
    return bars[np.arange(n) % 7 != 3].reset_index(drop=True)


MARKETS = {
    "constant": lambda: frame(np.full(310, 0.1)),
    "constant_range": lambda: frame(np.full(70, 7.7), spread=0.3),
    "rising": lambda: frame(100 + 0.5 * np.arange(70), spread=0.25, gap=0.5),
    "falling": lambda: frame(100 - 0.5 * np.arange(70), spread=0.25, gap=0.5),
    "no_range": lambda: no_range(70),
    "zero_volume": lambda: zero_volume(120),
    "ties": lambda: ties(120),
    "flat_then_move": lambda: flat_then_move(100),
    "move_then_flat": lambda: move_then_flat(120),
    "pennies": lambda: frame(walk(19, 70, 0.002, 0.1), spread=0.0001, gap=0.3, digits=4),
    "sparse": lambda: sparse(330),
    "huge": lambda: frame(walk(23, 305, 600_000, 0.01), spread=900, volume=3e9, gap=0.6, digits=2),
}

"""Made-up bars below a day and their golden values: sessions, half days, changes of the clock, hours before and after the session.

`write` writes for each timeframe `intraday/<timeframe>.csv` (two markets, the second one is the benchmarks'), `intraday/days.csv` (their
day bars) and `<timeframe>.json`, with the values of the newest 300 bars of the first market at selected bars.
"""

import json

import numpy as np
import pandas as pd

from sets_time import HALF_DAYS, NEW_YORK, XNYS

MINUTES = {"1min": 1, "5min": 5, "1hour": 60}
# Each span has a change of the clock or a half day in it; the number of sessions gives some two windows.
SPANS = {"1min": ("2024-03-07", "2024-03-12"), "5min": ("2024-06-28", "2024-07-09"), "1hour": ("2024-10-07", "2024-12-06")}
# The share of the times that have a bar: thin markets have no trade in most minutes.
SHARES = {"1min": 0.35, "5min": 0.6, "1hour": 0.9}
BENCHMARKS = ("SPY", "QQQ", "IWM", "TLT", "GLD", "UUP")
DAYS = ("2023-05-01", "2024-12-31")


def times(timeframe):
    """The times from 04:00 to 20:00 in New York, on half days to 17:00, of the sessions of the span."""
    sessions = XNYS.sessions_in_range(*SPANS[timeframe])
    for session in sessions:
        end = 17 if session in HALF_DAYS else 20
        step = f"{MINUTES[timeframe]}min"
        local = pd.date_range(session + pd.Timedelta(hours=4), session + pd.Timedelta(hours=end), freq=step, inclusive="left")
        yield from local.tz_localize(NEW_YORK).tz_convert("UTC")


def prices(seed, n, start, scale):
    """Bars of a random walk on a grid of cents, with bars without a range and without volume."""
    random = np.random.default_rng(seed)
    close = np.round(start * np.exp(np.cumsum(random.normal(0, scale, n))), 2)
    start = np.round(np.r_[close[0], close[:-1]] * np.exp(random.normal(0, scale / 3, n)), 2)
    spread = np.where(random.random(n) < 0.1, 0.0, np.round(random.exponential(scale, n) * close, 2))
    low = np.maximum(np.round(np.minimum(start, close) - spread, 2), 0.01)
    volume = np.where(random.random(n) < 0.03, 0, random.integers(1, 50_000, n))
    return {"open": start, "high": np.round(np.maximum(start, close) + spread, 2), "low": low, "close": close, "volume": volume}


def market(timeframe, number):
    random = np.random.default_rng(100 * MINUTES[timeframe] + number)
    held = [at for at in times(timeframe) if random.random() < SHARES[timeframe]]
    scale = 0.0006 * np.sqrt(MINUTES[timeframe])
    return pd.DataFrame({"market": number, "date": held} | prices(1_000 * MINUTES[timeframe] + number, len(held), 40 + 60 * number, scale))


def day_bars():
    dates = XNYS.sessions_in_range(*DAYS)
    bars = pd.DataFrame({"date": dates.strftime("%Y-%m-%d")} | prices(7, len(dates), 40, 0.02))
    # No day bar of one session: the day bar before it counts.
    return bars[bars.date != "2024-03-08"].reset_index(drop=True)


def selected(bars):
    """The numbers of bars held: the first ones, around the length of the window, and bars of each kind of hour."""
    local = bars.date.dt.tz_convert(NEW_YORK)
    first_of_date = np.flatnonzero(local.dt.date != local.shift(1).dt.date) + 1
    return sorted({1, 2, 22, 61, 253, 299, 300, 301, len(bars), *first_of_date[1::2], *range(340, len(bars), 97)})


def cases(timeframe, bars, benchmark, days, history, values):
    for held in map(int, selected(bars)):
        window = bars.iloc[max(0, held - history) : held].reset_index(drop=True)
        as_of = window.date.iloc[-1]
        date = str(as_of.tz_convert(NEW_YORK).date())
        earlier = days[days.date < date].tail(history).reset_index(drop=True)
        window.attrs = {"bars_a_year": 252.0 * 390.0 / MINUTES[timeframe], "earlier_days": earlier.to_dict("list")}
        compared = benchmark[benchmark.date <= as_of].tail(history).reset_index(drop=True)
        sets = values(window, dict.fromkeys(BENCHMARKS, compared))
        yield {"as_of": as_of.strftime("%Y-%m-%dT%H:%M:%SZ"), "bars": held, "sets": sets}


def write(folder, head, history, values):
    (folder / "intraday").mkdir(exist_ok=True)
    day_bars().to_csv(folder / "intraday" / "days.csv", index=False)
    days = pd.read_csv(folder / "intraday" / "days.csv")
    for timeframe in MINUTES:
        path = folder / "intraday" / f"{timeframe}.csv"
        markets = pd.concat([market(timeframe, 0), market(timeframe, 1)])
        markets.assign(date=markets.date.dt.strftime("%Y-%m-%dT%H:%M:%SZ")).to_csv(path, index=False)
        read = pd.read_csv(path, parse_dates=["date"])
        of = [read[read.market == number].drop(columns="market").reset_index(drop=True) for number in (0, 1)]
        lines = [json.dumps(case, separators=(",", ":")) for case in cases(timeframe, *of, days, history, values)]
        text = ",\n".join(lines)
        (folder / f"{timeframe}.json").write_text(f'{json.dumps(head)[:-1]}, "cases": [\n{text}\n]}}\n')
        print(f"{timeframe}: {len(lines)} of {len(of[0])} bars")

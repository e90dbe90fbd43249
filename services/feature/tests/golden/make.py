"""Writes the golden values: python make.py <folder of bars>   (see requirements.txt; Python 3.11 or newer).

It writes `<symbol>.json` for every `<symbol>.csv` of the folder, and the bars (`bars/<market>.csv`) and `<market>.json` of every market
of markets.py. Such a file has the versions of the libraries and, for a selection of days, the values of each set over the newest 300 bars
up to that day. A value that is absent must be omitted by the rules. `patterns.json` has the candlestick patterns of all days of the real
markets, `times.json` the values of dates and of times below a day, `<timeframe>.json` those of made-up bars below a day (`intraday.py`).
"""

import functools
import json
import pathlib
import platform
import sys

import numpy
import pandas
import scipy
import talib

sys.dont_write_bytecode = True  # this folder is part of the repository

import intraday  # noqa: E402
from markets import MARKETS  # noqa: E402
from sets import COMPARING, SETS  # noqa: E402
from sets_risk import RISK_SETS  # noqa: E402
from sets_time import TIME_SETS, TIME_SETS_BELOW_A_DAY, write as write_times  # noqa: E402
from sets_volume import VOLUME_SETS, price_patterns  # noqa: E402

HERE = pathlib.Path(__file__).parent
HISTORY = 300
OWN_SETS = SETS | VOLUME_SETS | RISK_SETS | TIME_SETS
VERSIONS = {
    "python": platform.python_version(),
    "ta_lib": talib.__version__,
    "ta_lib_c": talib.__ta_version__.decode().split()[0],
    "pandas": pandas.__version__,
    "numpy": numpy.__version__,
    "scipy": scipy.__version__,
}
# The markets whose bars are used as those of a benchmark. Real markets have real ones (FB begins years after the others), synthetic
# markets synthetic ones: some end early, one lacks every seventh day, and one has constant prices.
REAL_STAND_INS = {"SPY": "GOOG", "QQQ": "FB", "IWM": "AAPL", "TLT": "FB", "GLD": "AAPL", "UUP": "GOOG"}
STAND_INS = {"SPY": "huge", "QQQ": "sparse", "IWM": "constant", "TLT": "flat_then_move", "GLD": "sparse", "UUP": "no_range"}
# Numbers of bars from which values are available: windows, windows + 1, and the lookbacks of TA-Lib.
EDGES = [1, 2, 3, 4, 5, 6, 9, 10, 11, 12, 14, 15, 16, 18, 19, 20, 21, 22, 26, 27, 28, 29, 30, 31, 33, 34, 49, 50, 51, 52]
EDGES += [59, 60, 61, 62, 79, 80, 199, 200, 251, 252, 253, 299, 300, 301]


def chosen(bars, real):
    """Returns the number of bars held on each of the selected days."""
    days = {edge for edge in EDGES if edge <= len(bars)} | {len(bars)}
    if real:
        days |= set(range(350, len(bars), 173))
        # Days around a split; the bars are not adjusted for splits.
        moves = (bars.close / bars.close.shift(1)).to_numpy()
        for day in numpy.flatnonzero((moves < 0.6) | (moves > 1.7)):
            days |= {int(day) + n for n in (0, 1, 2, 20, 21, 60) if int(day) + n <= len(bars)}
    else:
        days |= set(range(65, len(bars), 20 if len(bars) < 200 else 100))
    return sorted(days)


def values(window, benchmarks, own_sets=OWN_SETS):
    found = {name: compute(window) for name, compute in own_sets.items()}
    found |= {name: compute(window, benchmarks) for name, compute in COMPARING.items()}
    found = {name: {key: value for key, value in of.items() if value is not None} for name, of in found.items()}
    assert all(numpy.isfinite(value) for of in found.values() for value in of.values())
    return found


def write(name, markets, stand_ins, real):
    bars, cases = markets[name], []
    for held in chosen(bars, real):
        window = bars.iloc[max(0, held - HISTORY) : held].reset_index(drop=True)
        as_of = window.date.iloc[-1]
        benchmarks = {symbol: markets[other] for symbol, other in stand_ins.items()}
        benchmarks = {symbol: b[b.date <= as_of].tail(HISTORY).reset_index(drop=True) for symbol, b in benchmarks.items()}
        cases.append({"as_of": as_of, "bars": held, "sets": values(window, benchmarks)})
    lines = ",\n".join(json.dumps(case, separators=(",", ":")) for case in cases)
    head = json.dumps({"versions": VERSIONS, "history": HISTORY, "benchmarks": stand_ins})[:-1]
    (HERE / f"{name}.json").write_text(f'{head}, "cases": [\n{lines}\n]}}\n')
    print(f"{name}: {len(cases)} days of {len(bars)}")


def write_patterns(markets):
    """Writes the days with a candlestick pattern, of all days: {market: {name: {signal: [number of bars held]}}}."""
    found = {}
    for market, bars in markets.items():
        of_market = found[market] = {}
        for held in range(1, len(bars) + 1):
            for name, signal in price_patterns(bars.iloc[max(0, held - HISTORY) : held]).items():
                if signal:
                    of_market.setdefault(name, {}).setdefault(str(int(signal)), []).append(held)
    lines = ",\n".join(f"{json.dumps(market)}: {json.dumps(of, separators=(',', ':'))}" for market, of in found.items())
    head = json.dumps({"versions": VERSIONS, "history": HISTORY})[:-1]
    (HERE / "patterns.json").write_text(f'{head}, "markets": {{\n{lines}\n}}}}\n')


def main(folder):
    real = {path.stem: pandas.read_csv(path) for path in sorted(folder.glob("*.csv"))}
    write_patterns(real)
    write_times(HERE / "times.json", VERSIONS, real["AAPL"], HISTORY)
    for name in real:
        write(name, real, REAL_STAND_INS, real=True)
    (HERE / "bars").mkdir(exist_ok=True)
    made_up = {}
    for name, make in MARKETS.items():
        path = HERE / "bars" / f"{name}.csv"
        make().to_csv(path, index=False)
        made_up[name] = pandas.read_csv(path)
    for name in made_up:
        write(name, made_up, STAND_INS, real=False)
    of_window = functools.partial(values, own_sets=OWN_SETS | TIME_SETS_BELOW_A_DAY)
    intraday.write(HERE, {"versions": VERSIONS, "history": HISTORY}, HISTORY, of_window)


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))

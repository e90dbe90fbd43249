"""Writes splits.csv: python make_splits.py   (see requirements-splits.txt; Python 3.11 or newer).

It has the opens, closes and split-adjusted closes of AAPL and MSFT, from the stocks table of `bokeh_sampledata`. The adjusted closes of
the table count dividends and splits up to years later. They are scaled to a date `as_of` before the first dividend, so only the splits
up to that date remain.
"""

import csv
import pathlib

from bokeh_sampledata import stocks

# The last date before the ex-date of the first dividend after 1996.
AS_OF = {"AAPL": "2012-08-08", "MSFT": "2003-02-18"}


def main():
    with (pathlib.Path(__file__).parent / "splits.csv").open("w", newline="") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(["symbol", "date", "open", "close", "adjusted_close"])
        for symbol, as_of in AS_OF.items():
            table = getattr(stocks, symbol)
            end = table["date"].index(as_of)
            scale = table["close"][end] / table["adj_close"][end]
            for day in range(end + 1):
                raw = (table[name][day] for name in ("date", "open", "close"))
                out.writerow([symbol, *raw, f"{table['adj_close'][day] * scale:.13g}"])


if __name__ == "__main__":
    main()

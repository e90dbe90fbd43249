"""Writes exceptions.csv: every weekday on which XNYS has no session or closes before 16:00, according to exchange_calendars.

    python3 -m venv venv && venv/bin/pip install exchange_calendars==4.13.2
    venv/bin/python make_golden.py > exceptions.csv

The first lines contain the versions. A date is followed by its close in New York, or by "closed".
"""

import importlib.metadata
import sys

import exchange_calendars
import pandas

FIRST, LAST = "1998-01-01", "2030-12-31"


def main() -> None:
    calendar = exchange_calendars.get_calendar("XNYS", start=FIRST, end=LAST)
    closes = calendar.schedule["close"].dt.tz_convert("America/New_York")
    for package in ("exchange_calendars", "pandas", "tzdata"):
        print(f"# {package} {importlib.metadata.version(package)}")
    print(f"# python {sys.version.split()[0]}")
    print(f"# weekdays from {FIRST} to {LAST}")
    for day in pandas.bdate_range(FIRST, LAST):
        if day not in closes.index:
            print(f"{day.date()},closed")
        elif (close := closes[day]).strftime("%H:%M") != "16:00":
            print(f"{day.date()},{close.strftime('%H:%M')}")


main()

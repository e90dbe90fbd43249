"""The sets of time, season and calendar, as in sets.py, by pandas and exchange_calendars.

`write` writes `times.json`: the values of each date of 33 years, and those of bars below a day around clock changes, half days,
holidays and exceptional closures.
"""

import importlib.metadata
import json

import exchange_calendars
import numpy as np
import pandas as pd

from sets import finite

FIRST, LAST = "1998-01-01", "2030-12-31"
XNYS = exchange_calendars.get_calendar("XNYS", start="1997-12-01", end="2031-12-31")
HOLIDAYS = XNYS.regular_holidays.holidays("1997-12-01", "2031-12-31")
HOLIDAYS = HOLIDAYS[HOLIDAYS.dayofweek < 5].to_numpy().astype("datetime64[D]")
MONTH_ENDS = set(XNYS.sessions.to_series().groupby([XNYS.sessions.year, XNYS.sessions.month]).max())
QUARTER_ENDS = {session for session in MONTH_ENDS if session.month % 3 == 0}
HALF_DAYS = set(XNYS.early_closes)
EXPIRIES = {XNYS.sessions[XNYS.sessions <= friday][-1] for friday in pd.date_range(FIRST, LAST, freq="WOM-3FRI")}
NEW_YORK = "America/New_York"


def date_of(w):
    return pd.Timestamp(w.date.iloc[-1])


def mean_return(day_bars, date):
    """The mean return of the day bars on the weekday of the date."""
    dates = pd.to_datetime(day_bars.date)
    return finite(day_bars.close.pct_change()[dates.dt.dayofweek == date.dayofweek].mean())


def season(date):
    return {
        "month": date.month,
        "quarter": date.quarter,
        "week_of_year": date.isocalendar().week,
        "day_of_month": date.day,
    }


def calendar(date):
    holiday = HOLIDAYS[HOLIDAYS > np.datetime64(date, "D")][0]
    return {
        "is_month_end_session": int(date in MONTH_ENDS),
        "is_quarter_end_session": int(date in QUARTER_ENDS),
        "is_half_day": int(date in HALF_DAYS),
        "is_monthly_expiry": int(date in EXPIRIES),
        "sessions_to_holiday": int(np.busday_count(np.datetime64(date, "D") + 1, holiday)),
    }


TIME_SETS = {
    "time_features": lambda w: {"day_of_week": date_of(w).dayofweek},
    "seasonality_features": lambda w: season(date_of(w)) | {"mean_return_same_weekday": mean_return(w, date_of(w))},
    "calendar_features": lambda w: calendar(date_of(w)),
}


def time_features(at):
    """Of a bar below a day that opened at this time, which is in UTC."""
    local = at.tz_convert(NEW_YORK)
    date = local.tz_localize(None).normalize()
    out = {"day_of_week": local.dayofweek, "hour": local.hour, "minute": local.minute, "session": 0}
    if date in XNYS.sessions:
        opens, closes = XNYS.session_open_close(date)
        out["minutes_since_open"] = (at - opens) / pd.Timedelta(minutes=1)
        out["minutes_to_close"] = (closes - at) / pd.Timedelta(minutes=1)
        day = date.tz_localize(NEW_YORK)
        edges = [day + pd.Timedelta(hours=4), opens, closes, day + pd.Timedelta(hours=17 if date in HALF_DAYS else 20)]
        out["session"] = sum(edge <= at for edge in edges) % 4
    return out


DATES = ["1998-01-02", "1999-12-31", "2000-03-01", "2001-09-11", "2004-06-11", "2008-03-20", "2008-03-21", "2010-03-14", "2010-03-15"]
DATES += ["2010-11-05", "2010-11-07", "2010-11-08", "2012-10-30", "2012-11-23", "2013-07-03", "2018-12-05", "2024-03-08", "2024-03-11"]
DATES += ["2024-06-19", "2024-11-01", "2024-11-04", "2024-11-29", "2024-12-24", "2025-12-31", "2026-06-18", "2027-01-01"]
TIMES = ["00:00", "01:30", "03:59", "04:00", "09:00", "09:29", "09:30", "12:00", "12:59", "13:00", "15:59", "16:00", "16:59", "17:00"]
TIMES += ["19:59", "20:00", "23:59"]
TIMEFRAMES = {"1min": 1, "5min": 5, "1hour": 60}


def cases(day_bars, history):
    for timeframe, minutes in TIMEFRAMES.items():
        for date in map(pd.Timestamp, DATES):
            local = {(date + pd.Timedelta(f"{time}:00")).floor(f"{minutes}min") for time in TIMES}
            # An hour that is repeated occurs twice.
            instants = {t.tz_localize(NEW_YORK, ambiguous=first).tz_convert("UTC") for t in local for first in (True, False)}
            earlier = day_bars[day_bars.date < str(date.date())].tail(history)
            mean = mean_return(earlier, date) if len(earlier) else None
            for at in sorted(instants):
                seasonal = season(date) | ({} if mean is None else {"mean_return_same_weekday": mean})
                sets = {"time_features": time_features(at), "seasonality_features": seasonal}
                yield {"timeframe": timeframe, "open_time": at.strftime("%Y-%m-%dT%H:%M:%SZ"), "sets": sets}


def season_below_a_day(w):
    """Of a window below a day, whose dates are instants in UTC."""
    date = date_of(w).tz_convert(NEW_YORK).tz_localize(None).normalize()
    days = pd.DataFrame(w.attrs["earlier_days"])
    return season(date) | ({"mean_return_same_weekday": mean_return(days, date)} if len(days) else {})


TIME_SETS_BELOW_A_DAY = {
    "time_features": lambda w: time_features(date_of(w)),
    "seasonality_features": season_below_a_day,
    "calendar_features": lambda w: calendar(date_of(w).tz_convert(NEW_YORK).tz_localize(None).normalize()),
}


def write(path, versions, day_bars, history):
    names = list(calendar(pd.Timestamp(FIRST)))
    days = [list(calendar(date).values()) for date in pd.date_range(FIRST, LAST)]
    versions = versions | {name: importlib.metadata.version(name) for name in ("exchange_calendars", "tzdata")}
    head = {"versions": versions, "history": history, "day_bars": "AAPL", "first_date": FIRST, "names": names}
    days = ",\n".join(json.dumps(days[i : i + 31], separators=(",", ":"))[1:-1] for i in range(0, len(days), 31))
    lines = ",\n".join(json.dumps(case, separators=(",", ":")) for case in cases(day_bars, history))
    path.write_text(f'{json.dumps(head)[:-1]}, "dates": [\n{days}\n], "cases": [\n{lines}\n]}}\n')

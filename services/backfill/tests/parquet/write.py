#!/usr/bin/env python3
"""Writes the Parquet files of this folder: the same five-minute bars, news and day bars in the types and forms of several writers.

Needs pyarrow, duckdb and polars from PyPI. The files are committed, so that the tests need no Python.
"""

import datetime as dt
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import duckdb
import polars
import pyarrow as pa
import pyarrow.parquet as pq

FOLDER = Path(__file__).parent
NEW_YORK = ZoneInfo("America/New_York")
TIMES = [dt.datetime(2024, 6, 28, 13, 30, tzinfo=dt.UTC) + dt.timedelta(minutes=5 * i) for i in range(5)]
# The third bar has no close, the fourth a high below its low.
PRICES = {
    "open": ["215.77", "214.58", "214.9", "213.4", "213.21"],
    "high": ["216.07", "214.9", "215", "200", "213.88"],
    "low": ["214.4", "213.1", "213", "212.75", "212.75"],
    "close": ["214.58", "214.9", None, "213.21", "213.5"],
}
VOLUMES = [9721012, 8820140, 7, 5120033, 3000000000]


def prices(of):
    return {name: [None if text is None else of(text) for text in texts] for name, texts in PRICES.items()}


def write(name, columns, **options):
    table = pa.table(columns)
    pq.write_table(table, FOLDER / f"{name}.parquet", store_schema=False, row_group_size=2, **options)


def main():
    local = [time.astimezone(NEW_YORK).replace(tzinfo=None) for time in TIMES]
    price = prices(float)
    write(
        "snappy",
        {"Time": pa.array(TIMES, pa.timestamp("us", "UTC")), **price, "volume": VOLUMES},
        compression="snappy",
    )
    decimals = {name: pa.array(column, pa.decimal128(12, 4)) for name, column in prices(Decimal).items()}
    write(
        "zstd",
        {"time": pa.array(local, pa.timestamp("ns")), **decimals, "volume": pa.array(VOLUMES, pa.uint32())},
        compression="zstd",
        data_page_version="2.0",
        version="2.6",
    )
    floats = {name: pa.array(column, pa.float32()) for name, column in price.items()}
    write(
        "lz4",
        {"time": pa.array(TIMES, pa.timestamp("ms", "UTC")), **floats, "volume": pa.array(VOLUMES, pa.float64())},
        compression="lz4",
        use_dictionary=False,
    )
    small = {name: pa.array(column, pa.decimal128(9, 2)) for name, column in prices(Decimal).items()}
    write(
        "gzip",
        {"time": [time.isoformat() for time in TIMES], **small, "volume": [str(volume) for volume in VOLUMES]},
        compression="gzip",
        data_page_version="2.0",
        store_decimal_as_integer=True,
    )
    texts = {name: texts for name, texts in PRICES.items()}
    write(
        "plain",
        {
            "note": [[1], [], None, [2, 3], [4]],
            "time": pa.array(TIMES, pa.timestamp("us", "America/New_York")),
            **texts,
            "volume": VOLUMES,
        },
        compression="none",
        use_byte_stream_split=False,
    )
    polars.DataFrame({"time": TIMES, **price, "volume": VOLUMES}).write_parquet(FOLDER / "polars.parquet")
    bars = pa.table({"time": pa.array(TIMES, pa.timestamp("us", "UTC")), **price, "volume": VOLUMES})
    duckdb.sql("set timezone = 'UTC'")
    duckdb.sql("from bars").write_parquet(str(FOLDER / "duckdb.parquet"), compression="zstd")
    write(
        "news",
        {
            "symbol": ["AAPL", "NVDA", "AAPL"],
            "time": pa.array(TIMES[:3], pa.timestamp("us", "UTC")),
            "headline": ["two\nlines", "of another symbol", "  blanks, \"quotes\" and é  "],
            "url": ["https://news.example/1", None, None],
            "sentiment": pa.array([None, 0.5, -0.25], pa.float64()),
        },
    )
    write(
        "days",
        {
            "date": pa.array([dt.date(2024, 6, day) for day in (26, 27, 28)], pa.date32()),
            "open": [211.5, 214.69, 215.77],
            "high": [214.86, 215.74, 216.07],
            "low": [210.64, 212.35, 210.3],
            "close": [213.25, 214.1, 210.62],
            "volume": [66213200, 49772700, 82542700],
        },
    )


if __name__ == "__main__":
    main()

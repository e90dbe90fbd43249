"""Reads bars by the public client of the vendor and prints them: URL, key id, secret, symbols, timeframe, first and last day."""

import json
import sys
from datetime import datetime, timezone

from alpaca.data.enums import Adjustment, DataFeed
from alpaca.data.historical import StockHistoricalDataClient
from alpaca.data.requests import StockBarsRequest
from alpaca.data.timeframe import TimeFrame, TimeFrameUnit

url, key_id, secret, symbols, timeframe, first, last = sys.argv[1:]
amount, unit = int(timeframe[0]), timeframe[1:]
client = StockHistoricalDataClient(key_id, secret, url_override=url)
request = StockBarsRequest(
    symbol_or_symbols=symbols.split(","),
    timeframe=TimeFrame(amount, TimeFrameUnit(unit)),
    start=datetime.fromisoformat(first),
    end=datetime.fromisoformat(last),
    adjustment=Adjustment.RAW,
    feed=DataFeed.IEX,
)
bars = client.get_stock_bars(request).data
rows = {
    symbol: [
        [round(bar.timestamp.astimezone(timezone.utc).timestamp() * 1_000_000), bar.open, bar.high, bar.low, bar.close, bar.volume]
        for bar in rows
    ]
    for symbol, rows in bars.items()
}
json.dump(rows, sys.stdout)

"""Reads records by the public client of the vendor and prints them: URL, key id, secret, kind, symbols, first and last time, timeframe."""

import json
import sys
from datetime import datetime, timezone

from alpaca.data.enums import Adjustment, DataFeed
from alpaca.data.historical import NewsClient, StockHistoricalDataClient
from alpaca.data.historical.corporate_actions import CorporateActionsClient
from alpaca.data.requests import CorporateActionsRequest, NewsRequest, StockBarsRequest
from alpaca.data.timeframe import TimeFrame, TimeFrameUnit


def micros(time):
    return round(time.astimezone(timezone.utc).timestamp() * 1_000_000)


def bars(symbols, start, end, timeframe):
    client = StockHistoricalDataClient(key_id, secret, url_override=url)
    request = StockBarsRequest(
        symbol_or_symbols=symbols.split(","),
        timeframe=TimeFrame(int(timeframe[0]), TimeFrameUnit(timeframe[1:])),
        start=start,
        end=end,
        adjustment=Adjustment.RAW,
        feed=DataFeed.IEX,
    )
    data = client.get_stock_bars(request).data
    return {
        symbol: [[micros(bar.timestamp), bar.open, bar.high, bar.low, bar.close, bar.volume] for bar in rows]
        for symbol, rows in data.items()
    }


def news(symbols, start, end, _timeframe):
    client = NewsClient(key_id, secret, url_override=url)
    request = NewsRequest(symbols=symbols, start=start, end=end, sort="asc", include_content=False)
    articles = client.get_news(request).data["news"]
    return [[str(article.id), micros(article.created_at), article.headline, article.url] for article in articles]


def actions(symbols, start, end, _timeframe):
    client = CorporateActionsClient(key_id, secret, url_override=url)
    request = CorporateActionsRequest(symbols=symbols.split(","), start=start.date(), end=end.date())
    kinds = {"forward_splits": "split", "reverse_splits": "split", "cash_dividends": "dividend"}
    rows = []
    for group, items in client.get_corporate_actions(request).data.items():
        for item in items:
            kind = kinds.get(group, "other")
            symbol = item.symbol if kind != "other" else item.source_symbol
            ratio = item.new_rate / item.old_rate if kind == "split" else None
            amount = item.rate if kind == "dividend" else None
            rows.append([str(item.id), symbol, kind, item.ex_date.isoformat(), ratio, amount])
    return sorted(rows)


url, key_id, secret, kind, symbols, first, last, timeframe = sys.argv[1:]
read = {"bars": bars, "news": news, "actions": actions}[kind]
json.dump(read(symbols, datetime.fromisoformat(first), datetime.fromisoformat(last), timeframe), sys.stdout)

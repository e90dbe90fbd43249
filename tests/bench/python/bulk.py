"""Measures urgent requests of `feature` during a bulk backfill into all partitions, compared with the same requests before it.

Bars of 600 symbols are in the topic. One symbol of each partition is requested urgently, ten times a second. Then `backfill` fetches five
years of 1,000 other symbols in all timeframes from the synthetic source, and the same requests are sent again.
"""

import argparse
import pathlib
import subprocess
import sys
import time

import confluent_kafka

from overload import PARTITIONS, RESOLVED_S_MAX, SYMBOLS, URGENT, Requests, Results, latencies, symbol_of
from services import quantiles, start_service

BARS = "market.bar.closed.v1"
BULK_SYMBOLS = 1_000
FROM, TO = "2021-01-04", "2025-12-31"
URGENT_A_SECOND = 10
# The bulk is under way when the measurement begins.
START_S = 10


def positions(consumer):
    """The sum of the ends of the partitions of bars, with a record for each transaction."""
    return sum(consumer.get_watermark_offsets(confluent_kafka.TopicPartition(BARS, number))[1] for number in range(PARTITIONS))


def urgent_latencies(requests, results, seconds):
    requests.send_at(URGENT, URGENT_A_SECOND, seconds)
    results.wait_for(requests.symbols, RESOLVED_S_MAX)
    return latencies(requests, results)


def request_bulk(args):
    file = pathlib.Path(args.work) / "symbols"
    file.write_text("".join(f"{symbol_of(SYMBOLS + number)}\n" for number in range(BULK_SYMBOLS)))
    command = [args.tapeline, "backfill", "request", "--symbols-file", str(file), "--from", FROM, "--to", TO, "--layer", "2"]
    subprocess.run(command + ["--brokers", args.brokers, "--registry", args.registry], check=True, stdout=subprocess.DEVNULL)


def main():
    parser = argparse.ArgumentParser()
    for name in ("brokers", "registry", "feature", "backfill", "tapeline", "work"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--bars", type=int, required=True)
    parser.add_argument("--seconds", type=int, required=True)
    parser.add_argument("--set", action="append", default=[], help="a key of backfill, as executor.partition_bars_per_s=0")
    args = parser.parse_args()
    work = pathlib.Path(args.work)
    requests = Requests(args.brokers, args.registry, args.bars)
    results = Results(args.brokers, [symbol for of in requests.urgent.values() for symbol in of])
    results.start()
    consumer = confluent_kafka.Consumer({"bootstrap.servers": args.brokers, "group.id": "bench.bulk"})
    settings = {"SOURCE__KIND": "synthetic", "SOURCE__SYNTHETIC__INTRADAY": "true", "KEEPER__ENABLED": "false"}
    for setting in args.set:
        key, value = setting.split("=", 1)
        settings[key.upper().replace(".", "__")] = value
    services = []
    try:
        services.append(start_service(pathlib.Path(args.feature), args.brokers, args.registry, {}, work / "feature.log"))
        services.append(start_service(pathlib.Path(args.backfill), args.brokers, args.registry, settings, work / "backfill.log"))
        urgent_latencies(requests, results, 5)
        idle = urgent_latencies(requests, results, args.seconds)
        request_bulk(args)
        time.sleep(START_S)
        before, began = positions(consumer), time.monotonic()
        loaded = urgent_latencies(requests, results, args.seconds)
        rate = (positions(consumer) - before) / (time.monotonic() - began)
    finally:
        results.stop.set()
        for service in services:
            service.kill()
            service.wait(60)
        consumer.close()
    print(f"bulk of {BULK_SYMBOLS} symbols: {rate:.0f} bars/s into {PARTITIONS} partitions")
    for name, of in (("idle", idle), ("bulk", loaded)):
        p50, p99 = quantiles(of)
        print(f"urgent request to vector, {name}: {len(of)} requests, p50 {p50:.1f} ms, p99 {p99:.1f} ms")
    ratios = [during / before for before, during in zip(quantiles(idle), quantiles(loaded))]
    print(f"ratio: p50 {ratios[0]:.2f}, p99 {ratios[1]:.2f}")
    is_complete = len(idle) == len(loaded) == URGENT_A_SECOND * args.seconds
    return 0 if is_complete and rate > 0 else 1


if __name__ == "__main__":
    sys.exit(main())

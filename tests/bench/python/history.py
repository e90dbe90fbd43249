"""Fetches the history of many symbols from Parquet through a backfill service that is killed again and again, with a ledger in PostgreSQL.

At the end the topic must have the bars of the files, each once, and the ledger a completed job of each symbol. A script that reads the
same files and writes the same events in batches, without any state, is measured in the same run.
"""

import argparse
import datetime
import io
import json
import os
import pathlib
import signal
import struct
import subprocess
import sys
import time
import urllib.request

import confluent_kafka
import exchange_calendars
import fastavro
import numpy
import pyarrow
import pyarrow.parquet
from confluent_kafka.admin import AdminClient, NewTopic

from services import free_port, start_service, status

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "tests/integration/clients"))
from event_bytes import PARTITIONS, partition_of  # noqa: E402

BARS, PEER_BARS = "market.bar.closed.v1", "bench.bars"
LAST = datetime.date(2023, 12, 29)
WAIT_S = 3_600
SCHEMA = fastavro.parse_schema(json.loads((ROOT / "schemas/market.bar.closed/v1.avsc").read_text()))


def symbol_of(number):
    return "".join(chr(ord("A") + number // 26**place % 26) for place in range(3, -1, -1))


def write_files(folder, symbols, years):
    """Writes a file of day bars for each symbol, and returns the dates."""
    first = LAST.replace(year=LAST.year - years)
    sessions = exchange_calendars.get_calendar("XNYS", start=str(first), end=str(LAST)).sessions
    dates = [session.date() for session in sessions]
    (folder / "1day").mkdir(parents=True)
    for number, symbol in enumerate(symbols):
        random = numpy.random.default_rng(number)
        close = numpy.round(100 * numpy.exp(numpy.cumsum(random.normal(0, 0.01, len(dates)))), 2)
        columns = {"open": close, "high": close + 1, "low": numpy.maximum(close - 1, 0.01), "close": close}
        table = pyarrow.table({"date": dates, **columns, "volume": random.integers(1, 1_000_000, len(dates))})
        pyarrow.parquet.write_table(table, folder / "1day" / f"{symbol}.parquet", compression="zstd")
    return dates


def closes(path):
    """The closes of a file by date."""
    table = pyarrow.parquet.read_table(path, columns=["date", "close"])
    return dict(zip(table["date"].to_pylist(), table["close"].to_pylist()))


def end_of(brokers, topic):
    """The number of records and of transaction markers in a topic."""
    consumer = confluent_kafka.Consumer({"bootstrap.servers": brokers, "group.id": "bench.history"})
    ends = [consumer.get_watermark_offsets(confluent_kafka.TopicPartition(topic, number), 10)[1] for number in range(PARTITIONS)]
    consumer.close()
    return sum(ends)


def peak_mib(pid):
    """The peak of a process. Its resource usage would begin with the memory of this script, from which it is forked."""
    return status(pid, "VmHWM") / (1 << 20)


class Service:
    """A backfill service that is killed and started again, with the CPU seconds and the peak of memory of all its processes."""

    def __init__(self, start):
        self.start, self.process, self.cpu_s, self.peak_mib = start, start(), 0.0, 0.0

    def end(self, number):
        self.peak_mib = max(self.peak_mib, peak_mib(self.process.pid))
        self.process.send_signal(number)
        _, status, usage = os.wait4(self.process.pid, 0)
        self.process.returncode = os.waitstatus_to_exitcode(status)
        self.cpu_s += usage.ru_utime + usage.ru_stime

    def kill_and_start(self):
        self.end(signal.SIGKILL)
        self.process = self.start()


def fetch(args, symbols, dates, service):
    """Requests the bars, kills the service at equal distances, and returns the seconds until all requests have ended."""
    (args.work / "symbols").write_text("\n".join(symbols))
    command = [args.binaries / "tapeline", "backfill", "request", "--symbols-file", args.work / "symbols", "--layer", "0", "--wait"]
    command += ["--from", str(dates[0]), "--to", str(dates[-1]), "--brokers", args.brokers, "--registry", args.registry]
    began, bars, kills = time.monotonic(), len(symbols) * len(dates), 0
    with (args.work / "request.log").open("wb") as log:
        request = subprocess.Popen(command, stdout=log, stderr=log)
    while request.poll() is None:
        if kills < args.kills and end_of(args.brokers, BARS) > bars * (kills + 1) // (args.kills + 1):
            kills += 1
            print(f"kill {kills} after {time.monotonic() - began:.1f} s", flush=True)
            service.kill_and_start()
        elif time.monotonic() - began > WAIT_S:
            request.kill()
        time.sleep(0.05)
    if request.returncode != 0:
        raise SystemExit(f"history: the requests failed: {(args.work / 'request.log').read_text(errors='replace')[-2000:]}")
    if kills < args.kills:
        raise SystemExit(f"history: only {kills} of {args.kills} kills before the end")
    return time.monotonic() - began


def audit(args, symbols, dates):
    """Compares the bars of the topic with those of the files, and returns the numbers of missing, repeated and different ones."""
    consumer = confluent_kafka.Consumer(
        {"bootstrap.servers": args.brokers, "group.id": "bench.history", "auto.offset.reset": "earliest", "enable.partition.eof": True}
    )
    consumer.assign([confluent_kafka.TopicPartition(BARS, number, 0) for number in range(PARTITIONS)])
    expected = {(symbol, date): close for symbol in symbols for date, close in closes(args.files / "1day" / f"{symbol}.parquet").items()}
    seen, repeated, different, ended = set(), 0, 0, 0
    while ended < PARTITIONS:
        for record in consumer.consume(10_000, 1):
            if record.error():
                ended += record.error().code() == confluent_kafka.KafkaError._PARTITION_EOF
                continue
            body = io.BytesIO(record.value())
            body.seek(5)
            bar = fastavro.schemaless_reader(body, SCHEMA)
            # A day bar opens at 00:00 in New York: 04:00 or 05:00 UTC.
            key = (bar["symbol"], bar["open_time"].date())
            repeated += key in seen
            seen.add(key)
            different += expected.get(key) != bar["close"]
    consumer.close()
    return len(expected.keys() - seen), repeated, different


def peer(brokers, schema_id, files, symbols):
    """Writes the events of all files, and returns the seconds and CPU seconds. Without transactions, coverage, chunks or restarts."""
    admin = AdminClient({"bootstrap.servers": brokers})
    admin.create_topics([NewTopic(PEER_BARS, PARTITIONS, 1)])[PEER_BARS].result()
    producer = confluent_kafka.Producer(
        {"bootstrap.servers": brokers, "linger.ms": 5, "compression.type": "lz4", "enable.idempotence": True, "queue.buffering.max.messages": 1_000_000}
    )
    began, cpu, head = time.monotonic(), time.process_time(), struct.pack(">bI", 0, schema_id)
    for symbol in symbols:
        partition = partition_of(symbol)
        for number, row in enumerate(pyarrow.parquet.read_table(files / "1day" / f"{symbol}.parquet").to_pylist()):
            at = datetime.datetime.combine(row.pop("date"), datetime.time(5), datetime.UTC)
            bar = {"event_id": f"{symbol}-{number}", "occurred_at": at, "source": "peer", "correlation_id": None, "symbol": symbol}
            bar |= {"timeframe": "1day", "open_time": at, **row, "vwap": None, "trades": None, "backfilled": True}
            body = io.BytesIO()
            body.write(head)
            fastavro.schemaless_writer(body, SCHEMA, bar)
            producer.produce(PEER_BARS, body.getvalue(), f"{symbol}|1day|{number}", partition)
        producer.poll(0)
    producer.flush(60)
    return time.monotonic() - began, time.process_time() - cpu


def feature_start(args):
    """The seconds until a new `feature` has all bars, and its peak of memory."""
    admin, began = free_port(), time.monotonic()
    feature = start_service(args.binaries / "feature", args.brokers, args.registry, {}, args.work / "feature.log", admin)
    seconds = time.monotonic() - began
    with urllib.request.urlopen(f"http://127.0.0.1:{admin}/metrics") as reply:
        lines = reply.read().decode().splitlines()
    series = sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith("tapeline_bar_table_series"))
    peak = peak_mib(feature.pid)
    feature.terminate()
    feature.wait()
    return seconds, int(series), peak


def main():
    parser = argparse.ArgumentParser()
    for name in ("brokers", "registry", "ledger"):
        parser.add_argument(f"--{name}", required=True)
    for name in ("binaries", "work"):
        parser.add_argument(f"--{name}", required=True, type=pathlib.Path)
    for name in ("symbols", "years", "kills", "schema-id"):
        parser.add_argument(f"--{name}", required=True, type=int)
    args = parser.parse_args()
    args.files = args.work / "files"
    symbols = [symbol_of(number) for number in range(args.symbols)]
    dates = write_files(args.files, symbols, args.years)
    bars = len(symbols) * len(dates)
    settings = {
        "SOURCE__KIND": "files",
        "SOURCE__FOLDER": str(args.files),
        "SOURCE__PATH_PATTERN": "{timeframe}/{symbol}.parquet",
        "LEDGER__KIND": "postgres",
        "LEDGER__URL": args.ledger,
    }
    start = lambda: start_service(args.binaries / "backfill", args.brokers, args.registry, settings, args.work / "backfill.log")  # noqa: E731
    service = Service(start)
    try:
        seconds = fetch(args, symbols, dates, service)
        is_ledger_complete, states = ledger_of(args.ledger, len(symbols))
    finally:
        service.end(signal.SIGTERM)
    missing, repeated, different = audit(args, symbols, dates)
    subprocess.run([args.binaries / "tapeline", "verify", "--brokers", args.brokers, "--registry", args.registry], check=True)
    peer_s, peer_cpu_s = peer(args.brokers, args.schema_id, args.files, symbols)
    feature_s, series, feature_mib = feature_start(args)
    print(f"{bars} bars of {len(symbols)} symbols: {missing} missing, {repeated} repeated, {different} different; ledger: {states}")
    print(f"backfill: {seconds:.1f} s with {args.kills} kills, {bars / service.cpu_s:.0f} bars per CPU second, peak {service.peak_mib:.0f} MiB")
    print(f"script:   {peer_s:.1f} s, {bars / peer_cpu_s:.0f} bars per CPU second; backfill uses {service.cpu_s / peer_cpu_s:.2f} times its CPU")
    print(f"feature:  ready after {feature_s:.1f} s with {series} series, peak {feature_mib:.0f} MiB")
    return 0 if is_ledger_complete and (missing, repeated, different, series) == (0, 0, 0, len(symbols)) else 1


def ledger_of(url, count):
    """Waits until this number of jobs is completed in the ledger, a minute at most. Returns whether they are, and the jobs by state."""
    query = "select state || ' ' || count(*) from jobs group by state"
    command = ["psql", "--no-align", "--tuples-only", "--command", query, url]
    deadline = time.monotonic() + 60
    while True:
        states = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split("\n")[:-1]
        is_complete = states == [f"completed {count}"]
        if is_complete or time.monotonic() > deadline:
            return is_complete, ", ".join(states)
        time.sleep(0.5)


if __name__ == "__main__":
    sys.exit(main())

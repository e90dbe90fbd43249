"""Measures a feature service under ten times the load that it can process: urgent requests, memory, and the outcome of every symbol.

Bars of 600 symbols are in the topic. One symbol of each partition is requested urgently, five times a second; the others by ordinary
requests. First the rate that the service reaches is measured, then the latency of urgent requests alone, then both at ten times that
rate for a minute. At the end every requested symbol must have one vector or one failure.
"""

import argparse
import collections
import datetime
import io
import json
import multiprocessing
import pathlib
import struct
import sys
import threading
import time
import urllib.request
import uuid

import confluent_kafka
import fastavro

from services import free_port, quantiles, start_service

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "tests/integration/clients"))
from event_bytes import PARTITIONS, partition_of  # noqa: E402

SYMBOLS = 600
# Bars are minute bars from here on, as tests/bench/src/bars.rs writes them.
FIRST_MICROS = 1_767_364_200_000_000
SETS = ["market_microstructure", "momentum_features", "price_features", "volume_features"]
ORDINARY, URGENT = "feature.batch.requested.v1", "feature.batch.urgent.v1"
VECTORS, FAILURES = "feature.vector.computed.v1", "feature.request.failed.v1"
URGENT_A_SECOND = 5
IDLE_S, LOADED_S = 20, 60
# Requests that wait longer end in a failure, so that the excess is resolved soon after the minute.
TTL_MS = 20_000
RESOLVED_S_MAX = 180


def symbol_of(number):
    return "".join(chr(ord("A") + number // 26**place % 26) for place in range(4, -1, -1))


def schema(event):
    return fastavro.parse_schema(json.loads((ROOT / "schemas" / event / "v1.avsc").read_text()))


class Requests:
    """Produces requests. Each has an `occurred_at` of its own, so that none is a duplicate; those of two producers are an hour apart."""

    def __init__(self, brokers, registry, bars, hours=0):
        self.producer = confluent_kafka.Producer(
            {"bootstrap.servers": brokers, "linger.ms": 5, "enable.idempotence": True, "queue.buffering.max.messages": 1_000_000}
        )
        self.schemas = {topic: (schema(topic.removesuffix(".v1")), self.id_of(registry, topic)) for topic in (ORDINARY, URGENT)}
        self.next_micros = FIRST_MICROS + (bars // SYMBOLS + 60 * hours) * 60_000_000
        partitions = collections.defaultdict(list)
        for number in range(SYMBOLS):
            symbol = symbol_of(number)
            partitions[partition_of(symbol)].append(symbol)
        self.urgent = {partition: symbols[:1] for partition, symbols in partitions.items()}
        self.ordinary = {partition: symbols[1:] for partition, symbols in partitions.items()}
        # The number of requested symbols, and the times of the urgent requests of each.
        self.symbols, self.sent = 0, collections.defaultdict(list)

    @staticmethod
    def id_of(registry, topic):
        with urllib.request.urlopen(f"{registry}/subjects/{topic}-value/versions/latest") as reply:
            return json.load(reply)["id"]

    def send(self, topic, number):
        urgent = topic == URGENT
        partition = number % PARTITIONS
        symbols = (self.urgent if urgent else self.ordinary)[partition]
        self.next_micros += 1
        self.symbols += len(symbols)
        at = datetime.datetime.fromtimestamp(self.next_micros / 1e6, datetime.UTC)
        request = {
            "event_id": str(uuid.uuid4()),
            "occurred_at": at,
            "source": "bench",
            "correlation_id": None,
            "request_id": str(uuid.uuid4()),
            "symbols": [{"symbol": symbol, "first_seen": at, "occurred_at": at} for symbol in symbols],
            "feature_sets": SETS,
            "timeframe": "1min",
            "priority": 9 if urgent else 5,
            "requester": "bench",
            "source_scanners": [],
            "correlation_ids": [],
            "requested_at": datetime.datetime.now(datetime.UTC),
        }
        parsed, id = self.schemas[topic]
        body = io.BytesIO(struct.pack(">bI", 0, id))
        body.seek(5)
        fastavro.schemaless_writer(body, parsed, request)
        if urgent:
            self.sent[symbols[0]].append(time.time())
        while True:
            try:
                self.producer.produce(topic, body.getvalue(), symbols[0].encode(), partition)
                break
            except BufferError:
                self.producer.poll(0.1)
        self.producer.poll(0)

    def send_at(self, topic, rate, seconds):
        began = time.monotonic()
        for number in range(round(rate * seconds)):
            time.sleep(max(0, began + number / rate - time.monotonic()))
            self.send(topic, number)
        self.producer.flush(60)


def overload(brokers, registry, bars, rate, symbols):
    """Sends ordinary requests of `rate` symbols a second for the loaded minute, and sets `symbols` to their number. It is a process of
    its own, so that it delays no reading of results."""
    requests = Requests(brokers, registry, bars, 1)
    requests.send_at(ORDINARY, rate / (SYMBOLS / PARTITIONS - 1), LOADED_S)
    symbols.value = requests.symbols


class Results(threading.Thread):
    """Counts vectors and failures, and notes when those of urgent symbols arrive."""

    def __init__(self, brokers, urgent):
        super().__init__(daemon=True)
        self.consumer = confluent_kafka.Consumer(
            {"bootstrap.servers": brokers, "group.id": "bench.overload", "enable.auto.commit": False, "auto.offset.reset": "earliest"}
        )
        self.consumer.assign([confluent_kafka.TopicPartition(topic, number, 0) for topic in (VECTORS, FAILURES) for number in range(PARTITIONS)])
        self.urgent, self.arrived = {symbol.encode() for symbol in urgent}, collections.defaultdict(list)
        self.failure = schema(FAILURES.removesuffix(".v1"))
        # Symbols, of which a failure may have several.
        self.counts, self.stop = collections.Counter(), threading.Event()

    def run(self):
        while not self.stop.is_set():
            for record in self.consumer.consume(1_000, 0.05):
                if record.error():
                    continue
                if record.topic() == FAILURES:
                    body = io.BytesIO(record.value())
                    body.seek(5)
                    self.counts[FAILURES] += len(fastavro.schemaless_reader(body, self.failure)["symbols"])
                    continue
                self.counts[VECTORS] += 1
                if record.key() in self.urgent:
                    self.arrived[record.key().decode()].append(time.time())
        self.consumer.close()

    def wait_for(self, count, seconds):
        deadline = time.monotonic() + seconds
        while self.counts.total() < count and time.monotonic() < deadline:
            time.sleep(0.05)
        return self.counts.total()


def resident_mib(pid):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1_024
    raise SystemExit("overload: feature has ended")


def metrics(port, names):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as reply:
        lines = reply.read().decode().splitlines()
    return [line for line in lines if line.startswith(tuple(names))]


def main():
    parser = argparse.ArgumentParser()
    for name in ("brokers", "registry", "feature", "work"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--bars", type=int, required=True)
    args = parser.parse_args()
    requests = Requests(args.brokers, args.registry, args.bars)
    results = Results(args.brokers, [symbol for of in requests.urgent.values() for symbol in of])
    results.start()
    admin = free_port()
    log = pathlib.Path(args.work) / "feature.log"
    feature = start_service(pathlib.Path(args.feature), args.brokers, args.registry, {"REQUESTS__TTL_MS": str(TTL_MS)}, log, admin)
    try:
        return measure(requests, results, feature, admin, (args.brokers, args.registry, args.bars))
    finally:
        results.stop.set()
        feature.terminate()
        feature.wait(60)


def measure(requests, results, feature, admin, load):
    # The first are slower: caches, connections.
    for count in (60, 240):
        before, began = requests.symbols, time.monotonic()
        for number in range(count):
            requests.send(ORDINARY, number)
        results.wait_for(requests.symbols, RESOLVED_S_MAX)
        rate = (requests.symbols - before) / (time.monotonic() - began)
    print(f"capacity {rate:.0f} vectors/s")
    requests.send_at(URGENT, URGENT_A_SECOND, IDLE_S)
    results.wait_for(requests.symbols, RESOLVED_S_MAX)
    idle, before = latencies(requests, results), requests.symbols

    sent = multiprocessing.get_context("spawn").Value("q")
    generator = multiprocessing.get_context("spawn").Process(target=overload, args=(*load, 10 * rate, sent))
    urgent = threading.Thread(target=requests.send_at, args=(URGENT, URGENT_A_SECOND, LOADED_S))
    began = time.monotonic()
    generator.start()
    urgent.start()
    memory, workers = [], []
    while generator.is_alive():
        time.sleep(1)
        memory.append(resident_mib(feature.pid))
        workers.append(max(float(line.rpartition(" ")[2]) for line in metrics(admin, ["chassis_pool_workers{"])))
    urgent.join()
    if generator.exitcode != 0:
        raise SystemExit("overload: the generator failed")
    requested = requests.symbols + sent.value
    resolved = results.wait_for(requested, RESOLVED_S_MAX)
    print(f"resolved in {time.monotonic() - began:.0f} s, {(requested - before) / LOADED_S / rate:.1f} times the capacity for {LOADED_S} s")
    loaded = latencies(requests, results)
    for name, of in (("alone", idle), ("overloaded", loaded)):
        p50, p99 = quantiles(of)
        print(f"urgent request to vector, {name}: {len(of)} requests, p50 {p50:.1f} ms, p99 {p99:.1f} ms")
    third = len(memory) // 3
    print(f"memory: {max(memory[:third]):.0f} MiB in the first third of the minute, {max(memory[-third:]):.0f} in the last")
    print(f"workers: at most {max(workers):.0f} under load")
    print("\n".join(metrics(admin, ["chassis_pool_scale_steps_total{"])))
    print(f"{requested} requested symbols: {results.counts[VECTORS]} vectors, {results.counts[FAILURES]} failed")
    return 0 if resolved == requested else 1


def latencies(requests, results):
    """The latencies of the urgent requests since the last call."""
    pairs = [pair for symbol, sent in requests.sent.items() for pair in zip(sent, results.arrived[symbol])]
    requests.sent.clear()
    results.arrived.clear()
    return [arrived - sent for sent, arrived in pairs]


if __name__ == "__main__":
    sys.exit(main())

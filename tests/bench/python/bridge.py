"""The logic of the bridge in Python, for comparison: consume alerts, decode, dedup, request features, commit.

`old` is written like the system that this project replaces: its dictionary of recent alerts is rebuilt at each check, and each
alert that passes is a separate request, flushed. `good` is optimised Python: expiry from the front of an ordered
dictionary, requests of up to 50 symbols, delivery reports awaited at each commit. Both use event time, like the bridge.
"""

import argparse
import collections
import json
import pathlib
import resource
import struct
import time
import uuid

import confluent_kafka
import fastavro

ROOT = pathlib.Path(__file__).resolve().parents[3]
WINDOW_MICROS = 60_000_000
SETS = ["market_microstructure", "momentum_features", "price_features", "volume_features"]
PARTITIONS = 12
BATCH_SYMBOLS = 50
REQUESTS = "feature.batch.requested.v1"


def schema(event):
    return fastavro.parse_schema(json.loads((ROOT / "schemas" / event / "v1.avsc").read_text()))


ALERT = schema("scanner.alert.raised")
REQUEST = schema("feature.batch.requested")


class Old:
    """A dictionary rebuilt at each check; one publish per alert."""

    def __init__(self, producer):
        self.producer = producer
        self.passed = 0
        self.recent = {}

    def take(self, alert, partition):
        now = micros(alert)
        self.recent = {key: at for key, at in self.recent.items() if now - at <= WINDOW_MICROS}
        key = f"{alert['symbol']}:{alert['alert_type']}"
        if key in self.recent:
            return
        self.passed += 1
        self.recent[key] = now
        publish(self.producer, partition, [alert])
        self.producer.flush()

    def settle(self):
        pass


class Good:
    """Expiry from the front; windows and batches by partition, in which event time advances."""

    def __init__(self, producer):
        self.producer = producer
        self.passed = 0
        self.recent = collections.defaultdict(collections.OrderedDict)
        self.open = collections.defaultdict(list)

    def take(self, alert, partition):
        now, recent = micros(alert), self.recent[partition]
        while recent and now - next(iter(recent.values())) > WINDOW_MICROS:
            recent.popitem(last=False)
        key = (alert["symbol"], alert["alert_type"])
        if key in recent:
            return
        self.passed += 1
        recent[key] = now
        batch = self.open[partition]
        batch.append(alert)
        if len(batch) >= BATCH_SYMBOLS:
            publish(self.producer, partition, self.open.pop(partition))

    def settle(self):
        for partition, batch in self.open.items():
            publish(self.producer, partition, batch)
        self.open.clear()
        self.producer.flush()


def micros(alert):
    return int(alert["occurred_at"].timestamp() * 1e6)


class Bytes:
    """A writer for fastavro, without a file."""

    def __init__(self):
        self.parts = []

    def write(self, part):
        self.parts.append(part)

    def value(self):
        return b"".join(self.parts)


def publish(producer, partition, alerts):
    alerts = sorted(alerts, key=lambda alert: alert["symbol"])
    newest = max(alert["occurred_at"] for alert in alerts)
    request = {
        "event_id": str(uuid.uuid4()),
        "occurred_at": newest,
        "source": "bench",
        "correlation_id": alerts[0]["event_id"],
        "request_id": str(uuid.uuid4()),
        "symbols": [
            {"symbol": alert["symbol"], "first_seen": alert["occurred_at"], "occurred_at": alert["occurred_at"]}
            for alert in alerts
        ],
        "feature_sets": SETS,
        "timeframe": "1day",
        "priority": 6,
        "requester": "bench",
        "source_scanners": sorted({alert["source_scanner"] for alert in alerts}),
        "correlation_ids": [alert["event_id"] for alert in alerts],
        "requested_at": newest,
    }
    body = Bytes()
    fastavro.schemaless_writer(body, REQUEST, request)
    producer.produce(REQUESTS, b"\0" + struct.pack(">I", 1) + body.value(), alerts[0]["symbol"], partition)
    producer.poll(0)


class View:
    """A reader for fastavro, without a copy of the header."""

    def __init__(self, payload):
        self.payload, self.at = payload, 5

    def read(self, count):
        piece = self.payload[self.at : self.at + count]
        self.at += count
        return piece


def commit_all(consumer):
    """Commits, and returns the number of committed records: partitions begin at offset 0 and have no gaps."""
    try:
        consumer.commit(asynchronous=False)
    except confluent_kafka.KafkaException as error:
        # The last commit of the loop may have included every offset.
        if error.args[0].code() != confluent_kafka.KafkaError._NO_OFFSET:
            raise
    return sum(max(partition.offset, 0) for partition in consumer.committed(consumer.assignment(), 10))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--brokers", required=True)
    parser.add_argument("--records", type=int, required=True)
    parser.add_argument("--as", dest="author", choices=["old", "good"], required=True)
    arguments = parser.parse_args()
    began = time.monotonic(), resource.getrusage(resource.RUSAGE_SELF)
    consumer = confluent_kafka.Consumer(
        {
            "bootstrap.servers": arguments.brokers,
            "group.id": f"bench.python-{uuid.uuid4()}",
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
        }
    )
    producer = confluent_kafka.Producer(
        {
            "bootstrap.servers": arguments.brokers,
            "enable.idempotence": True,
            "linger.ms": 5,
            "compression.type": "lz4",
        }
    )
    bridge = {"old": Old, "good": Good}[arguments.author](producer)
    consumer.subscribe(["scanner.alert.raised.v1"])
    taken = 0
    while taken < arguments.records:
        for record in consumer.consume(min(1_000, arguments.records - taken), 0.1):
            if record.error():
                raise confluent_kafka.KafkaException(record.error())
            bridge.take(fastavro.schemaless_reader(View(record.value()), ALERT, None), record.partition())
            taken += 1
        bridge.settle()
        consumer.commit(asynchronous=True)
    committed = commit_all(consumer)
    usage = resource.getrusage(resource.RUSAGE_SELF)
    if committed != arguments.records:
        raise SystemExit(f"failed to commit all of {arguments.records} records: the group has committed {committed}")
    consumer.close()
    cpu = usage.ru_utime + usage.ru_stime - began[1].ru_utime - began[1].ru_stime
    line = {
        "name": f"bridge in Python, {arguments.author}",
        "records": taken,
        "passed": bridge.passed,
        "cpu_us": round(cpu * 1e6),
        "wall_us": round((time.monotonic() - began[0]) * 1e6),
        "peak_kib": usage.ru_maxrss,
    }
    print(json.dumps(line))


main()

"""A scanner of another party: good findings, and next to each of them one kind of bad bytes.

    bad_bytes.py produce --brokers B --registry R --manifest FILE
    bad_bytes.py check   --brokers B --registry R --manifest FILE [--repaired NAME] [--within SECONDS]

`produce` writes the offset and the expected result of each record into the manifest. `check` reads the results: every
good finding must be in one request, every bad record must be one dead letter of its class with its original bytes, key and headers.
It prints one line per difference, and exits with 0 only if there is none.
"""

import argparse
import hashlib
import io
import json
import sys
import time
import uuid

import fastavro
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

import event_bytes

ALERTS, PROPOSALS, GAPS = "scanner.alert.raised.v1", "scanner.symbol.proposed.v1", "market.gap.detected.v1"
# A table: bad records are skipped and counted, and there is no dead letter.
BARS = "market.bar.closed.v1"
REQUESTS = ["feature.batch.requested.v1", "feature.batch.urgent.v1"]
DEAD_LETTERS = {ALERTS: "scanner-bridge.dead-letter", PROPOSALS: "publisher.dead-letter", GAPS: "backfill.dead-letter"}
# The last one must stay empty.
DEAD_LETTER_TOPICS = [*DEAD_LETTERS.values(), "feature.dead-letter"]

# More than a topic of events accepts, for records that are small on the wire.
CLIENT_MAX_BYTES = 100 << 20
# max.message.bytes of a topic of events.
TOPIC_MAX_BYTES = 1 << 20


# === input ===


def bad_alerts(ids):
    """Yields (name, class, payload, headers) of every record that is no valid alert."""
    alert, gap = ids[ALERTS], ids[GAPS]
    frame, fields, text = event_bytes.frame, event_bytes.alert, event_bytes.text
    ten_thousand = [(f"header-{n}", b"x" * 10) for n in range(10_000)]

    def good(**changes):
        return frame(alert, fields(**changes))

    yield "no value", "tombstone", None, []
    yield "empty value", "empty", b"", []
    yield "wrong magic byte", "bad_magic", b"\x01" + good()[1:], []
    yield "json", "bad_magic", json.dumps({"symbol": "AAPL"}).encode(), []
    yield "nothing after the id", "truncated", good()[:5], []
    yield "unknown schema id", "unknown_schema", frame(2_000_000_000, fields()), []
    yield "id of another subject", "wrong_subject", frame(gap, event_bytes.gap()), []
    yield "truncated body", "truncated", good()[:-20], []
    yield "trailing bytes", "trailing_bytes", good() + b"\x00\x00", []
    yield "huge length prefix", "impossible_length", good(message=event_bytes.number(1 << 60)), []
    yield "length prefix of a terabyte", "impossible_length", good(message=event_bytes.number(1 << 40) + b"x"), []
    yield "negative length prefix", "impossible_length", good(message=event_bytes.number(-5) + b"x"), []
    yield "negative block count", "truncated", good(metadata=event_bytes.number(-(1 << 63)) + event_bytes.number(4)), []
    yield "unknown enum index", "malformed", good(alert_type=event_bytes.number(99)), []
    yield "invalid utf-8", "invalid_utf8", good(message=event_bytes.number(2) + b"\xff\xfe"), []
    yield "nan score", "invalid", good(score=event_bytes.double(float("nan"))), []
    yield "score above 1", "invalid", good(score=event_bytes.double(1.5)), []
    yield "symbol with a newline", "invalid", good(symbol=text("AAPL\n")), []
    yield "51 keys of metadata", "invalid", good(metadata=event_bytes.metadata({f"k{n}": "v" for n in range(51)})), []
    yield "a day ahead", "ahead_of_clock", good(occurred_at=event_bytes.number(event_bytes.now_micros() + 86_400_000_000)), []
    yield "10,000 headers", "bad_headers", good(), ten_thousand
    yield "header of 1 MiB", "bad_headers", good(), [("large", b"x" * (1 << 20))]
    yield "50 MiB of zeros", "too_large", good(message=event_bytes.number(50 << 20) + bytes(50 << 20)), []


def bad_bars(ids):
    """Yields (name, payload, headers) of every record that is no valid bar."""
    bar, frame, fields = ids[BARS], event_bytes.frame, event_bytes.bar
    yield "no value", None, []
    yield "wrong magic byte", b"\x01" + frame(bar, fields())[1:], []
    yield "unknown schema id", frame(2_000_000_000, fields()), []
    yield "id of another subject", frame(ids[GAPS], event_bytes.gap()), []
    yield "truncated body", frame(bar, fields())[:-20], []
    yield "trailing bytes", frame(bar, fields()) + b"\x00", []
    yield "huge length prefix", frame(bar, fields(timeframe=event_bytes.number(1 << 60))), []
    yield "invalid utf-8", frame(bar, fields(source=event_bytes.number(2) + b"\xff\xfe")), []
    yield "nan close", frame(bar, fields(close=event_bytes.double(float("nan")))), []
    yield "symbol with a newline", frame(bar, fields(symbol=event_bytes.text("AAPL\n"))), []
    yield "header of 1 MiB", frame(bar, fields()), [("large", b"x" * (1 << 20))]


class Scanner:
    """Produces, waits for each acknowledgement, and stores the offset of the record."""

    def __init__(self, brokers, ids):
        limits = {"bootstrap.servers": brokers, "message.max.bytes": CLIENT_MAX_BYTES, "acks": "all", "linger.ms": 0}
        # For the record of 50 MiB.
        limits |= {"queue.buffering.max.kbytes": 1 << 20}
        self.plain = Producer(limits)
        self.small = Producer(limits | {"compression.type": "lz4"})
        self.ids, self.manifest, self.symbols = ids, [], event_bytes.Symbols()

    def put(self, name, topic, symbol, payload, **how):
        """Writes one record. Returns its entry in the manifest, or None if the broker rejects it."""
        partition = how.get("partition", event_bytes.partition_of(symbol))
        producer, reports = how.get("producer", self.small), []
        producer.produce(
            topic,
            payload,
            symbol.encode(),
            partition=partition,
            headers=how.get("headers") or [("custom", b"\x00\xff"), ("custom", b"again")],
            on_delivery=lambda error, message: reports.append((error, message)),
        )
        producer.flush(60)
        error, message = reports[0]
        if error is not None:
            return None
        entry = {"name": name, "topic": topic, "partition": partition, "offset": message.offset(), "class": None}
        self.manifest.append(entry)
        return entry

    def good(self, partition, **changes):
        """A finding that must result in a request, next to the bad records."""
        symbol, event_id = self.symbols.of(partition), str(uuid.uuid4())
        changes = {"symbol": event_bytes.text(symbol), "event_id": event_bytes.text(event_id)} | changes
        payload = event_bytes.frame(self.ids[ALERTS], event_bytes.alert(**changes))
        self.put("good", ALERTS, symbol, payload)["event_id"] = event_id

    def bad(self, name, error_class, topic, payload, **how):
        """A record that must become a dead letter, and a good finding after it in its partition."""
        entry = self.put(name, topic, how.pop("symbol", event_bytes.BAD), payload, **how)
        if entry is None:
            sys.exit(f"the broker rejects {name!r}")
        entry["class"] = error_class
        self.good(entry["partition"])
        return entry

    def largest(self):
        """Returns the size of the largest payload that the broker accepts in one record, searched from above."""
        symbol = self.symbols.any()
        for size in range(TOPIC_MAX_BYTES, 0, -1):
            payload = event_bytes.frame(self.ids[ALERTS], event_bytes.alert(symbol=event_bytes.text(symbol)))
            payload += b"x" * (size - len(payload))
            entry = self.put("largest payload", ALERTS, symbol, payload, producer=self.plain)
            if entry is not None:
                entry["class"] = "too_large"
                return size

    def repairable(self):
        """Writes a cut record, with the whole of it in the manifest."""
        symbol, event_id = self.symbols.any(), str(uuid.uuid4())
        changes = {"symbol": event_bytes.text(symbol), "event_id": event_bytes.text(event_id)}
        whole = event_bytes.frame(self.ids[ALERTS], event_bytes.alert(**changes))
        entry = self.bad("cut", "truncated", ALERTS, whole[: len(whole) // 2], symbol=symbol)
        entry |= {"event_id": event_id, "whole": whole.hex()}


def produce(arguments):
    ids = {topic: event_bytes.registered(arguments.registry, topic)[0] for topic in [*DEAD_LETTERS, BARS]}
    scanner = Scanner(arguments.brokers, ids)
    for name, error_class, payload, headers in bad_alerts(ids):
        scanner.bad(name, error_class, ALERTS, payload, headers=headers)
    symbol = scanner.symbols.any()
    elsewhere = (event_bytes.partition_of(symbol) + 1) % event_bytes.PARTITIONS
    payload = event_bytes.frame(ids[ALERTS], event_bytes.alert(symbol=event_bytes.text(symbol)))
    scanner.bad("wrong partition", "misplaced", ALERTS, payload, symbol=symbol, partition=elsewhere)
    proposal = event_bytes.proposal(to_layer=event_bytes.number(7))
    scanner.bad("layer 7", "invalid", PROPOSALS, event_bytes.frame(ids[PROPOSALS], proposal))
    backwards = event_bytes.gap(gap_end=event_bytes.number(event_bytes.now_micros() - 86_400_000_000))
    scanner.bad("end before start", "invalid", GAPS, event_bytes.frame(ids[GAPS], backwards))
    for name, payload, headers in bad_bars(ids):
        scanner.put(name, BARS, event_bytes.BAD, payload, headers=headers)
        scanner.put("good", BARS, event_bytes.BAD, event_bytes.frame(ids[BARS], event_bytes.bar()))
    misplaced = (event_bytes.partition_of(event_bytes.BAD) + 1) % event_bytes.PARTITIONS
    scanner.put("wrong partition", BARS, event_bytes.BAD, event_bytes.frame(ids[BARS], event_bytes.bar()), partition=misplaced)
    scanner.repairable()
    size = scanner.largest()
    for partition in range(event_bytes.PARTITIONS):
        scanner.good(partition)
        # A block of one entry may contain its number of bytes, and then its count is negative: that is valid Avro.
        scanner.good(partition, metadata=event_bytes.sized_metadata({"k": "v"}))
    with open(arguments.manifest, "w", encoding="utf-8") as file:
        json.dump(scanner.manifest, file)
    bad = sum(1 for entry in scanner.manifest if entry["class"])
    print(f"{len(scanner.manifest)} records, {bad} of them bad; the largest payload has {size} bytes")


# === results ===


class Read:
    """The committed records of some topics that have been read so far."""

    def __init__(self, brokers, topics):
        self.consumer = Consumer({
            "bootstrap.servers": brokers, "group.id": "bad-bytes", "enable.auto.commit": False,
            "isolation.level": "read_committed", "auto.offset.reset": "earliest",
        })
        self.consumer.assign([TopicPartition(t, p, 0) for t in topics for p in range(event_bytes.PARTITIONS)])
        self.records = {topic: {} for topic in topics}

    def on(self, seconds):
        """Reads until there is no record for this long."""
        while (message := self.consumer.poll(seconds)) is not None:
            if message.error():
                raise KafkaException(message.error())
            self.records[message.topic()][message.partition(), message.offset()] = message


def dead_letters_by_origin(read):
    """Returns the dead letters of each (topic, partition, offset)."""
    found = {}
    for topic in DEAD_LETTER_TOPICS:
        for dead_letter in read.records[topic].values():
            added = {name: value.decode("utf-8", "replace") for name, value in dead_letter.headers() or [] if is_added(name)}
            origin = (added["tapeline.topic"], int(added["tapeline.partition"]), int(added["tapeline.offset"]))
            found.setdefault(origin, []).append((topic, added, dead_letter))
    return found


def is_added(name):
    return name.startswith("tapeline.")


def requests_by_cause(read, schemas):
    """Returns the number of requests with each event id in their correlation ids."""
    counts = {}
    for topic in REQUESTS:
        for request in read.records[topic].values():
            writer = schemas[int.from_bytes(request.value()[1:5], "big")]
            event = fastavro.schemaless_reader(io.BytesIO(request.value()[5:]), writer, None)
            for cause in event["correlation_ids"]:
                counts[cause] = counts.get(cause, 0) + 1
    return counts


def differences_of_dead_letter(entry, original, found):
    """Yields the differences of the dead letters of a record."""
    if len(found) != 1:
        yield f"{len(found)} dead letters instead of one"
        return
    topic, added, dead_letter = found[0]
    if topic != DEAD_LETTERS[entry["topic"]]:
        yield f"its dead letter is in {topic}"
    if added["tapeline.error-class"] != entry["class"]:
        yield f"class {added['tapeline.error-class']}, not {entry['class']}: {added['tapeline.error']}"
    if dead_letter.key() != original.key():
        yield f"key {dead_letter.key()!r}, not {original.key()!r}"
    kept = [(name, value) for name, value in dead_letter.headers() if not is_added(name)]
    if kept != original.headers():
        yield f"{len(kept)} headers of the original instead of {len(original.headers() or [])}"
    payload = original.value()
    left_out = added.get("tapeline.truncated", "")
    if left_out:
        is_named = left_out == "payload" and added["tapeline.payload-bytes"] == str(len(payload))
        if not is_named or added["tapeline.payload-sha256"] != hashlib.sha256(payload).hexdigest():
            yield f"left out {left_out} with {added}"
    elif dead_letter.value() != payload:
        yield f"{str(dead_letter.value())[:40]} instead of {str(payload)[:40]}"


def differences(manifest, read, schemas, repaired):
    """Yields all differences."""
    dead_letters, causes = dead_letters_by_origin(read), requests_by_cause(read, schemas)
    for entry in manifest:
        origin = (entry["topic"], entry["partition"], entry["offset"])
        found = dead_letters.pop(origin, [])
        wrong = []
        if entry["class"]:
            original = read.records[entry["topic"]].get(origin[1:])
            # A record without a value is false in Python.
            wrong += ["not read yet"] if original is None else differences_of_dead_letter(entry, original, found)
        elif found:
            wrong.append(f"{len(found)} dead letters: {found[0][1]['tapeline.error']}")
        expected = 1 if not entry["class"] or entry["name"] == repaired else 0
        if "event_id" in entry and (requests := causes.pop(entry["event_id"], 0)) != expected:
            wrong.append(f"in {requests} requests instead of {expected}")
        yield from (f"{entry['name']} at {origin[0]}[{origin[1]}]@{origin[2]}: {it}" for it in wrong)
    yield from (f"a dead letter of {origin}, which was not written as bad" for origin in dead_letters)
    yield from (f"a request for {cause}, which was not written" for cause in causes)


def check(arguments):
    with open(arguments.manifest, encoding="utf-8") as file:
        manifest = json.load(file)
    schemas = dict(event_bytes.registered(arguments.registry, topic) for topic in REQUESTS)
    read = Read(arguments.brokers, [*DEAD_LETTERS, *DEAD_LETTER_TOPICS, *REQUESTS])
    deadline = time.monotonic() + arguments.within
    while True:
        read.on(2.0)
        wrong = list(differences(manifest, read, schemas, arguments.repaired))
        if not wrong or time.monotonic() > deadline:
            break
    read.consumer.close()
    print("\n".join(wrong) or f"all {len(manifest)} records have the expected result")
    sys.exit(1 if wrong else 0)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["produce", "check"])
    parser.add_argument("--brokers", required=True)
    parser.add_argument("--registry", required=True)
    parser.add_argument("--manifest", required=True)
    parser.add_argument("--repaired", help="the bad record that was repaired and replayed")
    parser.add_argument("--within", type=float, default=0, help="seconds to wait for the results")
    arguments = parser.parse_args()
    (produce if arguments.what == "produce" else check)(arguments)


main()

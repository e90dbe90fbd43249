"""A scanner of another party: good findings, and next to each of them one kind of bad bytes.

    bad_bytes.py produce --brokers B --registry R --manifest FILE
    bad_bytes.py check   --brokers B --registry R --manifest FILE [--mended NAME] [--within SECONDS]

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

import wire

ALERTS, PROPOSALS, GAPS = "scanner.alert.raised.v1", "scanner.symbol.proposed.v1", "market.gap.detected.v1"
# A table: bad records are skipped and counted, and there is no dead letter.
BARS = "market.bar.closed.v1"
REQUESTS = ["feature.batch.requested.v1", "feature.batch.urgent.v1"]
LETTERS = {ALERTS: "scanner-bridge.dead-letter", PROPOSALS: "publisher.dead-letter", GAPS: "backfill.dead-letter"}
# The last one must stay empty.
LETTER_TOPICS = [*LETTERS.values(), "feature.dead-letter"]

# More than a topic of events accepts, for records that are small on the wire.
CLIENT_MAX_BYTES = 100 << 20
# max.message.bytes of a topic of events.
TOPIC_MAX_BYTES = 1 << 20


# === input ===


def bad_alerts(ids):
    """(name, class, payload, headers) of every record that is no alert that may pass."""
    alert, gap = ids[ALERTS], ids[GAPS]
    frame, fields, text = wire.frame, wire.alert, wire.text
    ten_thousand = [(f"header-{n}", b"x" * 10) for n in range(10_000)]

    def good(**changes):
        return frame(alert, fields(**changes))

    yield "no value", "tombstone", None, []
    yield "empty value", "empty", b"", []
    yield "wrong magic byte", "bad_magic", b"\x01" + good()[1:], []
    yield "json", "bad_magic", json.dumps({"symbol": "AAPL"}).encode(), []
    yield "nothing behind the id", "truncated", good()[:5], []
    yield "unknown schema id", "unknown_schema", frame(2_000_000_000, fields()), []
    yield "id of another subject", "wrong_subject", frame(gap, wire.gap()), []
    yield "truncated body", "truncated", good()[:-20], []
    yield "trailing bytes", "trailing_bytes", good() + b"\x00\x00", []
    yield "huge length prefix", "impossible_length", good(message=wire.number(1 << 60)), []
    yield "length prefix of a terabyte", "impossible_length", good(message=wire.number(1 << 40) + b"x"), []
    yield "negative length prefix", "impossible_length", good(message=wire.number(-5) + b"x"), []
    yield "negative block count", "truncated", good(metadata=wire.number(-(1 << 63)) + wire.number(4)), []
    yield "unknown enum index", "malformed", good(alert_type=wire.number(99)), []
    yield "invalid utf-8", "invalid_utf8", good(message=wire.number(2) + b"\xff\xfe"), []
    yield "nan score", "invalid", good(score=wire.double(float("nan"))), []
    yield "score above 1", "invalid", good(score=wire.double(1.5)), []
    yield "symbol with a newline", "invalid", good(symbol=text("AAPL\n")), []
    yield "51 keys of metadata", "invalid", good(metadata=wire.metadata({f"k{n}": "v" for n in range(51)})), []
    yield "a day ahead", "ahead_of_clock", good(occurred_at=wire.number(wire.now_micros() + 86_400_000_000)), []
    yield "10,000 headers", "bad_headers", good(), ten_thousand
    yield "header of 1 MiB", "bad_headers", good(), [("large", b"x" * (1 << 20))]
    yield "50 MiB of zeros", "too_large", good(message=wire.number(50 << 20) + bytes(50 << 20)), []


def bad_bars(ids):
    """(name, payload, headers) of every record that is no bar."""
    bar, frame, fields = ids[BARS], wire.frame, wire.bar
    yield "no value", None, []
    yield "wrong magic byte", b"\x01" + frame(bar, fields())[1:], []
    yield "unknown schema id", frame(2_000_000_000, fields()), []
    yield "id of another subject", frame(ids[GAPS], wire.gap()), []
    yield "truncated body", frame(bar, fields())[:-20], []
    yield "trailing bytes", frame(bar, fields()) + b"\x00", []
    yield "huge length prefix", frame(bar, fields(timeframe=wire.number(1 << 60))), []
    yield "invalid utf-8", frame(bar, fields(source=wire.number(2) + b"\xff\xfe")), []
    yield "nan close", frame(bar, fields(close=wire.double(float("nan")))), []
    yield "symbol with a newline", frame(bar, fields(symbol=wire.text("AAPL\n"))), []
    yield "header of 1 MiB", frame(bar, fields()), [("large", b"x" * (1 << 20))]


class Scanner:
    """Produces, waits for each acknowledgement, and stores the offset of the record."""

    def __init__(self, brokers, ids):
        limits = {"bootstrap.servers": brokers, "message.max.bytes": CLIENT_MAX_BYTES, "acks": "all", "linger.ms": 0}
        # 50 MiB wait for an acknowledgement like any other record.
        limits |= {"queue.buffering.max.kbytes": 1 << 20}
        self.plain = Producer(limits)
        self.small = Producer(limits | {"compression.type": "lz4"})
        self.ids, self.manifest, self.symbols = ids, [], wire.Symbols()

    def put(self, name, topic, symbol, payload, **how):
        """Writes one record; its entry in the manifest, or none if the broker rejects it."""
        partition = how.get("partition", wire.partition_of(symbol))
        producer, told = how.get("producer", self.small), []
        producer.produce(
            topic,
            payload,
            symbol.encode(),
            partition=partition,
            headers=how.get("headers") or [("mine", b"\x00\xff"), ("mine", b"again")],
            on_delivery=lambda error, message: told.append((error, message)),
        )
        producer.flush(60)
        error, message = told[0]
        if error is not None:
            return None
        entry = {"name": name, "topic": topic, "partition": partition, "offset": message.offset(), "class": None}
        self.manifest.append(entry)
        return entry

    def good(self, partition, **changes):
        """A finding that must result in a request, next to the bad records."""
        symbol, event_id = self.symbols.of(partition), str(uuid.uuid4())
        changes = {"symbol": wire.text(symbol), "event_id": wire.text(event_id)} | changes
        payload = wire.frame(self.ids[ALERTS], wire.alert(**changes))
        self.put("good", ALERTS, symbol, payload)["event_id"] = event_id

    def bad(self, name, fault, topic, payload, **how):
        """A record that must become a dead letter, and a good finding after it in its partition."""
        entry = self.put(name, topic, how.pop("symbol", wire.BAD), payload, **how)
        if entry is None:
            sys.exit(f"the broker doesn't take {name!r}")
        entry["class"] = fault
        self.good(entry["partition"])
        return entry

    def largest(self):
        """The largest payload that the broker accepts in one record, found from above."""
        symbol = self.symbols.any()
        for size in range(TOPIC_MAX_BYTES, 0, -1):
            payload = wire.frame(self.ids[ALERTS], wire.alert(symbol=wire.text(symbol)))
            payload += b"x" * (size - len(payload))
            entry = self.put("largest payload", ALERTS, symbol, payload, producer=self.plain)
            if entry is not None:
                entry["class"] = "too_large"
                return size

    def mendable(self):
        """A record that was cut, and in the manifest the whole of it."""
        symbol, event_id = self.symbols.any(), str(uuid.uuid4())
        changes = {"symbol": wire.text(symbol), "event_id": wire.text(event_id)}
        whole = wire.frame(self.ids[ALERTS], wire.alert(**changes))
        entry = self.bad("cut", "truncated", ALERTS, whole[: len(whole) // 2], symbol=symbol)
        entry |= {"event_id": event_id, "whole": whole.hex()}


def produce(arguments):
    ids = {topic: wire.registered(arguments.registry, topic)[0] for topic in [*LETTERS, BARS]}
    scanner = Scanner(arguments.brokers, ids)
    for name, fault, payload, headers in bad_alerts(ids):
        scanner.bad(name, fault, ALERTS, payload, headers=headers)
    symbol = scanner.symbols.any()
    elsewhere = (wire.partition_of(symbol) + 1) % wire.PARTITIONS
    payload = wire.frame(ids[ALERTS], wire.alert(symbol=wire.text(symbol)))
    scanner.bad("wrong partition", "misplaced", ALERTS, payload, symbol=symbol, partition=elsewhere)
    scanner.bad("layer 7", "invalid", PROPOSALS, wire.frame(ids[PROPOSALS], wire.proposal(to_layer=wire.number(7))))
    backwards = wire.gap(gap_end=wire.number(wire.now_micros() - 86_400_000_000))
    scanner.bad("end before start", "invalid", GAPS, wire.frame(ids[GAPS], backwards))
    for name, payload, headers in bad_bars(ids):
        scanner.put(name, BARS, wire.BAD, payload, headers=headers)
        scanner.put("good", BARS, wire.BAD, wire.frame(ids[BARS], wire.bar()))
    misplaced = (wire.partition_of(wire.BAD) + 1) % wire.PARTITIONS
    scanner.put("wrong partition", BARS, wire.BAD, wire.frame(ids[BARS], wire.bar()), partition=misplaced)
    scanner.mendable()
    size = scanner.largest()
    for partition in range(wire.PARTITIONS):
        scanner.good(partition)
        # A block of one entry may contain its number of bytes, and then its count is negative: that is valid Avro.
        scanner.good(partition, metadata=wire.sized_metadata({"k": "v"}))
    with open(arguments.manifest, "w", encoding="utf-8") as file:
        json.dump(scanner.manifest, file)
    bad = sum(1 for entry in scanner.manifest if entry["class"])
    print(f"{len(scanner.manifest)} records, {bad} of them bad; the largest payload has {size} bytes")


# === results ===


class Read:
    """Everything committed of some topics, as far as it was read."""

    def __init__(self, brokers, topics):
        self.consumer = Consumer({
            "bootstrap.servers": brokers, "group.id": "bad-bytes", "enable.auto.commit": False,
            "isolation.level": "read_committed", "auto.offset.reset": "earliest",
        })
        self.consumer.assign([TopicPartition(t, p, 0) for t in topics for p in range(wire.PARTITIONS)])
        self.records = {topic: {} for topic in topics}

    def on(self, seconds):
        """Reads until nothing comes for so long."""
        while (message := self.consumer.poll(seconds)) is not None:
            if message.error():
                raise KafkaException(message.error())
            self.records[message.topic()][message.partition(), message.offset()] = message


def letters_by_origin(read):
    """The dead letters of each (topic, partition, offset)."""
    found = {}
    for topic in LETTER_TOPICS:
        for letter in read.records[topic].values():
            ours = {name: value.decode("utf-8", "replace") for name, value in letter.headers() or [] if is_ours(name)}
            origin = (ours["tapeline.topic"], int(ours["tapeline.partition"]), int(ours["tapeline.offset"]))
            found.setdefault(origin, []).append((topic, ours, letter))
    return found


def is_ours(name):
    return name.startswith("tapeline.")


def requests_by_cause(read, schemas):
    """How often each event id is among the correlation ids of the requests."""
    counts = {}
    for topic in REQUESTS:
        for request in read.records[topic].values():
            writer = schemas[int.from_bytes(request.value()[1:5], "big")]
            event = fastavro.schemaless_reader(io.BytesIO(request.value()[5:]), writer, None)
            for cause in event["correlation_ids"]:
                counts[cause] = counts.get(cause, 0) + 1
    return counts


def faults_of_letter(entry, original, found):
    """The differences of the dead letters of a record."""
    if len(found) != 1:
        yield f"{len(found)} letters instead of one"
        return
    topic, ours, letter = found[0]
    if topic != LETTERS[entry["topic"]]:
        yield f"its letter lies in {topic}"
    if ours["tapeline.error-class"] != entry["class"]:
        yield f"class {ours['tapeline.error-class']}, not {entry['class']}: {ours['tapeline.error']}"
    if letter.key() != original.key():
        yield f"key {letter.key()!r}, not {original.key()!r}"
    theirs = [(name, value) for name, value in letter.headers() if not is_ours(name)]
    if theirs != original.headers():
        yield f"{len(theirs)} headers of its own, not the {len(original.headers() or [])} that it had"
    payload = original.value()
    left_out = ours.get("tapeline.truncated", "")
    if left_out:
        is_named = left_out == "payload" and ours["tapeline.payload-bytes"] == str(len(payload))
        if not is_named or ours["tapeline.payload-sha256"] != hashlib.sha256(payload).hexdigest():
            yield f"left out {left_out} with {ours}"
    elif letter.value() != payload:
        yield f"{str(letter.value())[:40]} instead of {str(payload)[:40]}"


def faults(manifest, read, schemas, mended):
    """All differences."""
    letters, causes = letters_by_origin(read), requests_by_cause(read, schemas)
    for entry in manifest:
        origin = (entry["topic"], entry["partition"], entry["offset"])
        found = letters.pop(origin, [])
        wrong = []
        if entry["class"]:
            original = read.records[entry["topic"]].get(origin[1:])
            # A record without a value is false in Python.
            wrong += ["not read yet"] if original is None else faults_of_letter(entry, original, found)
        elif found:
            wrong.append(f"{len(found)} letters: {found[0][1]['tapeline.error']}")
        expected = 1 if not entry["class"] or entry["name"] == mended else 0
        if "event_id" in entry and (requests := causes.pop(entry["event_id"], 0)) != expected:
            wrong.append(f"in {requests} requests instead of {expected}")
        yield from (f"{entry['name']} at {origin[0]}[{origin[1]}]@{origin[2]}: {it}" for it in wrong)
    yield from (f"a letter of {origin}, which was not written as bad" for origin in letters)
    yield from (f"a request for {cause}, which was not written" for cause in causes)


def check(arguments):
    with open(arguments.manifest, encoding="utf-8") as file:
        manifest = json.load(file)
    schemas = dict(wire.registered(arguments.registry, topic) for topic in REQUESTS)
    read = Read(arguments.brokers, [*LETTERS, *LETTER_TOPICS, *REQUESTS])
    deadline = time.monotonic() + arguments.within
    while True:
        read.on(2.0)
        wrong = list(faults(manifest, read, schemas, arguments.mended))
        if not wrong or time.monotonic() > deadline:
            break
    read.consumer.close()
    print("\n".join(wrong) or f"all {len(manifest)} records became what they must")
    sys.exit(1 if wrong else 0)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["produce", "check"])
    parser.add_argument("--brokers", required=True)
    parser.add_argument("--registry", required=True)
    parser.add_argument("--manifest", required=True)
    parser.add_argument("--mended", help="the bad record that was mended and sent back")
    parser.add_argument("--within", type=float, default=0, help="seconds to wait for what must become of the records")
    arguments = parser.parse_args()
    (produce if arguments.what == "produce" else check)(arguments)


main()

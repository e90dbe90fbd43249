"""Events encoded by hand, so that each part can be bad; schemas of the registry; and the partition of a symbol."""

import itertools
import json
import string
import struct
import time
import urllib.request
import uuid

PARTITIONS = 12
ALERT_MOMENTUM, DATA_MARKET = 11, 2
# The symbol of records that are bad in another way.
BAD = "AAPL"


# === Avro, https://avro.apache.org/docs/1.12.0/specification/#binary-encoding ===


def number(value):
    """An int or long: zigzag, then seven bits a byte. Any value of 64 bits."""
    zigzag = ((value << 1) ^ (value >> 63)) & ((1 << 64) - 1)
    out = bytearray()
    while zigzag > 0x7F:
        out.append(zigzag & 0x7F | 0x80)
        zigzag >>= 7
    out.append(zigzag)
    return bytes(out)


def text(value):
    data = value.encode()
    return number(len(data)) + data


def double(value):
    return struct.pack("<d", value)


def entries(values):
    return b"".join(text(key) + text(value) for key, value in values.items())


def metadata(values):
    """A map in one block, or in none."""
    return (number(len(values)) + entries(values) if values else b"") + number(0)


def sized_metadata(values):
    """A map in one block with its size in bytes."""
    data = entries(values)
    return number(-len(values)) + number(len(data)) + data + number(0)


def now_micros():
    return time.time_ns() // 1_000


def envelope():
    return {
        "event_id": text(str(uuid.uuid4())),
        "occurred_at": number(now_micros()),
        "source": text("a scanner in python"),
        "correlation_id": number(0),
    }


def alert(**changes):
    """The fields in order; a change replaces the bytes of a field."""
    fields = envelope() | {
        "symbol": text(BAD),
        "alert_type": number(ALERT_MOMENTUM),
        "score": double(0.5),
        "message": text("price moves"),
        "source_scanner": text("python"),
        "metadata": metadata({}),
    }
    return b"".join((fields | changes).values())


def proposal(**changes):
    fields = envelope() | {
        "symbol": text(BAD),
        "from_layer": number(0),
        "to_layer": number(2),
        "reason": text("price moves"),
        "metrics": number(0),
    }
    return b"".join((fields | changes).values())


def gap(**changes):
    fields = envelope() | {
        "symbol": text(BAD),
        "data_type": number(DATA_MARKET),
        "gap_start": number(now_micros() - 3_600_000_000),
        "gap_end": number(now_micros() - 1_800_000_000),
        "priority": number(5),
    }
    return b"".join((fields | changes).values())


def bar(**changes):
    """A day bar of the evening of 2026-11-20 in New York."""
    fields = envelope() | {
        "symbol": text(BAD),
        "timeframe": text("1day"),
        "open_time": number(1_795_237_200_000_000),
        "open": double(10.0),
        "high": double(12.0),
        "low": double(9.0),
        "close": double(11.0),
        "volume": double(1_000.0),
        "vwap": number(0),
        "trades": number(0),
        "backfilled": b"\x00",
    }
    return b"".join((fields | changes).values())


def frame(schema_id, body):
    """Confluent's wire format."""
    return b"\x00" + schema_id.to_bytes(4, "big") + body


# === the registry ===


def registered(registry, topic):
    """Returns id and parsed schema of a topic's newest version."""
    with urllib.request.urlopen(f"{registry}/subjects/{topic}-value/versions/latest", timeout=30) as reply:
        found = json.load(reply)
    return found["id"], json.loads(found["schema"])


# === the partition of a symbol ===


def murmur2(data):
    """Kafka's hash: MurmurHash2 of 32 bits with the seed of the Java client."""
    mask, multiplier = 0xFFFFFFFF, 0x5BD1E995
    value = (0x9747B28C ^ len(data)) & mask
    whole = len(data) // 4 * 4
    for (part,) in struct.iter_unpack("<I", data[:whole]):
        part = part * multiplier & mask
        part = (part ^ part >> 24) * multiplier & mask
        value = value * multiplier & mask ^ part
    if rest := data[whole:]:
        value = (value ^ int.from_bytes(rest, "little")) * multiplier & mask
    value = (value ^ value >> 13) * multiplier & mask
    return value ^ value >> 15


def partition_of(symbol):
    return (murmur2(symbol.encode()) & 0x7FFFFFFF) % PARTITIONS


class Symbols:
    """Each one once: no finding is inside the window of another."""

    def __init__(self):
        self.unused = ["".join(characters) for characters in itertools.product(string.ascii_uppercase, repeat=3)]

    def any(self):
        return self.unused.pop(0)

    def of(self, partition):
        found = next(symbol for symbol in self.unused if partition_of(symbol) == partition)
        self.unused.remove(found)
        return found

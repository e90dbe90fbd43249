"""Reads every topic of a cluster from its start to its end as another application would: with Confluent's client, registry client and
Avro deserialiser, read_committed. Prints a count for each topic; exit code 1 if a record cannot be decoded, with its offset and the cause.

    read_all.py --brokers HOST:PORT --registry URL [--topic NAME]... [--expect TOPIC=COUNT]...

A record without a payload is a deletion. A dead letter contains the bytes of its original. If these are an event that was rejected for its
values, its partition or its headers, it is decoded as an event of the original topic; otherwise it is only counted.
"""

import argparse
import sys

from confluent_kafka import Consumer, KafkaError, TopicPartition
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext

TIMEOUT_S = 30
# Number of undecodable records per topic that are printed.
PRINTED_MAX = 5
# The classes of dead letters whose originals are events.
REJECTED_EVENTS = {b"invalid", b"ahead_of_clock", b"misplaced", b"bad_headers"}


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--brokers", required=True)
    parser.add_argument("--registry", required=True)
    parser.add_argument("--topic", action="append", default=[])
    parser.add_argument("--expect", action="append", default=[], metavar="TOPIC=COUNT")
    return parser.parse_args()


def topics_of(consumer, wanted):
    known = consumer.list_topics(timeout=TIMEOUT_S).topics
    missing = [name for name in wanted if name not in known]
    if missing:
        sys.exit(f"no such topic: {', '.join(missing)}")
    names = wanted or [name for name in known if not name.startswith("_")]
    return {name: sorted(known[name].partitions) for name in sorted(names)}


def records(consumer, topic, partitions):
    """Yields every committed record up to each partition's end, which follows markers and aborted records too."""
    consumer.assign([TopicPartition(topic, number, 0) for number in partitions])
    open_partitions = set(partitions)
    while open_partitions:
        record = consumer.poll(TIMEOUT_S)
        if record is None:
            sys.exit(f"{topic}: end of partitions {sorted(open_partitions)} not reached within {TIMEOUT_S} s")
        error = record.error()
        if error is None:
            yield record
        elif error.code() == KafkaError._PARTITION_EOF:
            open_partitions.discard(record.partition())
        else:
            sys.exit(f"{topic}: {error}")
    consumer.unassign()


def context_of(topic, record):
    """Returns the context of the topic whose event the payload is; None if the payload is only counted."""
    if not topic.endswith(".dead-letter"):
        return SerializationContext(topic, MessageField.VALUE)
    headers = dict(record.headers())
    is_event = headers["tapeline.error-class"] in REJECTED_EVENTS and "tapeline.payload-sha256" not in headers
    return SerializationContext(headers["tapeline.topic"].decode(), MessageField.VALUE) if is_event else None


def read(consumer, deserialiser, topic, partitions):
    """Returns the counts of records, of dead letters among them that are only counted, of deletions and of undecodable records."""
    good, kept, deletions, bad = 0, 0, 0, 0
    for record in records(consumer, topic, partitions):
        try:
            context = context_of(topic, record)
            if context is None:
                kept += 1
            elif record.value() is None:
                deletions += 1
                continue
            elif not isinstance(event := deserialiser(record.value(), context), dict):
                raise ValueError(f"a {type(event).__name__}, not a record")
            good += 1
        except Exception as error:  # of any type: they are the library's
            bad += 1
            if bad <= PRINTED_MAX:
                print(f"{topic}[{record.partition()}]@{record.offset()}: {type(error).__name__}: {error}")
    return good, kept, deletions, bad


def main():
    args = arguments()
    deserialiser = AvroDeserializer(SchemaRegistryClient({"url": args.registry}))
    consumer = Consumer({
        "bootstrap.servers": args.brokers,
        "group.id": "read-all",
        "enable.auto.commit": False,
        "enable.partition.eof": True,
        "isolation.level": "read_committed",
        "auto.offset.reset": "earliest",
    })
    counts, all_bad = {}, 0
    for topic, partitions in topics_of(consumer, args.topic).items():
        good, kept, deletions, bad = read(consumer, deserialiser, topic, partitions)
        counts[topic], all_bad = good, all_bad + bad
        print(f"{topic} {good} read ({kept} dead letters without event), {deletions} deletions, {bad} undecodable")
    consumer.close()
    wrong = []
    for expected in args.expect:
        topic, _, count = expected.rpartition("=")
        if counts.get(topic) != int(count):
            wrong.append(f"{topic}: {counts.get(topic)} read, {count} expected")
    print(*wrong, sep="\n", end="\n" if wrong else "")
    sys.exit(1 if all_bad or wrong else 0)


if __name__ == "__main__":
    main()

"""Reads every topic of a cluster from its start to its end as somebody else would: with Confluent's own client, registry client and
Avro deserialiser, read_committed. Prints a count for each topic; exit code 1 when a record can't be decoded, with its place and why.

    read_all.py --brokers HOST:PORT --registry URL [--topic NAME]... [--expect TOPIC=COUNT]...

Dead-letter topics hold bytes as they came and are only counted; a record without a payload is a deletion.
"""

import argparse
import sys

from confluent_kafka import Consumer, KafkaError, TopicPartition
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext

TIMEOUT_S = 30
# How many undecodable records of a topic are told.
TOLD = 5


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
    """Every committed record, until each partition's end: markers and aborted records lie before it too."""
    consumer.assign([TopicPartition(topic, number, 0) for number in partitions])
    open_partitions = set(partitions)
    while open_partitions:
        record = consumer.poll(TIMEOUT_S)
        if record is None:
            sys.exit(f"{topic}: the end of partitions {sorted(open_partitions)} is not reached within {TIMEOUT_S} s")
        error = record.error()
        if error is None:
            yield record
        elif error.code() == KafkaError._PARTITION_EOF:
            open_partitions.discard(record.partition())
        else:
            sys.exit(f"{topic}: {error}")
    consumer.unassign()


def read(consumer, deserialiser, topic, partitions):
    """How many records were decoded, were deletions, and could not be decoded."""
    decoded, deletions, bad = 0, 0, 0
    context = SerializationContext(topic, MessageField.VALUE)
    for record in records(consumer, topic, partitions):
        if record.value() is None:
            deletions += 1
        elif topic.endswith(".dead-letter"):
            decoded += 1
        else:
            try:
                event = deserialiser(record.value(), context)
                if not isinstance(event, dict):
                    raise ValueError(f"a {type(event).__name__}, not a record")
                decoded += 1
            except Exception as fault:  # whatever the library says
                bad += 1
                if bad <= TOLD:
                    print(f"{topic}[{record.partition()}]@{record.offset()}: {type(fault).__name__}: {fault}")
    return decoded, deletions, bad


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
        decoded, deletions, bad = read(consumer, deserialiser, topic, partitions)
        counts[topic], all_bad = decoded, all_bad + bad
        print(f"{topic} {decoded} read, {deletions} deletions, {bad} undecodable")
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

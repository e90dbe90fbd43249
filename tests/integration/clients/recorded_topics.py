"""Copies topics with their schemas and committed offsets between a cluster and a file, byte by byte, for tests on the topics of a release.

    recorded_topics.py record FILE --brokers HOST:PORT --registry URL --facts FACTS
    recorded_topics.py restore FILE --brokers HOST:PORT --registry URL

The file is compressed NDJSON. `record` takes names and settings of the topics from FACTS, the `facts.json` of that release's chart, and
expects that each partition starts at offset 0 and has no transactions. `restore` expects a cluster without these topics.
"""

import argparse
import gzip
import json
import sys
import time

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient

TIMEOUT_S = 60
PARTITIONS = 12
GROUPS = [
    "tapeline.publisher.announcer",
    "tapeline.scanner-bridge",
    "tapeline.feature",
    "tapeline.backfill.planner",
    "tapeline.backfill.executor",
]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=["record", "restore"])
    parser.add_argument("file")
    parser.add_argument("--brokers", required=True)
    parser.add_argument("--registry", required=True)
    parser.add_argument("--facts")
    return parser.parse_args()


def text(value):
    return None if value is None else value.decode("latin-1")


def raw(value):
    return None if value is None else value.encode("latin-1")


def records(consumer, topic):
    consumer.assign([TopicPartition(topic, number, 0) for number in range(PARTITIONS)])
    left = set(range(PARTITIONS))
    while left:
        record = consumer.poll(TIMEOUT_S)
        if record is None:
            sys.exit(f"{topic}: end of partitions {sorted(left)} not reached within {TIMEOUT_S} s")
        error = record.error()
        if error is None:
            yield record
        elif error.code() == KafkaError._PARTITION_EOF:
            left.discard(record.partition())
        else:
            sys.exit(f"{topic}: {error}")


def record(args):
    facts = json.load(open(args.facts))
    consumer = Consumer({
        "bootstrap.servers": args.brokers, "group.id": "recorder", "enable.auto.commit": False, "enable.partition.eof": True,
    })
    registry = SchemaRegistryClient({"url": args.registry})
    with gzip.open(args.file, "wt") as out:
        def write(line):
            out.write(json.dumps(line, separators=(",", ":")) + "\n")

        schemas = set()
        for topic in facts["topics"]:
            name = topic["name"]
            write({"topic": name, "partitions": PARTITIONS, "config": topic["config"]})
            for found in records(consumer, name):
                value = found.value()
                id = int.from_bytes(value[1:5], "big") if value and value[0] == 0 and not name.endswith("dead-letter") else None
                if id is not None and id not in schemas:
                    schemas.add(id)
                    write({"schema": id, "subject": f"{name}-value", "text": registry.get_schema(id).schema_str})
                write({
                    "to": name, "partition": found.partition(), "offset": found.offset(), "key": text(found.key()), "value": text(value),
                    "headers": [[key, text(content)] for key, content in found.headers() or []], "schema_of_value": id,
                })
        for group in GROUPS:
            member = Consumer({"bootstrap.servers": args.brokers, "group.id": group})
            every = [TopicPartition(topic["name"], number) for topic in facts["topics"] for number in range(PARTITIONS)]
            for at in member.committed(every, timeout=TIMEOUT_S):
                if at.offset >= 0:
                    write({
                        "group": group, "topic": at.topic, "partition": at.partition, "offset": at.offset, "metadata": at.metadata,
                    })
            member.close()


def commit(brokers, group, at):
    """Commits the offsets of a group. On a new cluster its coordinator may still load."""
    member = Consumer({"bootstrap.servers": brokers, "group.id": group})
    deadline = time.monotonic() + TIMEOUT_S
    while True:
        try:
            member.commit(offsets=at, asynchronous=False)
            break
        except KafkaException as error:
            if time.monotonic() > deadline:
                sys.exit(f"{group}: {error}")
            member.poll(0.5)  # waits without records: nothing is subscribed
    member.close()


def restore(args):
    lines = [json.loads(line) for line in gzip.open(args.file, "rt")]
    admin = AdminClient({"bootstrap.servers": args.brokers})
    topics = [
        NewTopic(line["topic"], line["partitions"], 1, config={**line["config"], "min.insync.replicas": "1"})
        for line in lines if "topic" in line and "config" in line
    ]
    for created in admin.create_topics(topics).values():
        created.result(TIMEOUT_S)
    registry = SchemaRegistryClient({"url": args.registry})
    ids = {
        line["schema"]: registry.register_schema(line["subject"], Schema(line["text"], "AVRO")) for line in lines if "text" in line
    }
    producer = Producer({"bootstrap.servers": args.brokers, "enable.idempotence": True, "queue.buffering.max.messages": 1_000_000})
    failures = []
    for line in lines:
        if "to" in line:
            value = raw(line["value"])
            if line["schema_of_value"] is not None:
                value = b"\0" + ids[line["schema_of_value"]].to_bytes(4, "big") + value[5:]
            producer.produce(
                line["to"], value, raw(line["key"]), line["partition"],
                headers=[(key, raw(content)) for key, content in line["headers"]],
                on_delivery=lambda error, _: failures.append(error) if error else None,
            )
            producer.poll(0)
    if producer.flush(TIMEOUT_S) or failures:
        sys.exit(f"records not written: {failures[:5]}")
    for group in sorted({line["group"] for line in lines if "group" in line}):
        at = [
            TopicPartition(line["topic"], line["partition"], line["offset"], line["metadata"] or "")
            for line in lines if line.get("group") == group
        ]
        commit(args.brokers, group, at)
    counts = {}
    for line in lines:
        if "to" in line:
            counts[line["to"]] = counts.get(line["to"], 0) + 1
    print(json.dumps(counts))


def main():
    args = arguments()
    record(args) if args.action == "record" else restore(args)


if __name__ == "__main__":
    main()

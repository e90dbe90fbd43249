"""Measures the edge of a publisher during an outage of its only broker, which is killed and started again.

Eight callers post findings without a pause, and after each one a request to a path that does not exist, for comparison. At the end the
topic is read: it must contain every accepted finding, and nothing but accepted findings and those with an unknown outcome.
"""

import argparse
import collections
import datetime
import http.client
import itertools
import json
import os
import pathlib
import signal
import subprocess
import sys
import threading
import time
import uuid

import confluent_kafka

from services import edge_settings, free_port, quantiles, start_service

TOPIC = "scanner.alert.raised.v1"
CALLERS = 8
# Time under load before the outage and after the first accepted finding.
LOADED_S = 5
RECOVERY_S_MAX = 60


class Caller(threading.Thread):
    """Posts findings one by one, and collects positions of accepted ones and the time of each response."""

    def __init__(self, port, number, stop):
        super().__init__()
        self.port, self.number, self.stop = port, number, stop
        self.accepted, self.unknown, self.latency = [], 0, collections.defaultdict(list)
        self.without_retry_after, self.error = 0, None

    def run(self):
        try:
            self.post_findings()
        except Exception as error:  # reported by the main thread
            self.error = error

    def post_findings(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        for number in itertools.count():
            if self.stop.is_set():
                return
            finding = {
                "event": "scanner.alert.raised",
                "event_id": str(uuid.uuid4()),
                "symbol": "".join(chr(ord("A") + number // 26**place % 26) for place in range(4)),
                "alert_type": "volume_spike",
                "score": 0.62,
                "message": "volume 3 times its mean",
                "source_scanner": f"bench-{self.number}",
            }
            body = json.dumps(finding)
            self.post_one(connection, body)
            self.call(connection, "GET", "/v1/none", None)

    def post_one(self, connection, body):
        status, headers, response = self.call(connection, "POST", "/v1/findings", body)
        self.without_retry_after += status == 503 and headers.get("Retry-After") is None
        for result in response.get("results", []):
            if result["outcome"] == "accepted":
                self.accepted.append((time.time(), result["partition"], result["offset"]))
            self.unknown += result["outcome"] == "unknown"

    def call(self, connection, method, path, body):
        began = time.monotonic()
        connection.request(method, path, body, {"Content-Type": "application/json"} if body else {})
        reply = connection.getresponse()
        text = reply.read()
        self.latency[reply.status].append((time.time(), time.monotonic() - began))
        return reply.status, reply.headers, json.loads(text)


def transitions(log):
    """Yields (seconds since 1970, state) of the breaker from the log of the publisher."""
    for text in log.read_text(errors="replace").splitlines():
        if "circuit breaker" not in text or not text.startswith("{"):
            continue
        line = json.loads(text)
        for state in ("half-open", "open", "closed"):
            if f"circuit breaker {state}" in text:
                at = datetime.datetime.fromisoformat(line["timestamp"].replace("Z", "+00:00"))
                yield at.timestamp(), state
                break


def written(brokers):
    """The (partition, offset) of all records of the topic."""
    consumer = confluent_kafka.Consumer({"bootstrap.servers": brokers, "group.id": "bench.outage", "enable.auto.commit": False})
    partitions = consumer.list_topics(TOPIC, 10).topics[TOPIC].partitions
    ends = {number: consumer.get_watermark_offsets(confluent_kafka.TopicPartition(TOPIC, number), 10)[1] for number in partitions}
    consumer.assign([confluent_kafka.TopicPartition(TOPIC, number, 0) for number in partitions])
    found, wanted = set(), sum(ends.values())
    while len(found) < wanted:
        for record in consumer.consume(1_000, 1.0):
            if record.error():
                raise confluent_kafka.KafkaException(record.error())
            found.add((record.partition(), record.offset()))
    consumer.close()
    return found


def main():
    parser = argparse.ArgumentParser()
    for name in ("brokers", "registry", "publisher", "work"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--seconds", type=int, required=True)
    parser.add_argument("start_broker", nargs="+", help="command that starts the broker again and returns when it is up")
    args = parser.parse_args()
    work, edge = pathlib.Path(args.work), free_port()
    log = work / "publisher.log"
    publisher = start_service(pathlib.Path(args.publisher), args.brokers, args.registry, edge_settings(edge), log)
    stop = threading.Event()
    callers = [Caller(edge, number, stop) for number in range(CALLERS)]
    try:
        for caller in callers:
            caller.start()
        time.sleep(LOADED_S)
        killed = time.time()
        os.kill(int((work / "kafka" / "kafka.pid").read_text()), signal.SIGKILL)
        time.sleep(args.seconds)
        restarted = time.time()
        subprocess.run(args.start_broker, check=True, stdout=sys.stderr)
        up = time.time()
        while not any(caller.accepted and caller.accepted[-1][0] > restarted for caller in callers):
            if time.time() > up + RECOVERY_S_MAX:
                break
            time.sleep(0.1)
        time.sleep(LOADED_S)
    finally:
        stop.set()
        for caller in callers:
            caller.join(60)
        publisher.terminate()
        publisher.wait(60)
    return report(callers, killed, restarted, up, list(transitions(log)), written(args.brokers))


def report(callers, killed, restarted, up, states, topic):
    failures = [f"caller {caller.number} failed: {caller.error}" for caller in callers if caller.error]
    accepted = [entry for caller in callers for entry in caller.accepted]
    positions = {(partition, offset) for _, partition, offset in accepted}
    unknown = sum(caller.unknown for caller in callers)
    surplus = len(topic) - len(positions)
    print(f"accepted {len(accepted)}, in the topic {len(topic)}, with an unknown outcome {unknown}")
    if len(positions) != len(accepted) or not positions <= topic:
        failures.append("accepted findings are missing in the topic")
    if not 0 <= surplus <= unknown:
        failures.append(f"the topic has {surplus} findings that were neither accepted nor unknown")
    opened = next((at for at, state in states if state == "open" and at > killed), None)
    responded = next((at for at, state in states if state == "half-open" and at > restarted), None)
    again = min((at for at, _, _ in accepted if at > restarted), default=None)
    if None in (opened, responded, again):
        failures.append(f"the breaker did not open, or nothing was accepted after the outage: {states}")
    else:
        print(f"the breaker opened {opened - killed:.1f} s after the broker was killed")
        since = f"{again - responded:.2f} s after the first response to a metadata request, {again - up:.1f} s after the broker was up"
        print(f"first finding accepted {since}")
        for status in (503, 404):
            times = [s for caller in callers for at, s in caller.latency[status] if opened < at < restarted]
            p50, p99 = quantiles(times)
            print(f"{status} while the breaker was open: {len(times)} responses, p50 {p50:.2f} ms, p99 {p99:.2f} ms")
    if missing := sum(caller.without_retry_after for caller in callers):
        failures.append(f"{missing} responses with 503 lack Retry-After")
    for failure in failures:
        print(f"outage: {failure}", file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())

"""Measures rows of docs/REVIEW.md on running services and one broker: CPU when idle, and what publishing many findings costs.

Connections and requests are counted at the broker (JMX).
"""

import argparse
import http.client
import json
import os
import pathlib
import subprocess
import sys
import threading
import time

from services import edge_settings, free_port, start_service

SERVICES = ["publisher", "scanner-bridge", "feature", "backfill"]
CALLERS = 8
FINDINGS_A_REQUEST = 1_000
PARTS = 4
IDLE_S = 30
TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
CONNECTIONS = "kafka.server:type=socket-server-metrics,listener=PLAINTEXT,networkProcessor=*", "connection-creation-total"
REQUESTS = "kafka.network:type=RequestMetrics,name=RequestsPerSec,request=Produce,version=*", "Count"


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_A_SECOND


def resident_kib(pid):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    raise SystemExit(f"review: process {pid} has ended")


class Broker:
    """Counts of the broker, read through JMX."""

    def __init__(self, tool, port):
        url = f"service:jmx:rmi:///jndi/rmi://127.0.0.1:{port}/jmxrmi"
        self.command = [*tool, "org.apache.kafka.tools.JmxTool", "--jmx-url", url, "--one-time", "--report-format", "properties"]

    def sum(self, name, attribute):
        done = subprocess.run([*self.command, "--object-name", name, "--attributes", attribute], capture_output=True, text=True)
        values = [float(line.rpartition("=")[2]) for line in done.stdout.splitlines() if line.startswith("kafka.")]
        if not values and "No matched attributes" not in done.stdout + done.stderr:
            raise SystemExit(f"review: the broker reports no {attribute}: {done.stderr[-1000:]}")
        return sum(values)

    def counts(self):
        return self.sum(*CONNECTIONS), self.sum(*REQUESTS)


def post(port, requests, errors):
    finding = {
        "event": "scanner.alert.raised",
        "symbol": "AAPL",
        "alert_type": "volume_spike",
        "score": 0.62,
        "message": "volume 3 times its mean",
        "source_scanner": "bench",
    }
    body = json.dumps([finding] * FINDINGS_A_REQUEST)
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        for _ in range(requests):
            while True:
                connection.request("POST", "/v1/findings", body, {"Content-Type": "application/json"})
                reply = connection.getresponse()
                text = reply.read()
                if reply.status != 503:
                    break
                time.sleep(0.05)
            if reply.status != 200:
                raise RuntimeError(f"status {reply.status}: {text[:300]}")
    except Exception as error:  # reported by the main thread
        errors.append(error)


def idle(services, broker):
    """The part of a core that each service uses without any input, and the connections that all of them open."""
    connections, _ = broker.counts()
    before = {name: cpu_seconds(process.pid) for name, process in services.items()}
    time.sleep(IDLE_S)
    percent = {name: round(100 * (cpu_seconds(process.pid) - before[name]) / IDLE_S, 2) for name, process in services.items()}
    return percent, round(broker.counts()[0] - connections)


def publish(publisher, port, findings, broker):
    """Publishes the findings in four parts. The growth of memory is that from the first half to the end."""
    connections, produced = broker.counts()
    cpu, began, resident, errors = cpu_seconds(publisher.pid), time.monotonic(), [], []
    requests = findings // PARTS // FINDINGS_A_REQUEST
    for _ in range(PARTS):
        shares = [requests // CALLERS + (number < requests % CALLERS) for number in range(CALLERS)]
        callers = [threading.Thread(target=post, args=(port, share, errors)) for share in shares]
        for caller in callers:
            caller.start()
        for caller in callers:
            caller.join()
        resident.append(resident_kib(publisher.pid))
    if errors:
        raise SystemExit(f"review: a caller failed: {errors[0]}")
    count = PARTS * requests * FINDINGS_A_REQUEST
    wall, cpu = time.monotonic() - began, cpu_seconds(publisher.pid) - cpu
    after = broker.counts()
    return {
        "findings": count,
        "connections": round(after[0] - connections),
        "requests": round(after[1] - produced),
        "rate": round(count / wall),
        "cpu_us": 1e6 * cpu / count,
        "growth_kib": (resident[3] - resident[1]) / (count / 2_000),
    }


def report(idle_percent, idle_connections, published):
    """Prints each figure next to that of the reviewed system."""
    cores = ", ".join(f"{name} {percent} %" for name, percent in idle_percent.items())
    print(f"3390  CPU of a core without input: {cores} (reviewed: 15 to 20 % of the CPU wasted)")
    print(
        f"3389  {published['findings']} findings in requests of {FINDINGS_A_REQUEST}: {published['connections']} connections opened "
        f"({idle_connections} in {IDLE_S} s without input), {published['requests']} produce requests (reviewed: one of each for an event)"
    )
    print(
        f"      {published['rate']} findings/s, {published['cpu_us']:.1f} µs of CPU a finding (reviewed: about 1,000 events/s); "
        f"memory grows by {published['growth_kib']:.2f} KiB for 1,000 findings (reviewed: 1 MB)"
    )


def main():
    parser = argparse.ArgumentParser()
    for name in ("brokers", "registry", "binaries", "work"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--findings", type=int, required=True)
    parser.add_argument("--jmx-port", type=int, required=True)
    parser.add_argument("tool", nargs="+", help="command that runs a class of Kafka's tools")
    args = parser.parse_args()
    work, edge = pathlib.Path(args.work), free_port()
    services = {}
    try:
        for name in SERVICES:
            settings = edge_settings(edge) if name == "publisher" else {}
            program = pathlib.Path(args.binaries) / name
            services[name] = start_service(program, args.brokers, args.registry, settings, work / f"{name}.log")
        broker = Broker(args.tool, args.jmx_port)
        report(*idle(services, broker), publish(services["publisher"], edge, args.findings, broker))
    finally:
        for process in services.values():
            process.terminate()
        for process in services.values():
            process.wait(60)


if __name__ == "__main__":
    sys.exit(main())

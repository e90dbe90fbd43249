"""Measures a feature service while it restores its bars: duration and peak of memory, without and with a limit of memory.

Each run is a process in a memory control group of its own (v1 or v2), from whose counters the peak is read. A run ends when the service
is ready, and its memory is read again after a time at rest.
"""

import argparse
import json
import os
import pathlib
import signal
import statistics
import subprocess
import sys
import time

from services import free_port, is_ready, status

MIB = 1 << 20


class Group:
    """A memory control group for one process."""

    def __init__(self, name, limit):
        v1 = pathlib.Path("/sys/fs/cgroup/memory")
        self.is_v1 = v1.is_dir()
        self.folder = (v1 if self.is_v1 else pathlib.Path("/sys/fs/cgroup")) / name
        self.folder.mkdir()
        if limit:
            self.write("memory.limit_in_bytes" if self.is_v1 else "memory.max", limit)

    def write(self, file, value):
        (self.folder / file).write_text(f"{value}\n")

    def read(self, file):
        return int((self.folder / file).read_text())

    def enter(self):
        """Moves the calling process into the group."""
        self.write("cgroup.procs", os.getpid())

    def peak(self):
        return self.read("memory.max_usage_in_bytes" if self.is_v1 else "memory.peak")

    def remove(self):
        self.folder.rmdir()


def run(args, limit, number):
    group, port = Group(f"tapeline-restore-{os.getpid()}-{number}", limit), free_port()
    env = dict(os.environ)
    env["FEATURE__KAFKA__BROKERS"] = args.brokers
    env["FEATURE__REGISTRY__URL"] = args.registry
    env["FEATURE__PROCESS__ADMIN"] = f"127.0.0.1:{port}"
    for setting in args.set:
        key, value = setting.split("=", 1)
        env["FEATURE__" + key.upper().replace(".", "__")] = value
    log = pathlib.Path(args.work) / f"feature-{number}.log"
    begun = time.monotonic()
    with log.open("wb") as output:
        # The group is joined between fork and exec.
        process = subprocess.Popen([args.feature], env=env, stdout=output, stderr=output, preexec_fn=group.enter)
    try:
        while not is_ready(port):
            if process.poll() is not None:
                sys.stderr.write("\n".join(log.read_text(errors="replace").splitlines()[-5:]) + "\n")
                return {"limit_mib": limit // MIB, "exit": process.returncode, "peak_mib": group.peak() // MIB}
            if time.monotonic() - begun > args.within:
                raise SystemExit(f"restore: not ready within {args.within} s, see {log}")
            time.sleep(0.05)
        seconds, peak = time.monotonic() - begun, group.peak()
        anonymous = status(process.pid, "RssAnon")
        time.sleep(args.rest)
        return {
            "limit_mib": limit // MIB,
            "seconds": round(seconds, 2),
            "peak_mib": peak // MIB,
            "resident_peak_mib": status(process.pid, "VmHWM") // MIB,
            "ready_mib": anonymous // MIB,
            "rest_mib": status(process.pid, "RssAnon") // MIB,
        }
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            process.wait(60)
        group.remove()


def main():
    parser = argparse.ArgumentParser()
    for name in ("brokers", "registry", "feature", "work"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--records", type=int, required=True)
    parser.add_argument("--limit-mib", type=int, required=True)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--rest", type=float, default=5)
    parser.add_argument("--within", type=float, default=300)
    parser.add_argument("--set", action="append", default=[], help="a key of the configuration, as kafka.prefetch_kib=2048")
    args = parser.parse_args()
    lines = {0: [], args.limit_mib * MIB: []}
    # Alternating, so that a change of the machine's load meets both.
    for number in range(2 * args.runs):
        limit = list(lines)[number % 2]
        line = run(args, limit, number)
        print(json.dumps(line), flush=True)
        if "exit" in line:
            return 1
        lines[limit].append(line)
    free, limited = ([line["seconds"] for line in group] for group in lines.values())
    ratio = statistics.median(free) / statistics.median(limited)
    peak = max(line["peak_mib"] for line in lines[args.limit_mib * MIB])
    print(
        f"restore: {args.records} bars, {args.records / statistics.median(limited):.0f} bars/s within {args.limit_mib} MiB, "
        f"{ratio:.2f} of the rate without a limit, peak {peak} MiB ({100 * peak // args.limit_mib} % of the limit)"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())

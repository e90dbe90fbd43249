"""Starts services of Tapeline as processes, for measurements."""

import http.client
import os
import pathlib
import socket
import subprocess
import time

READY_S_MAX = 120


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def is_ready(port):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/ready")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def status(pid, key):
    """A line of /proc/PID/status in bytes; 0 if the process has ended."""
    try:
        lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    values = [line.split()[1] for line in lines if line.startswith(f"{key}:")]
    return int(values[0]) * 1024 if values else 0


def quantiles(seconds):
    """The median and the 99th percentile, in milliseconds."""
    ordered = sorted(seconds)
    return tuple(1_000 * ordered[min(len(ordered) - 1, int(len(ordered) * part))] for part in (0.5, 0.99))


def start_service(program, brokers, registry, settings, log, admin=None):
    """Starts a service and returns its process when it is ready. `settings` are names without the prefix, `admin` is the port of the
    admin server, by default a free one."""
    admin, prefix = admin or free_port(), program.name.upper().replace("-", "_")
    settings = {"KAFKA__BROKERS": brokers, "REGISTRY__URL": registry, "PROCESS__ADMIN": f"127.0.0.1:{admin}", **settings}
    env = {**os.environ, **{f"{prefix}__{name}": value for name, value in settings.items()}}
    with log.open("wb") as output:
        process = subprocess.Popen([program], env=env, stdout=output, stderr=output)
    deadline = time.monotonic() + READY_S_MAX
    while not is_ready(admin):
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            raise SystemExit(f"{program.name} is not ready: {log.read_text(errors='replace')[-2000:]}")
        time.sleep(0.1)
    return process


def edge_settings(port):
    """All callers of a benchmark have one address."""
    return {"EDGE__LISTEN": f"127.0.0.1:{port}", "EDGE__PEER_SHARE": "1"}

"""Prints memory at rest and under load, and its slope by least squares over the second half of the time."""

import json
import pathlib
import sys


def samples(path):
    lines = map(json.loads, pathlib.Path(path).read_text().splitlines())
    return [(line["second"], line["resident_kib"], line["sent"]) for line in lines if "second" in line]


def main():
    rest, load = samples(sys.argv[1]), samples(sys.argv[2])
    late = load[len(load) // 2 :]
    mean_x = sum(second for second, _, _ in late) / len(late)
    mean_y = sum(kib for _, kib, _ in late) / len(late)
    spread = sum((second - mean_x) ** 2 for second, _, _ in late)
    slope = sum((second - mean_x) * (kib - mean_y) for second, kib, _ in late) / spread if spread else 0.0
    peak = max(kib for _, kib, _ in load)
    seconds, _, sent = load[-1]
    print(f"at rest {rest[-1][1] / 1024:.1f} MiB")
    print(f"under {sent / seconds:.0f} alerts/s for {seconds} s: {mean_y / 1024:.1f} MiB, at most {peak / 1024:.1f} MiB")
    print(f"slope over the second half: {slope * 60 / 1024:+.3f} MiB per minute, {slope * 1024 * (seconds / sent):+.2f} bytes per alert")


main()

"""Prints what `run engine` measured: ratios to librdkafka alone, and the functions with most instructions of the most expensive variant."""

import json
import pathlib
import re
import subprocess
import sys

BASELINE = "passthrough"


def instructions(folder):
    """Returns the instructions per event by variant, from two runs of different length, so that those of the start cancel out."""
    runs = {}
    for file in folder.glob("callgrind.*.[0-9]*"):
        if file.suffix == ".line":
            continue
        line = json.loads(file.with_name(file.name + ".line").read_text().splitlines()[-1])
        totals = re.search(r"^(?:totals|summary): (\d+)", file.read_text(), re.MULTILINE)
        runs.setdefault(line["name"], []).append((line["records"], int(totals[1]), file))
    counted = {}
    for name, pair in runs.items():
        (few, less, _), (many, more, file) = sorted(pair)
        counted[name] = ((more - less) / (many - few), file)
    return counted


def main():
    folder = pathlib.Path(sys.argv[1])
    best = {}
    for text in (folder / "lines").read_text().splitlines():
        line = json.loads(text)
        cpu = line["cpu_us"] / line["records"]
        if line["name"] not in best or cpu < best[line["name"]][0]:
            best[line["name"]] = (cpu, line)
    counted = instructions(folder)
    base = best[BASELINE][0]
    base_counted = counted[BASELINE][0] if BASELINE in counted else None
    print(f"{'':34}{'CPU us':>9}{'ratio':>8}{'instr.':>10}{'ratio':>8}{'events/s':>11}{'MiB':>7}")
    for name, (cpu, line) in best.items():
        row = f"{name:34}{cpu:9.2f}{cpu / base:8.2f}"
        if name in counted and base_counted:
            row += f"{counted[name][0]:10.0f}{counted[name][0] / base_counted:8.2f}"
        else:
            row += f"{'-':>10}{'-':>8}"
        print(row + f"{line['records'] / line['wall_us'] * 1e6:11.0f}{line['resident_kib'] / 1024:7.0f}")
    print("CPU: the best of three runs, all threads, user and kernel, starting included; an event is an input record.")
    print("Instructions: by callgrind, user space alone, starting excluded.")
    for name in ("no-op, transactions of 1000", "no-op, transactions of 5000"):
        print(f"{name} / no-op, at least once: {best[name][0] / best['no-op, at least once'][0]:.2f}")
    if counted:
        name = "bridge, transactions of 5000"
        print(f"\nInstructions by function: {name}")
        report = subprocess.run(
            ["callgrind_annotate", str(counted[name][1])], capture_output=True, text=True, check=True
        )
        rows = [row for row in report.stdout.splitlines() if re.match(r"\s*[\d,]+ \(", row)]
        for row in rows[:25]:
            print(row[:150])


main()

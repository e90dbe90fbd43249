"""Prints what `run engine` measured with one input: the cost of an event as the slope between two lengths, the peak of memory, and the
functions with most instructions."""

import collections
import json
import pathlib
import re
import statistics
import subprocess
import sys

BASELINE = "passthrough"
PROFILED = "bridge, transactions of 5000"


def runs(folder):
    """Returns the lines of all runs: by variant and length, in the order of measuring."""
    found = collections.defaultdict(lambda: collections.defaultdict(list))
    for text in (folder / "lines").read_text().splitlines():
        line = json.loads(text)
        found[line["name"]][line["records"]].append(line)
    return found


def check(found):
    """All variants that drop duplicates agree about them, at each length."""
    passed = collections.defaultdict(set)
    for name, lengths in found.items():
        if name.startswith("bridge"):
            for length, lines in lengths.items():
                passed[length] |= {line["passed"] for line in lines}
    different = {length: counts for length, counts in passed.items() if len(counts) > 1}
    if different:
        sys.exit(f"table: variants passed different numbers of records: {different}")


def slopes(lengths, field):
    """Yields (few, many, slope) of the medians of a field for each pair of neighbouring lengths."""
    medians = [(length, statistics.median(line[field] for line in lines)) for length, lines in sorted(lengths.items())]
    for (few, less), (many, more) in zip(medians, medians[1:]):
        yield few, many, (more - less) / (many - few)


def instructions(folder):
    """Returns the instructions per event and the longer run's profile by variant."""
    totals = collections.defaultdict(list)
    for file in folder.glob("callgrind.*.[0-9]*"):
        if file.suffix == ".line":
            continue
        line = json.loads(file.with_name(file.name + ".line").read_text().splitlines()[-1])
        total = re.search(r"^(?:totals|summary): (\d+)", file.read_text(), re.MULTILINE)
        totals[line["name"]].append((line["records"], int(total[1]), file))
    counted = {}
    for name, pair in totals.items():
        (few, less, _), (many, more, file) = sorted(pair)
        counted[name] = ((more - less) / (many - few), file)
    return counted


def main():
    input_name, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    found, counted = runs(folder), instructions(folder)
    check(found)
    baseline = {(few, many): cost for few, many, cost in slopes(found[BASELINE], "cpu_us")}
    last = list(baseline.values())[-1]
    base_counted = counted[BASELINE][0] if BASELINE in counted else None
    rounds = max(len(lines) for lengths in found.values() for lines in lengths.values())
    print(f"\nInput: {input_name}")
    head = f"{'CPU us':>9}{'ratio':>8}{'instr.':>10}{'ratio':>8}{'events/s':>11}{'peak MiB':>10}"
    print(f"{'':42}{'records':>20}{head}")
    for name, lengths in found.items():
        for (few, many, cost), (_, _, wall) in zip(slopes(lengths, "cpu_us"), slopes(lengths, "wall_us")):
            peak = statistics.median(line["peak_kib"] for line in lengths[many])
            row = f"{name:42}{f'{few}..{many}':>20}{cost:9.2f}{cost / baseline.get((few, many), last):8.2f}"
            if name in counted and base_counted:
                row += f"{counted[name][0]:10.0f}{counted[name][0] / base_counted:8.2f}"
            else:
                row += f"{'-':>10}{'-':>8}"
            rate = f"{1e6 / wall:.0f}" if wall > 0 else "-"
            print(row + f"{rate:>11}{peak / 1024:10.0f}")
    print(f"An event is an input record; its cost is the slope between the two numbers of records, of medians over {rounds} round(s).")
    print("CPU: all threads, user and kernel. Instructions: by callgrind, user space alone, 20000..60000 records.")
    print("Peak: resident memory of the process in the longer run. Kafka Streams: heap of at most 2 GiB.")
    if PROFILED in counted:
        print(f"\nInstructions by function: {PROFILED}")
        report = subprocess.run(
            ["callgrind_annotate", str(counted[PROFILED][1])], capture_output=True, text=True, check=True
        )
        rows = [row for row in report.stdout.splitlines() if re.match(r"\s*[\d,]+ \(", row)]
        for row in rows[:25]:
            print(row[:150])


main()

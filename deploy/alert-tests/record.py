#!/usr/bin/env python3
"""Scrapes running processes and writes a test for `run`: on these metrics only the named alerts fire.

    deploy/alert-tests/record.py --out recorded/dev.yaml --every 15 --for 1200 all=127.0.0.1:9100
    deploy/alert-tests/record.py --out recorded/storm.yaml --fires TapelineRestartLoop feature=127.0.0.1:9103 feature=127.0.0.1:9113

A target is the label `service` and an admin address; the labels of the metrics win, as with honor_labels. A target that does not respond
is down for that scrape. Only metrics that the alerts query are kept. Ctrl-C ends the recording early.
"""

import argparse
import pathlib
import re
import time
import urllib.error
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
RULES = HERE.parent / "helm/tapeline/alerts"
SAMPLE = re.compile(r"^([a-z_0-9]+)(?:\{(.*)\})? (\S+)$")
LABEL = re.compile(r'([a-z_]+)="([^"]*)"')


def queried():
    """The words of the rules, metrics among them."""
    return {word for rules in RULES.glob("*.yaml") for word in re.findall(r"[a-z_0-9]+", rules.read_text(encoding="utf-8"))}


def scrape(address):
    """The samples of one process: (name, labels, value); None if it does not respond."""
    try:
        with urllib.request.urlopen(f"http://{address}/metrics", timeout=5) as response:
            text = response.read().decode()
    except (OSError, urllib.error.URLError):
        return None
    found = (SAMPLE.match(line) for line in text.splitlines() if not line.startswith("#"))
    return [(match[1], dict(LABEL.findall(match[2] or "")), match[3]) for match in found if match]


def record(targets, every, seconds):
    """Values by series, one a scrape."""
    series, wanted, began, scrapes = {}, queried(), time.monotonic(), 0
    try:
        while time.monotonic() - began < seconds:
            for number, (service, address) in enumerate(targets):
                here = {"service": service, "instance": f"{service}-{number}"}
                samples = scrape(address)
                kept = [] if samples is None else [it for it in samples if it[0] in wanted]
                for name, labels, value in [("up", {}, "0" if samples is None else "1"), *kept]:
                    every_label = here | labels
                    key = name + "{" + ",".join(f'{label}="{every_label[label]}"' for label in sorted(every_label)) + "}"
                    values = series.setdefault(key, [])
                    values += ["_"] * (scrapes - len(values)) + [value]
            scrapes += 1
            time.sleep(max(0.0, began + scrapes * every - time.monotonic()))
    except KeyboardInterrupt:
        pass
    return series, scrapes


def packed(values):
    """In promtool's notation: `3x2` is 3 three times, `_x2` is absent twice."""
    runs = []
    for value in values:
        if runs and runs[-1][0] == value:
            runs[-1][1] += 1
        else:
            runs.append([value, 1])
    return " ".join(value if n == 1 else f"{value}x{n if value == '_' else n - 1}" for value, n in runs)


def main():
    """Records and writes."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--out", type=pathlib.Path, required=True)
    arguments.add_argument("--every", type=int, default=15)
    arguments.add_argument("--for", dest="seconds", type=int, default=1200)
    arguments.add_argument("--fires", action="append", default=[], metavar="ALERT")
    arguments.add_argument("targets", nargs="+", metavar="SERVICE=HOST:PORT")
    given = arguments.parse_args()
    series, scrapes = record([target.split("=", 1) for target in given.targets], given.every, given.seconds)
    lines = [
        f"# {scrapes} scrapes of a run, made by record.py; alerts that fire: {', '.join(given.fires) or 'nothing'}.",
        "rule_files: [../../helm/tapeline/alerts/tapeline.yaml]",
        f"evaluation_interval: {given.every}s",
        "tests:",
        f"  - name: {given.out.stem}",
        f"    interval: {given.every}s",
        "    input_series:",
        *(f"      - {{series: '{key}', values: '{packed(values)}'}}" for key, values in sorted(series.items())),
        "    promql_expr_test:",
        '      - expr: group by (alertname) (max_over_time(ALERTS{alertstate="firing"}[1d]))',
        f"        eval_time: {given.every * max(scrapes - 1, 0)}s",
        f"        exp_samples: {'' if given.fires else '[]'}".rstrip(),
        *(f"          - {{labels: '{{alertname=\"{alert}\"}}', value: 1}}" for alert in sorted(given.fires)),
    ]
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"{given.out}: {scrapes} scrapes, {len(series)} series")


main()

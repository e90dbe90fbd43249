"""Compares two folders of golden values: python compare-golden.py COMMITTED FRESH

Files, days and names must be equal, and numbers equal within a relative 1e-12: another processor may round
the last digit differently. The versions in the header of a file are not compared.
"""

import json
import math
import sys
from pathlib import Path


def differences(path, old, new):
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted(old.keys() | new.keys()):
            if key not in old or key not in new:
                yield f"{path}/{key}: only in the {'fresh' if key in new else 'committed'} file"
            else:
                yield from differences(f"{path}/{key}", old[key], new[key])
    elif isinstance(old, list) and isinstance(new, list):
        if len(old) != len(new):
            yield f"{path}: {len(old)} committed, {len(new)} fresh"
        for index, (one, other) in enumerate(zip(old, new)):
            yield from differences(f"{path}[{index}]", one, other)
    elif isinstance(old, (int, float)) and isinstance(new, (int, float)):
        if not math.isclose(old, new, rel_tol=1e-12, abs_tol=1e-15):
            yield f"{path}: {old!r} committed, {new!r} fresh"
    elif old != new:
        yield f"{path}: {old!r} committed, {new!r} fresh"


def read(folder):
    return {path.name: json.loads(path.read_text("utf-8")) for path in sorted(folder.glob("*.json"))}


def main():
    old, new = (read(Path(folder)) for folder in sys.argv[1:3])
    for golden in (*old.values(), *new.values()):
        golden.pop("versions", None)
    found = list(differences("", old, new))
    if not old or found:
        sys.exit("\n".join(found[:20]) or "no golden files")
    print(f"{len(old)} golden files are what their script computes")


main()

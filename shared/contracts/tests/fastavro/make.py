"""Writes every valid example with fastavro, for the Rust tests to read: with the newest schema, and with each earlier one (`NAME v1`).

    python3 -m venv VENV && VENV/bin/pip install -r requirements.txt
    VENV/bin/python make.py            # rewrites written.json
    VENV/bin/python make.py --check    # fails if written.json differs from the output of fastavro
"""

import io
import json
import sys
from pathlib import Path

import fastavro

import form

TARGET = Path(__file__).with_name("written.json")


def body(schema, example):
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(schema), form.to_avro(schema, example))
    return out.getvalue().hex()


def main():
    bodies = {}
    for name, (*earlier, newest), example in form.examples():
        bodies[name] = body(newest, example)
        for version, schema in enumerate(earlier, 1):
            bodies[f"{name} v{version}"] = body(schema, form.as_version(schema, example))
    text = json.dumps({"fastavro": fastavro.__version__, "bodies": bodies}, indent=1) + "\n"
    if "--check" in sys.argv:
        if TARGET.read_text("utf-8") != text:
            sys.exit(f"{TARGET} is stale: run make.py")
    else:
        TARGET.write_text(text, "utf-8")
    print(f"{len(bodies)} bodies by fastavro {fastavro.__version__}")


main()

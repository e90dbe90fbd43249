"""Reads the bodies of the Rust codec with fastavro, by the schema of each version, and compares them with the examples.

    cargo run -p contracts --example dump_avro > bodies.json
    VENV/bin/python check.py bodies.json
"""

import io
import json
import sys
from pathlib import Path

import fastavro

import form


def main():
    bodies = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    errors = []
    for name, versions, example in form.examples():
        data = bytes.fromhex(bodies.pop(name, ""))
        writer = fastavro.parse_schema(versions[-1])
        for schema in versions:
            source = io.BytesIO(data)
            read = form.to_json(schema, fastavro.schemaless_reader(source, writer, fastavro.parse_schema(schema)))
            expected = form.as_version(schema, example)
            if read != expected:
                errors.append(f"{name}: read {read}, not {expected}")
            if source.tell() != len(data):
                errors.append(f"{name}: {len(data) - source.tell()} trailing bytes")
    errors += [f"{name}: no such example" for name in bodies]
    if errors:
        sys.exit("\n".join(errors))
    print(f"fastavro {fastavro.__version__} reads every example")


main()

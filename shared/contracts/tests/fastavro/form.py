"""Conversion between the JSON form of events and values of fastavro, by the schema alone.

JSON has instants as ISO-8601 in UTC and dates as `2024-03-15`; Avro has microseconds and days.
"""

import json
from datetime import date, datetime, timedelta, timezone
from pathlib import Path

SCHEMAS = Path(__file__).resolve().parents[4] / "schemas"
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
EPOCH_DAY = date(1970, 1, 1)


def examples():
    """Yields (event/name, schemas of all versions, JSON form) of every valid example."""
    for folder in sorted(SCHEMAS.iterdir()):
        files = sorted(folder.glob("v*.avsc"), key=lambda path: int(path.stem[1:]))
        schemas = [json.loads(path.read_text("utf-8")) for path in files]
        for path in sorted((folder / "examples").glob("*.json")):
            yield f"{folder.name}/{path.stem}", schemas, json.loads(path.read_text("utf-8"))


def as_version(schema, value, names=None):
    """Returns the JSON form of an event as a reader of an earlier version reads it."""
    names = {} if names is None else names
    if isinstance(schema, list):
        if value is None:
            return None
        schema = next(variant for variant in schema if variant != "null")
    if isinstance(schema, str):
        return as_version(names[schema], value, names) if schema in names else value
    kind = schema["type"]
    if kind in ("record", "enum"):
        names[schema["name"]] = schema
    if kind == "enum":
        return value if value in schema["symbols"] else schema["default"]
    if kind == "record":
        return {f["name"]: as_version(f["type"], value[f["name"]], names) for f in schema["fields"]}
    if kind == "array":
        return [as_version(schema["items"], item, names) for item in value]
    if kind == "map":
        return {key: as_version(schema["values"], item, names) for key, item in value.items()}
    return value


def to_avro(schema, value, names=None):
    """Returns the fastavro value of a JSON form."""
    return _walk(schema, value, {} if names is None else names, _micros_of, _days_of)


def to_json(schema, value, names=None):
    """Returns the JSON form of a fastavro value."""
    return _walk(schema, value, {} if names is None else names, _iso_of, _text_of)


def _walk(schema, value, names, instant, day):
    if isinstance(schema, list):
        if value is None:
            return None
        (other,) = [variant for variant in schema if variant != "null"]
        return _walk(other, value, names, instant, day)
    if isinstance(schema, str):
        return _walk(names[schema], value, names, instant, day) if schema in names else value
    kind = schema["type"]
    if kind in ("record", "enum"):
        names[schema["name"]] = schema
    if kind == "record":
        return {f["name"]: _walk(f["type"], value[f["name"]], names, instant, day) for f in schema["fields"]}
    if kind == "array":
        return [_walk(schema["items"], item, names, instant, day) for item in value]
    if kind == "map":
        return {key: _walk(schema["values"], item, names, instant, day) for key, item in value.items()}
    if schema.get("logicalType") == "timestamp-micros":
        return instant(value)
    if schema.get("logicalType") == "date":
        return day(value)
    return value


def _micros_of(text):
    return (datetime.fromisoformat(text) - EPOCH) // timedelta(microseconds=1)


def _iso_of(moment):
    digits = "microseconds" if moment.microsecond else "seconds"
    return moment.astimezone(timezone.utc).isoformat(timespec=digits).replace("+00:00", "Z")


def _days_of(text):
    return (date.fromisoformat(text) - EPOCH_DAY).days


def _text_of(day):
    return day.isoformat()

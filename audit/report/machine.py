"""A report for programs: JSON, whose every field docs/audit-schema.json describes."""

import json
from dataclasses import asdict
from datetime import datetime
from typing import Any

from audit.model import Report, counted
from audit.report.words import utc

SCHEMA = "container-cloud-audit/1"


def document(report: Report) -> dict[str, object]:
    """The report as JSON has it: objects, arrays, strings, numbers; moments as ISO 8601 in UTC."""
    found = {name: _plain(value) for name, value in asdict(report).items()}
    return {
        "schema": SCHEMA,
        "cluster": found.pop("cluster"),
        "began": found.pop("began"),
        "seconds": found.pop("seconds"),
        "exit_code": report.exit_code,
        "counts": dict(counted(report.findings)),
        **found,
    }


def text(report: Report) -> str:
    """The document as JSON text. It is ASCII: undecodable file names have no other form that can be written."""
    return json.dumps(document(report), indent=2) + "\n"


def _plain(value: Any) -> Any:
    """A value of the model as JSON has it."""
    if isinstance(value, datetime):
        return utc(value).isoformat(timespec="seconds").replace("+00:00", "Z")
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return value

"""Pieces of shell that facts are made of."""

import re
import shlex
from collections.abc import Iterable

from cluster.desired import RECORD_DIRECTORY
from cluster.shell import program

UNIT_PROPERTIES = (
    "Id,LoadState,ActiveState,SubState,UnitFileState,NeedDaemonReload,InvocationID,MainPID,"
    "InactiveExitTimestampMonotonic,ExecMainStartTimestampMonotonic,RequiredBy,BoundBy,ConsistsOf"
)
_DELETED = re.compile(r"runs '/proc/(\d+)/exe' -> .* \(deleted\)'")
# Release files lie in /usr/local/bin, where sudo may not look by itself.
PROGRAMS_PATH = "PATH=$PATH:/usr/local/bin"
FIND_PROGRAMS = f"{PROGRAMS_PATH}; export PATH"
# What is read is in English, and the cluster is never asked through a proxy; downloads may use the host's.
DIRECT = "export LC_ALL=C no_proxy='*' NO_PROXY='*'"


def words(values: Iterable[str]) -> str:
    """Values as quoted shell words."""
    return " ".join(shlex.quote(value) for value in values)


def read_units(names: Iterable[str]) -> str:
    """Shell that prints what systemd and /run know of the units, as `units` of units.sh does."""
    return f"{units_shell()}units {words(names)}"


def units_shell() -> str:
    """Shell that knows `units` and `runs`."""
    return program("units", PROPERTIES=UNIT_PROPERTIES, RECORDS=RECORD_DIRECTORY)


def parse_units(lines: Iterable[str]) -> dict[str, dict[str, object]]:
    """The units that `read_units` printed.

    Returns, by unit name: `loaded`, `active`, `sub`, `enabled` (systemd's words), `needs_reload`, `pid`,
    `started_at` (seconds since boot of the main process's start), `replaced` (its program is no longer the file on
    disk), `takes_along` (running services that systemd restarts with it) and `started_with` ({path: sha256} of the
    inputs it recorded at this start, None if it recorded none).
    """
    raw: list[dict[str, str]] = [{}]
    records: dict[str, list[str]] = {}
    replaced: set[int] = set()
    for line in lines:
        if line.startswith("started "):
            _, name, rest = line.split(" ", 2)
            records.setdefault(name, []).append(rest)
        elif deleted := _DELETED.fullmatch(line):
            replaced.add(int(deleted[1]))
        elif line.startswith("unit"):
            key, separator, value = line[5:].partition("=")
            if separator:
                raw[-1][key] = f"{raw[-1].get(key, '')} {value}" if key == "Along" else value
            elif raw[-1]:
                raw.append({})
    return {u["Id"].removesuffix(".service"): _unit(u, records, replaced) for u in raw if "Id" in u}


def _unit(raw: dict[str, str], records: dict[str, list[str]], replaced: set[int]) -> dict[str, object]:
    invocation, *inputs = records.get(raw["Id"].removesuffix(".service"), [""])
    along = dict.fromkeys(raw.get("Along", "").split())  # one may be required in several ways
    pid = int(raw.get("MainPID", "0"))
    recorded = invocation != "" and invocation in (raw.get("InvocationID"), raw.get("InactiveExitTimestampMonotonic"))
    return {
        "loaded": raw.get("LoadState", ""),
        "active": raw.get("ActiveState", ""),
        "sub": raw.get("SubState", ""),
        "enabled": raw.get("UnitFileState", ""),
        "needs_reload": raw.get("NeedDaemonReload") == "yes",
        "pid": pid,
        "started_at": int(raw.get("ExecMainStartTimestampMonotonic") or 0) / 1e6,
        "replaced": pid in replaced,
        "takes_along": [d.removesuffix(".service") for d in along if d.endswith(".service")],
        "started_with": {i[66:]: i[:64] for i in inputs} if recorded else None,
    }

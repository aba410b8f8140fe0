"""What a probe recorded, judged: which requests failed, and whether anything acknowledged was lost or told out of turn.

A history is a list of records, in the order in which they were made. Each has "kind" and "at" (seconds). By kind:

began, ended  the time in which requests were made; "endpoints": their names
write, read   "endpoint", "name", "n", "took" (seconds), "outcome", and of an acknowledged write its "version"
event         what a watch delivered: "endpoint", "type", "name", "version"
list          what a watch begins from: "endpoint", "version", "names"
watch         how a watch ended: "endpoint", "outcome"
service       a request to a service: "endpoint", "took", "outcome"
final         all there is at the end: "names", each with its version

An outcome is "ok", "refused", "lost" (the connection, with the request under way), "timeout", "unreachable", or an HTTP
status. Only a write with "ok" is acknowledged: any other may have been done, or not.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

Record = dict[str, Any]


@dataclass
class Verdict:
    """What a history says. `failures` and `gaps` are what a client puts up with; every other list must be empty.

    + requests: how many requests each endpoint was asked
    + failures: how many failed there, by outcome
    + gaps: the longest time, in seconds, between two answers there, or without one at the beginning or the end
    + missing: acknowledged writes that are not there at the end, or are there as another version; of what may have been
      rewritten, as an earlier one
    + unread: acknowledged writes that the same endpoint, asked for them right away, did not have
    + disorder: versions that did not rise, and lists that went back
    + duplicates: events that a watch delivered twice
    + undelivered: acknowledged writes that a watch never told of
    + unexpected: events that nobody caused
    """

    requests: Counter[str] = field(default_factory=Counter)
    failures: dict[str, Counter[str]] = field(default_factory=dict)
    gaps: dict[str, float] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)
    disorder: list[str] = field(default_factory=list)
    duplicates: list[str] = field(default_factory=list)
    undelivered: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)

    @property
    def faults(self) -> list[str]:
        """Everything that no client may see, whatever failed in between."""
        parts = ("missing", "unread", "disorder", "duplicates", "undelivered", "unexpected")
        return [f"{part}: {each}" for part in parts for each in getattr(self, part)]


def check(history: Iterable[Record], *, rewritten: bool = False) -> Verdict:
    """Judge a whole history.

    Args:
        history: the records.
        rewritten: whether somebody else may have written the same objects again, as they were.

    Raises:
        ValueError: it does not say when it began and ended, and what was there then: nothing could be judged.
    """
    records = list(history)
    ends = {kind: [each for each in records if each["kind"] == kind] for kind in ("began", "ended", "final")}
    if lacking := [kind for kind, found in ends.items() if len(found) != 1]:
        raise ValueError(f"the history must have each of these once: {', '.join(lacking)}")
    (began,), (ended,), (final,) = ends.values()
    verdict = Verdict()
    for endpoint in began["endpoints"]:
        asked = [r for r in records if r["kind"] in ("write", "read", "service") and r["endpoint"] == endpoint]
        _count(verdict, endpoint, asked, began["at"], ended["at"])
    written = {r["name"]: r for r in records if r["kind"] == "write" and r["outcome"] == "ok"}
    _check_writes(verdict, records, written, final["names"], rewritten)
    for endpoint in dict.fromkeys(r["endpoint"] for r in records if r["kind"] in ("event", "list", "watch")):
        told = [r for r in records if r["kind"] in ("event", "list") and r["endpoint"] == endpoint]
        _check_watch(verdict, endpoint, told, written, rewritten)
    return verdict


def _count(verdict: Verdict, endpoint: str, asked: list[Record], began: float, ended: float) -> None:
    answered = sorted(r["at"] + r["took"] for r in asked if r["outcome"] == "ok")
    verdict.requests[endpoint] = len(asked)
    verdict.failures[endpoint] = Counter(str(r["outcome"]) for r in asked if r["outcome"] != "ok")
    verdict.gaps[endpoint] = max(after - before for before, after in pairwise([began, *answered, max(ended, began)]))


def _check_writes(
    verdict: Verdict, records: list[Record], written: dict[str, Record], there: dict[str, int], rewritten: bool
) -> None:
    for name, record in written.items():
        if there.get(name) != record["version"] and not (rewritten and there.get(name, 0) > record["version"]):
            verdict.missing.append(f"{name}: written as {record['version']}, at the end {there.get(name)}")
    for record in records:
        if record["kind"] == "read" and record["name"] in written and record["outcome"] in ("404", "other"):
            verdict.unread.append(f"{record['name']}: {record['endpoint']} answered {record['outcome']}")
    for endpoint in dict.fromkeys(r["endpoint"] for r in written.values()):
        own = sorted((r for r in written.values() if r["endpoint"] == endpoint), key=lambda r: r["n"])
        for one, other in pairwise(own):
            if other["version"] <= one["version"]:
                verdict.disorder.append(f"{other['name']}: {other['version']} after {one['name']}: {one['version']}")


def _check_watch(
    verdict: Verdict, endpoint: str, told: list[Record], written: dict[str, Record], rewritten: bool
) -> None:
    seen: set[str] = set()
    last = 0
    for record in told:
        version = record["version"]
        if record["kind"] == "list":
            if version < last or seen - set(record["names"]):
                verdict.disorder.append(f"{endpoint}: a list of {version} went back behind {last}")
            seen |= set(record["names"])
            last = max(last, version)
            continue
        event = f"{endpoint}: {record['type']} {record['name']} {version}"
        if rewritten and record["type"] == "MODIFIED" and record["name"] in seen and version > last:
            pass
        elif record["type"] != "ADDED":
            verdict.unexpected.append(event)
        elif record["name"] in seen:
            verdict.duplicates.append(event)
        elif version <= last:
            verdict.disorder.append(f"{event} after {last}")
        elif record["name"] in written and written[record["name"]]["version"] != version:
            verdict.disorder.append(f"{event}, written as {written[record['name']]['version']}")
        seen.add(record["name"])
        last = max(last, version)
    verdict.undelivered += [f"{endpoint}: {name}" for name in written if name not in seen]

"""What a probe has lived through, judged: which requests failed, for how long nothing went, whether anything was lost."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

Note = Mapping[str, Any]


@dataclass(frozen=True)
class Verdict:
    """A history, judged.

    + written: acknowledged writes
    + failed: requests that did not succeed, in words, of each way to the API servers
    + gap: the longest time between two successes on one way, in seconds
    + unanswered: of the asked URLs, in words; asked: how many there were
    + untrue: what must never be, in words: an acknowledged write that is missing, out of order, or there twice
    """

    written: int
    failed: dict[str, list[str]]
    gap: float
    asked: int
    unanswered: list[str]
    untrue: list[str]

    @property
    def failures(self) -> int:
        """How many requests failed, on all ways."""
        return sum(map(len, self.failed.values()))


def judge(history: Mapping[str, list[Note]]) -> Verdict:
    """What tests/lab/probe.py printed."""
    requests = history["requests"]
    failed: dict[str, list[str]] = defaultdict(list)
    for each in requests:
        if not each["ok"]:
            failed[each["way"]].append(f"{each['at']:.1f} s: {each['what']} {each['number']}: {each['error']}")
    return Verdict(
        written=sum(r["what"] == "write" and r["ok"] for r in requests),
        failed=dict(failed),
        gap=max((_gap(requests, way) for way in {r["way"] for r in requests}), default=0.0),
        asked=len(history["asked"]),
        unanswered=[f"{a['at']:.1f} s: {a['url']}: {a['error']}" for a in history["asked"] if not a["ok"]],
        untrue=[*_lost(history), *_disordered(requests), *_misheard(history)],
    )


def _gap(requests: Iterable[Note], way: str) -> float:
    """The longest time between the ends of two requests that succeeded."""
    ends = [r["at"] + r["took"] for r in requests if r["way"] == way and r["ok"]]
    return max((later - earlier for earlier, later in pairwise(ends)), default=0.0)


def _acknowledged(requests: Iterable[Note]) -> dict[str, list[Note]]:
    """Writes that were answered with success, in their order, by way."""
    found: dict[str, list[Note]] = defaultdict(list)
    for each in requests:
        if each["what"] == "write" and each["ok"]:
            found[each["way"]].append(each)
    return found


def _number(name: str) -> tuple[str, int]:
    """The way and the number of a write, of its object's name."""
    _, way, number = name.split("-")
    return way, int(number)


def _lost(history: Mapping[str, list[Note]]) -> list[str]:
    kept = Counter(_number(k["name"]) for k in history["kept"])
    other = [k["name"] for k in history["kept"] if str(_number(k["name"])[1]) != k["number"]]
    missing = [(way, w["number"]) for way, ws in _acknowledged(history["requests"]).items() for w in ws]
    lost = [f"write {number} of {way} was acknowledged and is gone" for way, number in missing if not kept[way, number]]
    tried = {(r["way"], r["number"]) for r in history["requests"] if r["what"] == "write"}
    strange = [
        f"write {number} of {way} is there, and nobody wrote it" for way, number in kept if (way, number) not in tried
    ]
    return [*lost, *strange, *(f"{name} holds another number" for name in other)]


def _disordered(requests: Iterable[Note]) -> list[str]:
    """A later write has a later revision: else there were two histories."""
    told = []
    for way, writes in _acknowledged(requests).items():
        for earlier, later in pairwise(writes):
            if int(later["version"]) <= int(earlier["version"]):
                told.append(f"write {later['number']} of {way} is older than {earlier['number']}, by their revisions")
    return told


def _misheard(history: Mapping[str, list[Note]]) -> list[str]:
    """A watch tells of every write once, in the order of revisions, however often it is taken up anew."""
    told = []
    for way in {e["way"] for e in history["events"]}:
        events = [e for e in history["events"] if e["way"] == way]
        told += [f"the watch of {way}: {e['error']}" for e in events if e["type"] == "forgotten"]
        heard = [e for e in events if e["type"] == "ADDED"]
        told += [
            f"the watch of {way} tells of {n} {c} times" for n, c in Counter(e["name"] for e in heard).items() if c > 1
        ]
        versions = [int(e["version"]) for e in heard]
        if versions != sorted(versions):
            told.append(f"the watch of {way} tells of writes in another order than that of their revisions")
        names = {_number(e["name"]) for e in heard}
        for writer, writes in _acknowledged(history["requests"]).items():
            told += [
                f"the watch of {way} does not tell of write {w['number']} of {writer}"
                for w in writes if (writer, w["number"]) not in names
            ]  # fmt: skip
    return told

"""What kube-bench found, out of its JSON, and what of it is a fault."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

JUDGED = Path(__file__).with_name("judged.txt")
_STATES = {"PASS": "passed", "FAIL": "failed", "WARN": "manual"}


@dataclass(frozen=True)
class Check:
    """A check of the benchmark.

    + target: whom it is about: master, etcd, controlplane, node
    + number: the benchmark's, 1.2.3
    + title: what it wants
    + state: passed, failed, manual (a person is to judge it), or skipped
    + found: what kube-bench read, or why it read nothing
    """

    target: str
    number: str
    title: str
    state: str
    found: str = ""


def read(answer: str) -> list[Check]:
    """The checks of a run of kube-bench.

    Args:
        answer: what it printed, with --json.
    """
    return [
        Check(
            target=part["node_type"],
            number=check["test_number"],
            title=check["test_desc"],
            state=_STATES.get(check["status"], "skipped"),
            found=check.get("reason") or check.get("actual_value", ""),
        )
        for part in json.loads(answer)["Controls"]
        for group in part["tests"]
        for check in group["results"]
    ]


def judged(text: str) -> dict[str, str]:
    """Checks that do not pass, or that kube-bench leaves to a person, each with the reason why that is no fault.

    Args:
        text: a line for each, its number and the reason.
    """
    return dict(line.split(maxsplit=1) for line in text.splitlines())


def by_target(checks: Iterable[Check]) -> list[tuple[str, int, int, int]]:
    """For each target: passed, failed, manual."""
    counted = Counter((check.target, check.state) for check in checks)
    targets = dict.fromkeys(target for target, _ in counted)
    return [
        (target, *(counted[target, state] for state in _STATES.values()))
        for target in targets
    ]  # fmt: skip


def faults(checks: Iterable[Check], reasons: Mapping[str, str]) -> list[str]:
    """A line for each check that neither passed nor has a reason: its number, what it wants, what was found.

    Args:
        checks: of a run.
        reasons: by the checks' numbers.
    """
    return [
        f"{check.number} ({check.target}, {check.state}) {check.title}: {' '.join(check.found.split())[:300]}"
        for check in checks
        if check.state != "passed" and check.number not in reasons
    ]

"""What a run of the suite found, out of ginkgo's JSON report."""

import json
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

CONFORMANCE = "[Conformance]"
FAILED = ("failed", "panicked", "interrupted", "aborted", "timedout")


@dataclass(frozen=True)
class Spec:
    """A conformance spec of the suite.

    + name: whole, as the suite says it
    + state: passed, failed, skipped (or what else ended it)
    + seconds: how long it took
    + message: why it failed
    """

    name: str
    state: str
    seconds: float = 0.0
    message: str = ""

    @property
    def area(self) -> str:
        """Who answers for it in Kubernetes: network, apps, …"""
        sig = re.match(r"\[sig-([\w-]+)\]", self.name)
        return sig[1] if sig else "other"

    @property
    def has_failed(self) -> bool:
        """Whether it ran and did not pass."""
        return self.state in FAILED

    @property
    def has_run(self) -> bool:
        """Whether it ran."""
        return self.has_failed or self.state == "passed"


def read(report: Path) -> list[Spec]:
    """The conformance specs of a report, run or not."""
    found = []
    for suite in json.loads(report.read_text()):
        for spec in suite.get("SpecReports") or []:
            name = " ".join([*(spec.get("ContainerHierarchyTexts") or []), spec.get("LeafNodeText") or ""]).strip()
            if CONFORMANCE in name:
                message = (spec.get("Failure") or {}).get("Message", "")
                found.append(Spec(name, spec["State"], spec.get("RunTime", 0) / 1e9, message))
    return found


def by_area(specs: Iterable[Spec]) -> list[tuple[str, int, int, int]]:
    """For each area, and at the end for all: passed, failed, not run."""
    counted = Counter(
        (area, "passed" if spec.state == "passed" else "failed" if spec.has_failed else "not run")
        for spec in specs
        for area in (spec.area, "all")
    )
    areas = sorted({area for area, _ in counted} - {"all"})
    return [
        (area, *(counted[area, state] for state in ("passed", "failed", "not run")))
        for area in [*areas, "all"]
    ]  # fmt: skip


def failures(specs: Iterable[Spec]) -> list[str]:
    """A line for each spec that failed: its name and the beginning of why."""
    return [
        f"{spec.name} ({spec.seconds:.0f} s): {' '.join(spec.message.split())[:300]}"
        for spec in specs
        if spec.has_failed
    ]
